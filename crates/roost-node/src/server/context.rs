//! What all servers of a node share. Handed to every actor; holds no server itself.

use super::{directories::Directories, runtimes::Runtimes};
use crate::{activity::Recorder, node::Layout, pump::Pumps, remote::Panel, socket::Shards};
use roost_wire::{clock::Clock, node_config::NodeConfig};
use std::sync::{Arc, atomic::AtomicBool};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Directories that are measured at once.
pub const WALKS: usize = 2;

/// See the module.
pub struct Context {
    /// Where things lie.
    pub layout: Layout,
    /// As it was at start; its secret is held by [`crate::node::Secrets`].
    pub config: NodeConfig,
    /// `TZ` of servers.
    pub timezone: String,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// The panel.
    pub panel: Panel,
    /// Journals and keepers.
    pub pumps: Pumps,
    /// Viewers.
    pub shards: Shards,
    /// The audit.
    pub recorder: Recorder,
    /// Where servers may be.
    pub directories: Directories,
    /// What runs programs.
    pub runtimes: Runtimes,
    /// A permit for each server that may be coming up at once after the node's start.
    pub boot_starts: Arc<Semaphore>,
    /// [`WALKS`] permits.
    pub walks: Arc<Semaphore>,
    /// The node stops all its servers: none is started any more.
    pub going_down: AtomicBool,
    /// The node shuts down: actors end, their programs live on.
    pub closing: CancellationToken,
}
