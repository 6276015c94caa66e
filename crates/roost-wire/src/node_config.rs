//! `config.yml` of a node: the keys of stock Wings that Roost reads and writes, and Roost's own under `roost`.
//!
//! Reading and writing YAML is the caller's business. Keys of stock daemons that Roost does not use are ignored.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeConfig {
    /// More words in the log.
    #[serde(default)]
    pub debug: bool,
    /// How the daemon names itself in its lines.
    #[serde(default = "default_app_name")]
    pub app_name: String,
    /// The node.
    pub uuid: Uuid,
    /// Public half of its credential.
    pub token_id: String,
    /// Secret half; also signs websocket tokens.
    pub token: String,
    /// Old secret, valid beside `token` while it is being replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_token: Option<String>,
    /// Its listener.
    #[serde(default)]
    pub api: Api,
    /// Its directories.
    #[serde(default)]
    pub system: System,
    /// Docker.
    #[serde(default)]
    pub docker: Docker,
    /// View throttle; none where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttles: Option<Throttles>,
    /// Mount sources that may be used.
    #[serde(default)]
    pub allowed_mounts: Vec<String>,
    /// The panel's address.
    pub remote: String,
    /// Further origins whose pages may open sockets; `*` for all.
    #[serde(default)]
    pub allowed_origins: Vec<String>,
    /// Roost's own.
    #[serde(default)]
    pub roost: RoostNode,
}

fn default_app_name() -> String {
    "Roost".to_owned()
}

/// The listener.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Api {
    /// Address to listen on.
    pub host: String,
    /// Port.
    pub port: u16,
    /// TLS.
    pub ssl: Ssl,
    /// Networks whose forwarded headers are believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for Api {
    fn default() -> Self {
        Self {
            host: "0.0.0.0".to_owned(),
            port: 8080,
            ssl: Ssl::default(),
            trusted_proxies: Vec::new(),
        }
    }
}

/// TLS.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ssl {
    /// On.
    pub enabled: bool,
    /// PEM file of the chain.
    pub cert: String,
    /// PEM file of the key.
    pub key: String,
}

/// Directories.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct System {
    /// Journals, keepers and queues live below.
    pub root_directory: String,
    /// Servers' directories live below.
    pub data: String,
    /// Lines that `send logs` replays.
    pub websocket_log_count: u32,
    /// Whether a crash starts a server again, where the panel does not say.
    pub crash_detection: CrashDetection,
    /// Time zone of servers (`TZ`); the node's where empty.
    pub timezone: String,
}

impl Default for System {
    fn default() -> Self {
        Self {
            root_directory: "/var/lib/pterodactyl".to_owned(),
            data: "/var/lib/pterodactyl/volumes".to_owned(),
            websocket_log_count: 150,
            crash_detection: CrashDetection::default(),
            timezone: String::new(),
        }
    }
}

/// What counts as a crash.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CrashDetection {
    /// Start crashed servers again.
    pub enabled: bool,
    /// An exit with 0 that nobody asked for counts, too.
    pub detect_clean_exit_as_crash: bool,
    /// A second crash within this many seconds is not followed by a start.
    pub timeout: u64,
}

impl Default for CrashDetection {
    fn default() -> Self {
        Self {
            enabled: true,
            detect_clean_exit_as_crash: true,
            timeout: 60,
        }
    }
}

/// Docker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Docker {
    /// The engine's socket; empty: `DOCKER_HOST`, then `/var/run/docker.sock`.
    pub socket: String,
    /// Network of the containers.
    pub network: DockerNetwork,
    /// MB of `/tmp`.
    pub tmpfs_size: u64,
    /// Most processes in a container; 0 for no limit.
    pub container_pid_limit: i64,
    /// User and group of servers, as `uid:gid`; empty: the node's configured range.
    pub user: String,
}

impl Default for Docker {
    fn default() -> Self {
        Self {
            socket: String::new(),
            network: DockerNetwork::default(),
            tmpfs_size: 100,
            container_pid_limit: 512,
            user: String::new(),
        }
    }
}

/// Network of the containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerNetwork {
    /// Address of the network's gateway, where servers with ip 127.0.0.1 are bound.
    pub interface: String,
    /// Name; made if missing. `bridge` and `host` are the engine's own.
    pub name: String,
    /// DNS servers.
    pub dns: Vec<String>,
}

impl Default for DockerNetwork {
    fn default() -> Self {
        Self {
            interface: String::new(),
            name: "bridge".to_owned(),
            dns: Vec::new(),
        }
    }
}

/// View throttle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Throttles {
    /// On.
    pub enabled: bool,
    /// Lines an interval.
    pub lines: u32,
    /// Interval in milliseconds.
    pub line_reset_interval: u64,
}

impl Default for Throttles {
    fn default() -> Self {
        Self {
            enabled: true,
            lines: 2000,
            line_reset_interval: 100,
        }
    }
}

/// Roost's own settings of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoostNode {
    /// First uid of the range from which servers of the process runtime get theirs (as root only).
    pub uid_first: u32,
    /// How many uids the range has.
    pub uid_count: u32,
    /// Servers of the process runtime may run here.
    pub process_runtime: bool,
    /// Servers that come up at once after the machine did; at least 1.
    pub boot_starts: u32,
    /// Limits of consoles.
    pub consoles: ConsoleLimits,
}

