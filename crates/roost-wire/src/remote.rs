//! The remote API: what a node asks of its panel, under `/api/remote`. Shapes are those of existing panels; keys that
//! Roost does not use are ignored, and Roost's own are optional.

use crate::encoding::Encoding;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// One server of `GET /servers`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteServer {
    /// The server.
    pub uuid: Uuid,
    /// What it is.
    pub settings: Settings,
    /// How it starts and stops.
    pub process_configuration: ProcessConfiguration,
}

/// `GET /servers/{uuid}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RemoteServerDetail {
    /// What it is.
    pub settings: Settings,
    /// How it starts and stops.
    pub process_configuration: ProcessConfiguration,
}

/// A page of servers. Page 0 is page 1.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerPage {
    /// The servers.
    pub data: Vec<RemoteServer>,
    /// Where this page stands.
    pub meta: PageMeta,
}

/// Integers all of them, or stock daemons refuse to boot.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[expect(missing_docs, reason = "Laravel's names say it")]
pub struct PageMeta {
    pub current_page: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub from: u64,
    pub last_page: u64,
    pub per_page: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub to: u64,
    pub total: u64,
}

/// Everything about a server but how its process is handled.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The server.
    pub uuid: Uuid,
    /// Name and description.
    #[serde(default)]
    pub meta: Meta,
    /// Suspended: it can't be started.
    #[serde(default)]
    pub suspended: bool,
    /// Environment; numbers and booleans of a careless panel are read as text.
    #[serde(default, deserialize_with = "text_map")]
    pub environment: BTreeMap<String, String>,
    /// The start command as the panel fills it in.
    #[serde(default, deserialize_with = "null_is_default")]
    pub invocation: String,
    /// No installer is run.
    #[serde(default, deserialize_with = "null_is_default")]
    pub skip_egg_scripts: bool,
    /// Limits.
    #[serde(default)]
    pub build: Build,
    /// The container.
    #[serde(default)]
    pub container: Container,
    /// Addresses.
    #[serde(default)]
    pub allocations: Allocations,
    /// Further folders.
    #[serde(default, deserialize_with = "null_is_default")]
    pub mounts: Vec<Mount>,
    /// The egg.
    #[serde(default)]
    pub egg: Egg,
    /// Container labels.
    #[serde(default, deserialize_with = "null_is_default")]
    pub labels: BTreeMap<String, String>,
    /// Whether a crash starts the server again; the node's own default where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crash_detection_enabled: Option<bool>,
    /// Roost's own settings. A stock daemon ignores them; a stock panel does not send them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roost: Option<RoostSettings>,
}

/// What only Roost's node understands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RoostSettings {
    /// `process` or `docker`.
    pub runtime: Runtime,
    /// The identifier that people use, for messages and `USER`.
    pub identifier: String,
    /// argv. In Docker it takes the place of the image's entrypoint and command; empty means the image's own.
    pub command: Vec<String>,
    /// A directory given by the operator: never deleted, and chowned only if it is empty or the operator says so.
    pub dir: Option<String>,
    /// `missing`, `always` or `never`.
    pub pull: Pull,
    /// Seconds before stop and restart turn into a kill.
    pub stop_timeout_secs: u64,
    /// What follows an end that nobody asked for. Where a panel does not say, the rule of stock daemons holds:
    /// [`Settings::crash_detection_enabled`] and the node's `crash_detection`.
    pub restart: Option<RestartPolicy>,
    /// Columns and rows of the terminal.
    pub terminal: (u16, u16),
    /// Bytes of journal kept.
    pub journal_bytes: u64,
    /// Days of journal kept.
    pub journal_days: u32,
    /// What its program writes and reads.
    pub encoding: Encoding,
}

impl Default for RoostSettings {
    fn default() -> Self {
        Self {
            runtime: Runtime::Docker,
            identifier: String::new(),
            command: Vec::new(),
            dir: None,
            pull: Pull::Missing,
            stop_timeout_secs: 600,
            restart: None,
            terminal: (240, 50),
            journal_bytes: 512 << 20,
            journal_days: 30,
            encoding: Encoding::Utf8,
        }
    }
}

