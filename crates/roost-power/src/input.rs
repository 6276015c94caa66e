//! What the power rule is told: what happened, and what it has to know of the server and the moment.

use super::{Exit, Saved};
use roost_wire::{clock::Millis, power::PowerAction, remote::RestartPolicy};
use uuid::Uuid;

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody asks.
    Request(PowerAction),
    /// Somebody types the stop command.
    StopTyped,
    /// The panel suspended the server: it ends, whatever was to follow.
    Suspend,
    /// All servers of the node are stopped: it ends, whatever was to follow.
    Down,
    /// The machine goes down: it ends, and is started again when the machine is up.
    MachineDown,
    /// The program lives. `ready`: no `done` text is awaited.
    Launched {
        /// The run.
        run: Uuid,
        /// It counts as running at once.
        ready: bool,
    },
    /// There will be no program.
    LaunchFailed {
        /// The run.
        run: Uuid,
        /// A sentence that says what to do.
        reason: String,
    },
    /// The `done` text was seen.
    DoneSeen {
        /// The run.
        run: Uuid,
    },
    /// The program has ended.
    Ended {
        /// The run.
        run: Uuid,
        /// How.
        exit: Exit,
    },
    /// The kill timer ends in [`KILL_WARNING_SECS`].
    KillWarning {
        /// The run.
        run: Uuid,
    },
    /// The kill timer has ended.
    KillDue {
        /// The run.
        run: Uuid,
    },
    /// [`DONE_OVERDUE_SECS`] have passed since the launch.
    DoneOverdue {
        /// The run.
        run: Uuid,
    },
    /// The pause after a crash is over.
    StartAgain,
    /// The node has started and found no program.
    Gone {
        /// What the server did when the node last wrote it down.
        saved: Saved,
    },
    /// It is this server's turn to be started after the node has come up.
    Turn,
    /// Run the installer.
    Install {
        /// And start the server afterwards.
        then_start: bool,
    },
    /// The installer has ended.
    InstallEnded {
        /// With 0.
        successful: bool,
    },
    /// The node has started and found this run alive.
    Found {
        /// The run.
        run: Uuid,
        /// What the server did when the node last wrote it down.
        saved: Saved,
        /// No `done` text is awaited.
        ready: bool,
    },
}

/// What the rule needs to know of the server and the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// Now.
    pub now: Millis,
    /// Name of the run that this step may begin; unused before.
    pub next_run: Uuid,
    /// Suspended by the panel.
    pub suspended: bool,
    /// The node stops all its servers: nothing is started any more.
    pub going_down: bool,
    /// Seconds before stop and restart turn into a kill.
    pub stop_timeout_secs: u64,
    /// What follows an end that nobody asked for.
    pub after_end: AfterEnd,
    /// The `done` texts, for people.
    pub awaited: String,
}

/// What follows an end that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterEnd {
    /// The rule of stock daemons, which stock panels expect.
    Stock {
        /// Start again after a crash.
        restart: bool,
        /// An exit with 0 that nobody asked for is a crash.
        clean_exit_is_crash: bool,
        /// A second crash within so many milliseconds is not followed by a start; 0 for no limit.
        window_ms: i64,
    },
    /// Roost's: pauses that grow, and a limit.
    Policy(RestartPolicy),
}
