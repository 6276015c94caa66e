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
//! [`step`] is pure: no clock, no process, no text on a console. `actor` gives it inputs one at a time and `driver`
//! carries its effects out. Whether somebody may ask at all is decided before a request gets here.

#[cfg(test)]
mod tests;
mod texts;

use super::handle::Refusal;
use roost_wire::{
    clock::Millis,
    power::{PowerAction, PowerState},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub use texts::Exit;

/// Seconds after which a SIGKILL that ended nothing is sent again.
pub const KILL_AGAIN_SECS: u64 = 10;
/// Seconds that a suspended server has for its stop, unless its own kill timer is shorter.
pub const SUSPEND_STOP_SECS: u64 = 60;
/// Seconds before the kill timer ends at which the console is told.
pub const KILL_WARNING_SECS: u64 = 10;
/// Seconds after which the console says which text is still awaited.
pub const DONE_OVERDUE_SECS: u64 = 120;
/// Milliseconds between a crash and the start that follows it.
pub const START_AGAIN_MS: u64 = 1000;

/// A server's power, whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Power {
    /// What it does now.
    pub phase: Phase,
    /// When it last crashed and was started again.
    pub last_crash: Option<Millis>,
}

/// What a server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No program.
    Offline {
        /// How the last run ended, if there was one.
        last_exit: Option<Exit>,
        /// It crashed, and a start follows in a moment.
        again: bool,
    },
    /// The installer is at work.
    Installing {
        /// Start the server afterwards.
        then_start: bool,
    },
    /// The runtime is making the program; there is none yet.
    Launching {
        /// The run that begins.
        run: Uuid,
        /// What was asked for.
        asked: PowerAction,
    },
    /// The program lives; its `done` text has not been seen.
    Starting {
        /// The run.
        run: Uuid,
    },
    /// Up.
    Running {
        /// The run.
        run: Uuid,
    },
    /// Its end was asked for.
    Stopping(Stopping),
}

/// A stop that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopping {
    /// The run.
    pub run: Uuid,
    /// The program lives; false while a launch is being called off.
    pub live: bool,
    /// Who wanted it.
    pub why: StopReason,
    /// Start it again afterwards.
    pub then_start: bool,
    /// SIGKILL was sent.
    pub killed: bool,
}

/// Why a server stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// This was asked for.
    Asked(PowerAction),
    /// Somebody typed the stop command: no kill timer runs, and a real stop may follow.
    Typed,
    /// The panel suspended it.
    Suspended,
    /// All servers of the node are stopped.
    Down,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Offline {
            last_exit: None,
            again: false,
        }
    }
}

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

/// What is to be done about it, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The request is refused (without this effect it is accepted).
    Refuse(Refusal),
    /// Begin a run.
    Launch {
        /// Its name.
        run: Uuid,
    },
    /// Call the launch off; it still reports `Launched` or `LaunchFailed`.
    CancelLaunch {
        /// Which.
        run: Uuid,
    },
    /// Ask the program to end, its own way.
    SendStop {
        /// The run.
        run: Uuid,
    },
    /// Report `KillDue` after `secs`, and `KillWarning` before it if `warn`. Replaces an earlier timer.
    ArmKillTimer {
        /// The run.
        run: Uuid,
        /// Seconds.
        secs: u64,
        /// Report the warning, too.
        warn: bool,
    },
    /// Report `DoneOverdue` after [`DONE_OVERDUE_SECS`].
    ArmDoneReminder {
        /// The run.
        run: Uuid,
    },
    /// No timer of any run is needed any more.
    DisarmTimers,
    /// End the whole tree at once.
    Kill {
        /// The run.
        run: Uuid,
    },
    /// Run the installer; it reports `InstallEnded`.
    Install,
    /// End the installer.
    CancelInstall,
    /// The word on the wire has changed.
    Publish(PowerState),
    /// A daemon line for the console.
    Notice(String),
    /// Report `StartAgain` after so many milliseconds.
    StartAgainAfter {
        /// Milliseconds.
        ms: u64,
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
    /// Seconds before stop and restart turn into a kill.
    pub stop_timeout_secs: u64,
    /// Start again after a crash.
    pub crash_restart: bool,
    /// An exit with 0 that nobody asked for is a crash.
    pub clean_exit_is_crash: bool,
    /// A second crash within so many milliseconds is not followed by a start; 0 for no limit.
    pub crash_window_ms: i64,
    /// The `done` texts, for people.
    pub awaited: String,
}