/// Whether a server that has ended without being asked to is started again, after pauses that grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// It stays off.
    Never,
    /// After anything but exit code 0.
    #[default]
    OnFailure,
    /// Whatever its exit code.
    Always,
}

impl RestartPolicy {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::OnFailure => "on-failure",
            Self::Always => "always",
        }
    }
}

/// What runs a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// A program under a terminal on the node itself.
    Process,
    /// A container.
    #[default]
    Docker,
}

/// When an image is pulled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    /// If the node lacks it.
    #[default]
    Missing,
    /// At every start; a failure is no error where the node has it.
    Always,
    /// Not at all.
    Never,
}

/// Name and description.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    /// The server's name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Free text.
    #[serde(deserialize_with = "null_is_default")]
    pub description: String,
}

/// Limits. 0 means none, but for swap, where -1 does.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Build {
    /// MiB of memory.
    pub memory_limit: i64,
    /// MiB of swap beside it; -1 unlimited.
    pub swap: i64,
    /// 10 to 1000.
    #[serde(deserialize_with = "null_is_default")]
    pub io_weight: u16,
    /// Per cent of one core.
    pub cpu_limit: i64,
    /// Cores, such as `0,2-3`.
    pub threads: Option<String>,
    /// MiB of disk.
    pub disk_space: i64,
    /// No OOM killer (Pterodactyl, Calagopus).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_disabled: Option<bool>,
    /// The inverse (Pelican).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_killer: Option<bool>,
}

impl Build {
    /// Whether the OOM killer is off, whichever key the panel sends.
    pub fn is_oom_disabled(&self) -> bool {
        self.oom_disabled
            .or(self.oom_killer.map(|on| !on))
            .unwrap_or(false)
    }
}

/// The container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Container {
    /// Image; `~` before or behind it means: local, never pull.
    #[serde(deserialize_with = "null_is_default")]
    pub image: String,
}

/// Addresses.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allocations {
    /// Outgoing connections use the main address.
    #[serde(deserialize_with = "null_is_default")]
    pub force_outgoing_ip: bool,
    /// The main address; port 0 means none.
    #[serde(deserialize_with = "null_is_default")]
    pub default: Allocation,
    /// Address to ports, the main one among them. Some panels send `[]` for none.
    #[serde(deserialize_with = "map_or_empty_list")]
    pub mappings: BTreeMap<String, Vec<u16>>,
}

/// One address.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Allocation {
    /// Host address.
    pub ip: String,
    /// Port; 0 means none.
    pub port: u16,
}

/// A folder shown to the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// On the node.
    pub source: String,
    /// In the container.
    pub target: String,
    /// No writing.
    pub read_only: bool,
}

/// The egg; Pelican's ids are numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Egg {
    /// Its id.
    pub id: serde_json::Value,
    /// Files that can't be touched.
    #[serde(deserialize_with = "null_is_default")]
    pub file_denylist: Vec<String>,
}

/// How a server's process is handled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ProcessConfiguration {
    /// When it counts as running.
    pub startup: Startup,
    /// How it stops.
    pub stop: Stop,
    /// Files rewritten before a start.
    #[serde(deserialize_with = "null_is_default")]
    pub configs: Vec<serde_json::Value>,
}

/// When it counts as running.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Startup {
    /// Any of these texts in a line; `regex:` before it makes it an expression. Empty: see the runtime.
    #[serde(deserialize_with = "null_is_default")]
    pub done: Vec<String>,
    /// Unused, kept for stock daemons.
    #[serde(deserialize_with = "null_is_default")]
    pub user_interaction: Vec<String>,
    /// Colours are taken out before looking.
    #[serde(deserialize_with = "null_is_default")]
    pub strip_ansi: bool,
}

/// How it stops: `command`, `signal`, `stop` (the runtime's own way) or empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Stop {
    /// Kind.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub kind: String,
    /// Command text or signal name (`C` stands for SIGINT).
    pub value: Option<String>,
}

