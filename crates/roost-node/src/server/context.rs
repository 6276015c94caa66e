//! What all servers of a node share. Handed to every actor; holds no server itself.

use super::runtimes::Runtimes;
use crate::{activity::Recorder, node::Layout, pump::Pumps, remote::Panel, socket::Shards};
use roost_wire::{clock::Clock, node_config::NodeConfig};
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Servers that are started at once when the node comes up.
pub const RESTORES: usize = 4;
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
    /// What runs programs.
    pub runtimes: Runtimes,
    /// [`RESTORES`] permits.
    pub restores: Arc<Semaphore>,
    /// [`WALKS`] permits.
    pub walks: Arc<Semaphore>,
    /// The node shuts down: actors end, their programs live on.
    pub closing: CancellationToken,
}
