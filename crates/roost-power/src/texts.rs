//! What the console is told about power, and how the end of a run is put into words.
//!
//! When something is said is decided in the rule.

use super::{
    KILL_WARNING_SECS, Saved, StopReason,
    history::{Next, RESTARTS_MAX},
};
use roost_wire::{
    power::{PowerAction, PowerState},
    remote::RestartPolicy,
};
use std::fmt;

pub(super) const NOT_STARTED_AGAIN: &str = "The start that was to follow is called off.";
pub(super) const INSTALLER_CUT_OFF: &str = "The installer was cut off when the node ended: run it again.";
pub(super) const CALLED_OFF: &str = "The start was called off.";
pub(super) const CRASH_RESTART_OFF: &str =
    "It is not started again: crash detection is off for this server or node.";
pub(super) const STARTED_AGAIN: &str = "It is started again in a second; stop or kill calls that off.";
pub(super) const KILLING: &str = "The kill timer has ended: the server is killed now.";
pub(super) const STILL_ALIVE: &str = "The server has been killed and still has not ended (a process may hang in the kernel): it is killed again.";

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exit {
    /// Exit code, if it exited by itself.
    pub code: Option<i32>,
    /// Signal, if one ended it.
    pub signal: Option<i32>,
    /// The kernel ended it for want of memory.
    pub out_of_memory: bool,
    /// The engine ended, and took it along.
    pub with_engine: bool,
    /// Why neither is known, or what went wrong; a clause such as `its keeper went away`.
    pub note: Option<String>,
    /// It never came to live.
    pub not_started: bool,
}

impl Exit {
    /// A run that never came to live.
    pub fn not_started(reason: &str) -> Self {
        Self {
            note: Some(format!("it could not be started: {reason}")),
            not_started: true,
            ..Self::default()
        }
    }

    /// A run of whose end only this is known.
    pub fn unknown(note: impl Into<String>) -> Self {
        Self {
            note: Some(note.into()),
            ..Self::default()
        }
    }

    /// Whether there was a run.
    pub const fn is_of_a_run(&self) -> bool {
        !self.not_started
    }

    /// It exited by itself and said that all is well.
    pub const fn is_clean(&self) -> bool {
        matches!(self.code, Some(0)) && !self.out_of_memory
    }
}

impl Exit {
    /// One sentence.
    pub fn sentence(&self) -> String {
        ended(self)
    }
}

/// A clause: `exit code 1`, `ended by signal 9 (SIGKILL), out of memory`.
impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.code, self.signal) {
            (_, Some(signal)) => {
                write!(f, "ended by signal {signal}")?;
                if let Some(name) = crate::signal::signal_name(signal) {
                    write!(f, " ({name})")?;
                }
            }
            (Some(code), None) => write!(f, "exit code {code}")?,
            (None, None) if self.note.is_none() => f.write_str("how is not known")?,
            (None, None) => {}
        }
        if self.out_of_memory {
            f.write_str(", out of memory: raise its memory limit or let it use less")?;
        }
        if let Some(note) = &self.note {
            if self.code.is_some() || self.signal.is_some() {
                f.write_str(", ")?;
            }
            // A reason may be a sentence of its own.
            f.write_str(note.trim_end_matches('.'))?;
        }
        Ok(())
    }
}

pub(super) fn ended(exit: &Exit) -> String {
    format!("The server has ended: {exit}.")
}

pub(super) fn crashed(exit: &Exit) -> String {
    format!("The server has ended though nobody asked it to stop: {exit}.")
}

pub(super) fn ended_with_engine(exit: &Exit) -> String {
    format!(
        "Docker was stopped and the server with it ({exit}): it is started again now that Docker is back."
    )
}

/// `It is started again in 4 s (attempt 3 of 10 within an hour); ...`
pub(super) fn started_again(next: Next) -> String {
    format!(
        "It is started again in {} s (attempt {} of {RESTARTS_MAX} within an hour); stop or kill calls that off.",
        next.pause_ms / 1000,
        next.attempt
    )
}

pub(super) fn too_many_starts() -> String {
    format!(
        "It is not started again: it was {RESTARTS_MAX} times within the last hour. Start it by hand when it can run."
    )
}

pub(super) fn policy_says_no(policy: RestartPolicy) -> String {
    format!(
        "It is not started again: its restart policy is `{}`.",
        policy.as_str()
    )
}

pub(super) fn crash_loop(window_secs: i64) -> String {
    format!(
        "It is not started again: it had crashed within the last {window_secs} seconds. Start it by hand."
    )
}

pub(super) fn start_failed(reason: &str) -> String {
    format!("The server could not be started: {reason}")
}

pub(super) fn still_awaited(texts: &str) -> String {
    format!(
        "The server has been starting for two minutes and has not yet printed what marks it as running: {texts}. It \
         can be used all the same; if the text is wrong, change it in the server's settings."
    )
}

pub(super) fn stopping(why: StopReason, secs: u64) -> String {
    let what = match why {
        StopReason::Asked(PowerAction::Restart) => "is being restarted",
        StopReason::Suspended => "was suspended and is being stopped",
        StopReason::Down => "is being stopped with the whole node",
        StopReason::Machine => {
            return format!(
                "The machine goes down: the server is being stopped, and is started when the machine is up again; if \
                 it has not ended in {secs} seconds, it is killed."
            );
        }
        StopReason::Asked(_) | StopReason::Typed => "is being stopped",
    };
    format!("The server {what}; if it has not ended in {secs} seconds, it is killed.")
}

/// Why a server is started again though nobody asked.
pub(super) fn gone(saved: &Saved) -> &'static str {
    if saved.machine {
        "The server was up when the machine went down: it is started again, as soon as it is its turn."
    } else if saved.state == PowerState::Offline {
        "The server was about to be started when the node ended: it is started, as soon as it is its turn."
    } else {
        "The server was up when the node ended, and its program is gone: it is started again, as soon as it is its turn."
    }
}

pub(super) fn kill_warning() -> String {
    format!("The server has not ended yet and is killed in {KILL_WARNING_SECS} seconds.")
}