/// `GET /servers/{uuid}/install`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct InstallScript {
    /// Image.
    pub container_image: String,
    /// Program, such as `ash`.
    pub entrypoint: String,
    /// The script; empty means nothing to run.
    #[serde(deserialize_with = "null_is_default")]
    pub script: String,
}

/// `POST /servers/{uuid}/install`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstallResult {
    /// The installer ended with 0.
    pub successful: bool,
    /// It was not the first one.
    #[serde(default)]
    pub reinstall: bool,
}

/// One row of `POST /activity`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Activity {
    /// Roost's own: the row's id (UUIDv7), by which a panel of Roost takes each row once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The user's UUID; stock daemons send `null` or an empty text where there is none.
    pub user: Option<String>,
    /// The server.
    pub server: Uuid,
    /// Such as `server:console.command`.
    pub event: String,
    /// What else is known.
    #[serde(default)]
    pub metadata: Option<serde_json::Map<String, serde_json::Value>>,
    /// From where.
    #[serde(default)]
    pub ip: Option<String>,
    /// RFC 3339, UTC.
    pub timestamp: String,
}

/// The body of `POST /activity`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ActivityBatch {
    /// At most 100 rows.
    pub data: Vec<Activity>,
}

fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Option::<T>::deserialize(d).map(Option::unwrap_or_default)
}

fn map_or_empty_list<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, Vec<u16>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Map(BTreeMap<String, Vec<u16>>),
        List(Vec<serde_json::Value>),
        Null,
    }
    match Either::deserialize(d)? {
        Either::Map(map) => Ok(map),
        Either::List(list) if list.is_empty() => Ok(BTreeMap::new()),
        Either::Null => Ok(BTreeMap::new()),
        Either::List(_) => Err(serde::de::Error::custom(
            "allocations.mappings must be {\"ip\": [ports]}",
        )),
    }
}

fn text_map<'de, D: Deserializer<'de>>(d: D) -> Result<BTreeMap<String, String>, D::Error> {
    use serde_json::Value;
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Map(BTreeMap<String, Value>),
        Other(serde::de::IgnoredAny),
    }
    let Either::Map(map) = Either::deserialize(d)? else {
        return Ok(BTreeMap::new());
    };
    Ok(map
        .into_iter()
        .map(|(key, value)| {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text,
                other => other.to_string(),
            };
            (key, text)
        })
        .collect())
}

/// The answer of `GET /api/remote/revocations`, Roost's own: access that ended while the node was away.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Revocations {
    /// Each as the node is told it otherwise.
    pub data: Vec<crate::node_api::DeauthorizeUser>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stock_panels_server_is_read() {
        let server: RemoteServer = serde_json::from_value(serde_json::json!({
            "uuid": Uuid::from_u128(1),
            "settings": {
                "uuid": Uuid::from_u128(1),
                "meta": {"name": "a", "description": null},
                "suspended": false,
                "environment": {"PORT": 25565, "EMPTY": "", "NONE": null},
                "invocation": "./run",
                "skip_egg_scripts": false,
                "build": {"memory_limit": 512, "swap": 0, "io_weight": 500, "cpu_limit": 0, "threads": null,
                          "disk_space": 0, "oom_killer": false},
                "container": {"image": "x", "oom_disabled": true, "requires_rebuild": false},
                "allocations": {"force_outgoing_ip": false, "default": null, "mappings": []},
                "mounts": null,
                "egg": {"id": 3, "file_denylist": []},
            },
            "process_configuration": {
                "startup": {"done": ["up"], "user_interaction": [], "strip_ansi": false},
                "stop": {"type": "signal", "value": "C"},
                "configs": [],
            },
        }))
        .unwrap();
        assert_eq!(server.settings.environment["PORT"], "25565");
        assert_eq!(server.settings.environment["EMPTY"], "");
        assert!(server.settings.build.is_oom_disabled());
        assert!(server.settings.roost.is_none());
    }
}
