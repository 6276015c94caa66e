//! What runs servers: a program under a terminal (`process`) or a container (`docker`). Both leave the terminal's
//! bytes to a keeper, and hand its socket to the pump.

pub(crate) mod cgroup;
pub mod docker;
pub mod measure;
pub mod process;

use roost_wire::{remote::ProcessConfiguration, remote::RoostSettings, remote::Settings, stats::Stats};
use std::{os::unix::net::UnixStream, path::PathBuf};
use uuid::Uuid;

/// Everything that a start needs.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The server.
    pub uuid: Uuid,
    /// This run; new for each start.
    pub run: Uuid,
    /// From the panel.
    pub settings: Settings,
    /// From the panel; defaults where a stock panel sends none.
    pub roost: RoostSettings,
    /// From the panel.
    pub process: ProcessConfiguration,
    /// The server's directory; exists.
    pub dir: PathBuf,
    /// The keeper's own directory (socket, spool); exists, 0700.
    pub keeper_dir: PathBuf,
    /// `TZ`.
    pub timezone: String,
}

/// A server that was started, or found alive.
#[derive(Debug)]
pub struct Running {
    /// The run.
    pub run: Uuid,
    /// The keeper's socket, for [`crate::pump::Pumps::attach`].
    pub link: UnixStream,
    /// Bytes at the beginning of its stream that are in the journal already, from the engine's log.
    pub skip: u64,
    /// Main process on the node, where it can be told.
    pub pid: Option<u32>,
    /// Limits that are set but not enforced, each a sentence.
    pub not_enforced: Vec<String>,
}

/// A start that failed; the sentence says what to do.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StartError(pub String);

/// A sample of a live server; `state` and `disk_bytes` are the caller's to fill in.
pub type Sample = Stats;
