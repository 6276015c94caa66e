//! The four states of a server on the wire, and the four things that can be asked of it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What `status` says. Installing, suspended and crashed are not states on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum PowerState {
    /// No process.
    #[default]
    Offline,
    /// A process lives, its `done` text has not been seen yet.
    Starting,
    /// Up.
    Running,
    /// Asked to stop, still alive.
    Stopping,
}

impl PowerState {
    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Offline => "offline",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Stopping => "stopping",
        }
    }
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A power request, as in `set state` and `POST .../power`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerAction {
    /// Start a server that is offline.
    Start,
    /// Stop it its own way, then kill it when the kill timer ends.
    Stop,
    /// Stop, then start.
    Restart,
    /// End the whole tree at once.
    Kill,
}

impl PowerAction {
    /// All of them, in the order of the buttons.
    pub const ALL: [Self; 4] = [Self::Start, Self::Restart, Self::Stop, Self::Kill];

    /// The word on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Kill => "kill",
        }
    }

    /// The permission that it takes.
    pub const fn permission(self) -> &'static str {
        match self {
            Self::Start => crate::permission::CONTROL_START,
            Self::Stop | Self::Kill => crate::permission::CONTROL_STOP,
            Self::Restart => crate::permission::CONTROL_RESTART,
        }
    }
}

impl fmt::Display for PowerAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The word is none of the four.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("unknown power action: use start, stop, restart or kill")]
pub struct UnknownPowerAction;

impl FromStr for PowerAction {
    type Err = UnknownPowerAction;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|a| a.as_str() == s)
            .ok_or(UnknownPowerAction)
    }
}