/// How much viewers may have, and how long they may take. `docs/operations.md` says what happens at each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConsoleLimits {
    /// Seconds until a first valid token.
    pub auth_secs: u64,
    /// Refused tokens before a first valid one.
    pub refused_tokens: u8,
    /// Seconds in which a viewer has to take something of what waits for it.
    pub write_secs: u64,
    /// Seconds between two pings of a viewer of `roost.v1`.
    pub ping_secs: u64,
    /// Seconds in which something has to come from such a viewer, once it was pinged.
    pub pong_secs: u64,
    /// Messages of a socket a second.
    pub messages_per_second: u32,
    /// Messages of a socket at once.
    pub messages_at_once: u32,
    /// Messages over these, a second, before the socket is closed.
    pub dropped_per_second: u32,
    /// Messages over these, at once, before the socket is closed.
    pub dropped_at_once: u32,
    /// Messages of all sockets of a user on a server, a second.
    pub user_messages_per_second: u32,
    /// The same at once.
    pub user_messages_at_once: u32,
    /// Messages of all sockets of an address on a server, a second.
    pub address_messages_per_second: u32,
    /// The same at once.
    pub address_messages_at_once: u32,
    /// Bytes of a message with all its fragments.
    pub message_bytes: u32,
    /// Seconds that an expired token waits for a fresh one.
    pub grace_secs: u64,
    /// Sockets without a token, by address.
    pub waiting_per_address: u32,
    /// Sockets without a token in all.
    pub waiting: u32,
    /// Sockets by address and server.
    pub per_address: u32,
    /// Sockets by session or API key, and server.
    pub per_key: u32,
    /// Sockets by user, on all servers.
    pub per_user: u32,
    /// Sockets in all.
    pub total: u32,
    /// The part of `total` that is kept for those who may do everything.
    pub reserve: u32,
}

impl Default for ConsoleLimits {
    fn default() -> Self {
        Self {
            auth_secs: 10,
            refused_tokens: 5,
            write_secs: 30,
            ping_secs: 20,
            pong_secs: 40,
            messages_per_second: 20,
            messages_at_once: 100,
            dropped_per_second: 50,
            dropped_at_once: 500,
            user_messages_per_second: 200,
            user_messages_at_once: 5_000,
            address_messages_per_second: 500,
            address_messages_at_once: 10_000,
            message_bytes: 32_768,
            grace_secs: crate::token::GRACE_SECS.unsigned_abs(),
            waiting_per_address: 60,
            waiting: 2_048,
            per_address: 2_000,
            per_key: 500,
            per_user: 10_000,
            total: 20_000,
            reserve: 1_000,
        }
    }
}

impl ConsoleLimits {
    /// Sets one, as `name=number`. The error says what can be set.
    pub fn set(&mut self, text: &str) -> Result<(), String> {
        let wrong = || {
            let names = serde_json::to_value(Self::default()).unwrap_or_default();
            let names: Vec<&str> = names
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            format!(
                "`{text}` is no limit, write NAME=NUMBER, the number from 1 to 4294967295 (255 for refused_tokens), with one of {}",
                names.join(", ")
            )
        };
        let (name, number) = text.split_once('=').ok_or_else(wrong)?;
        let number: u32 = number.trim().parse().ok().filter(|n| *n > 0).ok_or_else(wrong)?;
        match name.trim() {
            "auth_secs" => self.auth_secs = number.into(),
            "refused_tokens" => self.refused_tokens = u8::try_from(number).map_err(|_| wrong())?,
            "write_secs" => self.write_secs = number.into(),
            "ping_secs" => self.ping_secs = number.into(),
            "pong_secs" => self.pong_secs = number.into(),
            "messages_per_second" => self.messages_per_second = number,
            "messages_at_once" => self.messages_at_once = number,
            "dropped_per_second" => self.dropped_per_second = number,
            "dropped_at_once" => self.dropped_at_once = number,
            "user_messages_per_second" => self.user_messages_per_second = number,
            "user_messages_at_once" => self.user_messages_at_once = number,
            "address_messages_per_second" => self.address_messages_per_second = number,
            "address_messages_at_once" => self.address_messages_at_once = number,
            "message_bytes" => self.message_bytes = number,
            "grace_secs" => self.grace_secs = number.into(),
            "waiting_per_address" => self.waiting_per_address = number,
            "waiting" => self.waiting = number,
            "per_address" => self.per_address = number,
            "per_key" => self.per_key = number,
            "per_user" => self.per_user = number,
            "total" => self.total = number,
            "reserve" => self.reserve = number,
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

impl Default for RoostNode {
    fn default() -> Self {
        Self {
            uid_first: 700_000,
            uid_count: 10_000,
            process_runtime: true,
            boot_starts: 4,
            consoles: ConsoleLimits::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_set_by_its_name_and_a_wrong_one_names_them_all() {
        let names = serde_json::to_value(ConsoleLimits::default()).unwrap();
        for name in names.as_object().unwrap().keys() {
            let mut limits = ConsoleLimits::default();
            limits.set(&format!("{name} = 7")).unwrap();
            assert_eq!(serde_json::to_value(limits).unwrap()[name], 7, "{name}");
            assert!(limits.set(&format!("{name}=0")).is_err());
        }
        let error = ConsoleLimits::default().set("viewers=5").unwrap_err();
        assert!(
            error.contains("per_address") && error.contains("reserve"),
            "{error}"
        );
    }
}
