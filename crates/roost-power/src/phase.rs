//! What a server does: the states of its power, the word each has on the wire, and what is written down of them.
//!
//! What follows from what is the rule's business.

use roost_wire::power::{PowerAction, PowerState};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::History;

/// A server's power, whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Power {
    /// What it does now.
    pub phase: Phase,
    /// What is remembered of its crashes.
    pub history: History,
}

impl Power {
    /// What to write down.
    pub fn saved(&self) -> Saved {
        self.phase.saved(self.history.clone())
    }
}

/// What a server does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// No program.
    Offline {
        /// A start follows by itself.
        follows: Option<Follows>,
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
        /// Nobody asked: it crashed, or the machine came up.
        by_itself: bool,
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

/// Why a start follows by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follows {
    /// It crashed: in a moment.
    Crash,
    /// It was up when the machine went down, or was lost: as soon as the node comes up again and it is its turn.
    Boot,
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
    /// The machine goes down: a start follows when it is up again.
    Machine,
}

impl Default for Phase {
    fn default() -> Self {
        Self::Offline { follows: None }
    }
}

/// What is written down of a server's power, so that the node's next life can go on from it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    /// The word on the wire.
    pub state: PowerState,
    /// A start was to follow; not after an installer: what it left half done must not be started.
    pub then_start: bool,
    /// The machine went down, or was lost: that start follows when it is up again.
    pub machine: bool,
    /// The installer was at work.
    pub installing: bool,
    /// The run, where a program lived or was being made.
    pub run: Option<Uuid>,
    /// What is remembered of its crashes.
    pub history: History,
}

impl Saved {
    /// Whether the server should be up, if its program is found to be gone.
    pub const fn wants_start(&self) -> bool {
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

    fn saved(&self, history: History) -> Saved {
        let then_start = match self {
            Self::Offline { follows } => follows.is_some(),
            Self::Stopping(stopping) => stopping.then_start,
            _ => false,
        };
        Saved {
            state: self.wire(),
            then_start,
            machine: match self {
                Self::Offline { follows } => matches!(follows, Some(Follows::Boot)),
                Self::Stopping(stopping) => matches!(stopping.why, StopReason::Machine),
                _ => false,
            },
            installing: matches!(self, Self::Installing { .. }),
            run: self.run(),
            history,
        }
    }
}
