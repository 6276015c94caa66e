//! The power rule: given what a server does and what has happened, what it does next.
//!
//! ```text
//!              start                launched            done seen
//!   Offline ──────────> Launching ──────────> Starting ──────────> Running
//!    │  ^ ^                 │ stop, kill          │ stop, restart, kill │
//!    │  │ └── ended ──── Stopping <───────────────┴────────────────────┘
//!    │  └──── ended, and nobody had asked: a crash, maybe started again
//!    └─ install ─> Installing ─ ended ─> Offline
//! ```
//!
//! [`step`] is pure: no clock, no process, no socket. The node's `server::actor` gives it inputs one at a time and
//! `server::driver` carries its effects out. Whether somebody may ask at all is decided before a request gets here.

mod effect;
mod events;
mod history;
mod input;
mod phase;
mod refusal;
mod requests;
pub mod signal;
#[cfg(test)]
mod tests;
mod texts;

pub use effect::Effect;
pub use history::History;
pub use input::{AfterEnd, Input, Rules};
pub use phase::{Follows, Phase, Power, Saved, StopReason, Stopping};
pub use refusal::Refusal;
pub use texts::Exit;

use roost_wire::power::PowerAction;

/// Seconds after which a SIGKILL that ended nothing is sent again.
pub const KILL_AGAIN_SECS: u64 = 10;
/// Seconds that a suspended server has for its stop, unless its own kill timer is shorter.
pub const SUSPEND_STOP_SECS: u64 = 60;
/// Seconds before the kill timer ends at which the console is told.
pub const KILL_WARNING_SECS: u64 = 10;
/// Seconds after which the console says which text is still awaited.
pub const DONE_OVERDUE_SECS: u64 = 120;
/// Milliseconds between a crash and the start that follows it, by the rule of stock daemons.
pub const START_AGAIN_MS: u64 = 1000;

/// The rule.
pub fn step(power: Power, input: Input, rules: &Rules) -> (Power, Vec<Effect>) {
    let mut machine = Machine {
        power,
        rules,
        effects: Vec::new(),
    };
    match input {
        Input::Request(action) => {
            if let Err(refusal) = machine.request(action) {
                machine.effects.push(Effect::Refuse(refusal));
            }
        }
        Input::StopTyped => machine.stop_typed(),
        Input::Suspend => machine.end_for_good(StopReason::Suspended),
        Input::Down => machine.end_for_good(StopReason::Down),
        Input::MachineDown => machine.machine_down(),
        Input::Launched { run, ready } => machine.launched(run, ready),
        Input::LaunchFailed { run, reason } => machine.launch_failed(run, &reason),
        Input::DoneSeen { run } => {
            if machine.power.phase == (Phase::Starting { run }) {
                machine.go(Phase::Running { run });
            }
        }
        Input::Ended { run, exit } => machine.ended(run, exit),
        Input::KillWarning { run } => machine.kill_warning(run),
        Input::KillDue { run } => machine.kill_due(run),
        Input::DoneOverdue { run } => {
            if machine.power.phase == (Phase::Starting { run }) {
                machine.say(texts::still_awaited(&rules.awaited));
            }
        }
        Input::StartAgain => machine.start_again(),
        Input::Install { then_start } => machine.install(then_start),
        Input::InstallEnded { successful } => machine.install_ended(successful),
        Input::Found { run, saved, ready } => machine.found(run, saved, ready),
        Input::Gone { saved } => machine.gone(&saved),
        Input::Turn => machine.turn(),
    }
    (machine.power, machine.effects)
}

struct Machine<'a> {
    power: Power,
    rules: &'a Rules,
    effects: Vec<Effect>,
}

impl Machine<'_> {
    fn go(&mut self, phase: Phase) {
        let (before, after) = (self.power.phase.wire(), phase.wire());
        self.power.phase = phase;
        if before != after {
            self.effects.push(Effect::Publish(after));
        }
    }

    fn say(&mut self, text: impl Into<String>) {
        self.effects.push(Effect::Notice(text.into()));
    }

    fn launch(&mut self, asked: PowerAction, by_itself: bool) {
        let run = self.rules.next_run;
        self.effects.push(Effect::DisarmTimers);
        self.go(Phase::Launching {
            run,
            asked,
            by_itself,
        });
        self.effects.push(Effect::Launch { run });
    }

    fn rest(&mut self, follows: Option<Follows>) {
        self.effects.push(Effect::DisarmTimers);
        self.go(Phase::Offline { follows });
    }
}
