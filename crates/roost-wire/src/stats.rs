//! The figures of a server, as `stats` and `utilization` carry them.

use crate::power::PowerState;
use serde::{Deserialize, Serialize};

/// Bytes over the network since the process or container began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NetworkStats {
    /// Bytes received.
    pub rx_bytes: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
}

/// One sample. All classic fields, and Roost's own behind them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stats {
    /// Bytes of memory in use, without inactive page cache.
    pub memory_bytes: u64,
    /// Bytes of memory allowed; the machine's where there is no limit.
    pub memory_limit_bytes: u64,
    /// Per cent of one core (200 is two whole cores), rounded to 3 decimals.
    pub cpu_absolute: f64,
    /// Network, as far as it can be measured.
    pub network: NetworkStats,
    /// Milliseconds since the process or container began; 0 when offline.
    pub uptime: u64,
    /// The power state.
    pub state: PowerState,
    /// Bytes used in the server's directory.
    pub disk_bytes: u64,
    /// False where the node can't measure a process's own network and `network` is 0 for that reason. Daemons that run
    /// containers only always measure it, and do not say so.
    #[serde(default = "measured")]
    pub network_measured: bool,
}

fn measured() -> bool {
    true
}

impl Stats {
    /// The JSON text that goes into the one string argument of `stats`.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