/// What is written down of a server's power, so that the node's next life can go on from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The word on the wire.
    pub state: PowerState,
    /// A start was to follow.
    pub then_start: bool,
    /// The installer was at work.
    pub installing: bool,
    /// The run, where a program lived or was being made.
    pub run: Option<Uuid>,
}

impl Saved {
    /// Whether the server should be up, if its program is found to be gone.
    pub const fn wants_start(self) -> bool {
        match self.state {
            PowerState::Starting | PowerState::Running => true,
            PowerState::Stopping | PowerState::Offline => self.then_start,
        }
    }
}

impl Phase {
    /// The word on the wire.
    pub const fn wire(&self) -> PowerState {
        match self {
            Self::Offline { .. } | Self::Installing { .. } => PowerState::Offline,
            Self::Launching { .. } | Self::Starting { .. } => PowerState::Starting,
            Self::Running { .. } => PowerState::Running,
            Self::Stopping(_) => PowerState::Stopping,
        }
    }

    /// The run that is under way.
    pub const fn run(&self) -> Option<Uuid> {
        match self {
            Self::Offline { .. } | Self::Installing { .. } => None,
            Self::Launching { run, .. } | Self::Starting { run } | Self::Running { run } => Some(*run),
            Self::Stopping(stopping) => Some(stopping.run),
        }
    }

    /// The same program, whose stream goes on under another name: an engine was attached to again.
    pub fn rename(&mut self, new: Uuid) {
        match self {
            Self::Offline { .. } | Self::Installing { .. } => {}
            Self::Launching { run, .. } | Self::Starting { run } | Self::Running { run } => *run = new,
            Self::Stopping(stopping) => stopping.run = new,
        }
    }

    /// Whether a program lives that can be typed at.
    pub const fn is_live(&self) -> bool {
        match self {
            Self::Offline { .. } | Self::Installing { .. } | Self::Launching { .. } => false,
            Self::Starting { .. } | Self::Running { .. } => true,
            Self::Stopping(stopping) => stopping.live,
        }
    }

    /// What to write down.
    pub const fn saved(&self) -> Saved {
        let then_start = match self {
            Self::Offline { again: flag, .. } | Self::Installing { then_start: flag } => *flag,
            Self::Stopping(stopping) => stopping.then_start,
            _ => false,
        };
        Saved {
            state: self.wire(),
            then_start,
            installing: matches!(self, Self::Installing { .. }),
            run: self.run(),
        }
    }
}

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
        Input::Suspend => {
            machine.end_for_good(
                StopReason::Suspended,
                rules.stop_timeout_secs.min(SUSPEND_STOP_SECS),
            );
        }
        Input::Down => machine.end_for_good(StopReason::Down, rules.stop_timeout_secs),
        Input::Launched { run, ready } => machine.launched(run, ready),
        Input::LaunchFailed { run, reason } => machine.launch_failed(run, reason),
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

    fn launch(&mut self, asked: PowerAction) {
        let run = self.rules.next_run;
        self.effects.push(Effect::DisarmTimers);
        self.go(Phase::Launching { run, asked });
        self.effects.push(Effect::Launch { run });
    }

    fn rest(&mut self, last_exit: Option<Exit>, again: bool) {
        self.effects.push(Effect::DisarmTimers);
        self.go(Phase::Offline { last_exit, again });
    }

    fn request(&mut self, action: PowerAction) -> Result<(), Refusal> {
        use PowerAction::{Kill, Restart, Start, Stop};
        if self.rules.suspended && matches!(action, Start | Restart) {
            return Err(Refusal::Suspended);
        }
        match (self.power.phase.clone(), action) {
            (_, Kill) => self.kill(),
            (Phase::Installing { .. }, _) => return Err(Refusal::Installing),
            (Phase::Offline { .. }, Start | Restart) => self.launch(action),
            (
                Phase::Offline {
                    again: true,
                    last_exit,
                },
                Stop,
            ) => {
                self.rest(last_exit, false);
                self.say(texts::NOT_STARTED_AGAIN);
            }
            (Phase::Offline { .. }, Stop) => return Err(Refusal::AlreadyOffline),
            (phase @ (Phase::Launching { .. } | Phase::Starting { .. } | Phase::Running { .. }), Start) => {
                return Err(Refusal::AlreadyUp(phase.wire()));
            }
            (Phase::Launching { asked, .. }, Restart) => return Err(Refusal::Busy(asked)),
            (Phase::Launching { run, .. }, Stop) => self.call_off(run, StopReason::Asked(Stop)),
            (Phase::Starting { run } | Phase::Running { run }, Stop | Restart) => {
                self.stop(run, StopReason::Asked(action), self.rules.stop_timeout_secs);
            }
            (Phase::Stopping(stopping), Stop | Restart) if stopping.why == StopReason::Typed => {
                self.stop(
                    stopping.run,
                    StopReason::Asked(action),
                    self.rules.stop_timeout_secs,
                );
            }
            (Phase::Stopping(stopping), Start | Stop | Restart) => {
                return Err(Refusal::Busy(match stopping.why {
                    StopReason::Asked(asked) => asked,
                    StopReason::Typed | StopReason::Suspended | StopReason::Down => Stop,
                }));
            }
        }
        Ok(())
    }

    fn kill(&mut self) {
        let why = StopReason::Asked(PowerAction::Kill);
        match self.power.phase.clone() {
            Phase::Offline { last_exit, .. } => {
                self.power.phase = Phase::Offline {
                    last_exit,
                    again: false,
                };
            }
            Phase::Installing { .. } => {
                self.power.phase = Phase::Installing { then_start: false };
                self.effects.push(Effect::CancelInstall);
            }
            Phase::Launching { run, .. } => self.call_off(run, why),
            Phase::Starting { run } | Phase::Running { run } => self.kill_live(run, why, false),
            Phase::Stopping(Stopping { run, live: true, .. }) => self.kill_live(run, why, false),
            Phase::Stopping(Stopping { run, live: false, .. }) => self.call_off(run, why),
        }
    }

    fn kill_live(&mut self, run: Uuid, why: StopReason, then_start: bool) {
        self.go(Phase::Stopping(Stopping {
            run,
            live: true,
            why,
            then_start,
            killed: true,
        }));
        self.effects.push(Effect::Kill { run });
        self.effects.push(Effect::ArmKillTimer {
            run,
            secs: KILL_AGAIN_SECS,
            warn: false,
        });
    }

    fn call_off(&mut self, run: Uuid, why: StopReason) {
        self.go(Phase::Stopping(Stopping {
            run,
            live: false,
            why,
            then_start: false,
            killed: why == StopReason::Asked(PowerAction::Kill),
        }));
        self.effects.push(Effect::CancelLaunch { run });
    }

    fn stop(&mut self, run: Uuid, why: StopReason, secs: u64) {
        self.go(Phase::Stopping(Stopping {
            run,
            live: true,
            why,
            then_start: why == StopReason::Asked(PowerAction::Restart),
            killed: false,
        }));
        self.say(texts::stopping(why, secs));
        self.effects.push(Effect::SendStop { run });
        self.effects.push(Effect::ArmKillTimer {
            run,
            secs,
            warn: secs > KILL_WARNING_SECS,
        });
    }

    fn stop_typed(&mut self) {
        if let Phase::Starting { run } | Phase::Running { run } = self.power.phase {
            self.go(Phase::Stopping(Stopping {
                run,
                live: true,
                why: StopReason::Typed,
                then_start: false,
                killed: false,
            }));
        }
    }

    /// A stop that no other action can refuse, and after which nothing follows.
    fn end_for_good(&mut self, why: StopReason, secs: u64) {
        match self.power.phase.clone() {
            Phase::Offline { last_exit, .. } => {
                self.power.phase = Phase::Offline {
                    last_exit,
                    again: false,
                };
            }
            Phase::Installing { .. } => {
                self.power.phase = Phase::Installing { then_start: false };
                if why == StopReason::Down {
                    self.effects.push(Effect::CancelInstall);
                }
            }
            Phase::Launching { run, .. } => self.call_off(run, why),
            Phase::Starting { run } | Phase::Running { run } => self.stop(run, why, secs),
            Phase::Stopping(stopping) if stopping.why == StopReason::Typed => {
                self.stop(stopping.run, why, secs);
            }
            Phase::Stopping(stopping) => {
                self.power.phase = Phase::Stopping(Stopping {
                    then_start: false,
                    ..stopping
                });
            }
        }
    }

    fn launched(&mut self, run: Uuid, ready: bool) {
        match self.power.phase.clone() {
            Phase::Launching { run: launching, .. } if launching == run => self.up(run, ready),
            Phase::Stopping(stopping) if stopping.run == run && !stopping.live => {
                if stopping.killed {
                    self.kill_live(run, stopping.why, stopping.then_start);
                } else {
                    self.stop(run, stopping.why, self.rules.stop_timeout_secs);
                }
            }
            // A run that nobody waits for must not go on unseen.
            phase if phase.run() != Some(run) => self.effects.push(Effect::Kill { run }),
            _ => {}
        }
    }

    fn up(&mut self, run: Uuid, ready: bool) {
        if ready {
            self.go(Phase::Running { run });
        } else {
            self.go(Phase::Starting { run });
            self.effects.push(Effect::ArmDoneReminder { run });
        }
    }

    fn launch_failed(&mut self, run: Uuid, reason: String) {
        match self.power.phase.clone() {
            Phase::Launching { run: launching, .. } if launching == run => {
                self.say(texts::start_failed(&reason));
                self.rest(Some(Exit::not_started(reason)), false);
            }
            Phase::Stopping(stopping) if stopping.run == run && !stopping.live => {
                self.say(texts::CALLED_OFF);
                self.rest(None, false);
            }
            _ => {}
        }
    }

    fn ended(&mut self, run: Uuid, exit: Exit) {
        if self.power.phase.run() != Some(run) {
            return;
        }
        let Phase::Stopping(stopping) = self.power.phase.clone() else {
            return self.ended_unasked(exit);
        };
        self.say(texts::ended(&exit));
        if stopping.then_start && !self.rules.suspended {
            self.rest(Some(exit), false);
            self.launch(PowerAction::Restart);
        } else {
            self.rest(Some(exit), false);
        }
    }

    fn ended_unasked(&mut self, exit: Exit) {
        if exit.is_clean() && !self.rules.clean_exit_is_crash {
            self.say(texts::ended(&exit));
            return self.rest(Some(exit), false);
        }
        self.say(texts::crashed(&exit));
        let since = self.power.last_crash.map(|last| self.rules.now - last);
        let again = if self.rules.suspended {
            false
        } else if !self.rules.crash_restart {
            self.say(texts::CRASH_RESTART_OFF);
            false
        } else if since.is_some_and(|ms| (0..self.rules.crash_window_ms).contains(&ms)) {
            self.say(texts::crash_loop(self.rules.crash_window_ms / 1000));
            false
        } else {
            self.power.last_crash = Some(self.rules.now);
            self.say(texts::STARTED_AGAIN);
            true
        };
        self.rest(Some(exit), again);
        if again {
            self.effects.push(Effect::StartAgainAfter { ms: START_AGAIN_MS });
        }
    }

    fn kill_warning(&mut self, run: Uuid) {
        if let Phase::Stopping(stopping) = &self.power.phase
            && stopping.run == run
            && stopping.live
            && !stopping.killed
            && stopping.why != StopReason::Typed
        {
            self.say(texts::kill_warning());
        }
    }

    fn kill_due(&mut self, run: Uuid) {
        let Phase::Stopping(stopping) = self.power.phase.clone() else {
            return;
        };
        if stopping.run != run || !stopping.live || stopping.why == StopReason::Typed {
            return;
        }
        self.say(if stopping.killed {
            texts::STILL_ALIVE
        } else {
            texts::KILLING
        });
        self.kill_live(run, stopping.why, stopping.then_start);
    }

    fn start_again(&mut self) {
        if matches!(self.power.phase, Phase::Offline { again: true, .. }) && !self.rules.suspended {
            self.launch(PowerAction::Start);
        }
    }

    fn install(&mut self, then_start: bool) {
        match &self.power.phase {
            Phase::Offline { .. } => {
                self.effects.push(Effect::DisarmTimers);
                self.go(Phase::Installing { then_start });
                self.effects.push(Effect::Install);
            }
            Phase::Installing { .. } => self.effects.push(Effect::Refuse(Refusal::Installing)),
            up => {
                let refusal = Refusal::AlreadyUp(up.wire());
                self.effects.push(Effect::Refuse(refusal));
            }
        }
    }

    fn install_ended(&mut self, successful: bool) {
        if let Phase::Installing { then_start } = self.power.phase {
            self.go(Phase::default());
            if successful && then_start && !self.rules.suspended {
                self.launch(PowerAction::Start);
            }
        }
    }

    fn found(&mut self, run: Uuid, saved: Saved, ready: bool) {
        if !matches!(self.power.phase, Phase::Offline { .. }) {
            return;
        }
        match saved.state {
            PowerState::Stopping => {
                let action = if saved.then_start {
                    PowerAction::Restart
                } else {
                    PowerAction::Stop
                };
                self.stop(run, StopReason::Asked(action), self.rules.stop_timeout_secs);
            }
            PowerState::Starting => self.up(run, ready),
            // Offline: the launch was under way when the node ended, before it could be written down.
            PowerState::Running | PowerState::Offline => self.go(Phase::Running { run }),
        }
        if self.rules.suspended {
            self.end_for_good(
                StopReason::Suspended,
                self.rules.stop_timeout_secs.min(SUSPEND_STOP_SECS),
            );
        }
    }
}
