//! Roost's own API for administrators, under `/api/admin`: what the command line speaks, over the data directory's
//! Unix socket or over HTTP. Answers are these shapes, bare; errors are [`crate::problem::Problem`]s.
//!
//! ```text
//! GET    /api/admin/users                 [User]            POST /api/admin/users                NewUser -> User
//! DELETE /api/admin/users/{name}                            PUT  /api/admin/users/{name}/password  SetPassword
//! GET    /api/admin/keys?user=NAME        [ApiKey]          POST /api/admin/keys                 NewKey -> NewKeyAnswer
//! DELETE /api/admin/keys/{identifier}
//! GET    /api/admin/nodes                 [Node]            POST /api/admin/nodes                NewNode -> Node
//! GET    /api/admin/nodes/{name}?reveal=  Node              GET  /api/admin/nodes/{name}/config?reveal=  text (config.yml)
//! POST   /api/admin/nodes/{name}/rotate   -> Node           DELETE /api/admin/nodes/{name}?force=
//! GET    /api/admin/servers               [Server]          POST /api/admin/servers              NewServer -> Server
//! GET    /api/admin/servers/{id}          Server            PATCH /api/admin/servers/{id}        ServerPatch -> Server
//! DELETE /api/admin/servers/{id}                            POST /api/admin/servers/{id}/suspend | unsuspend -> Server
//! GET    /api/admin/servers/{id}/grants   [Grant]           PUT  /api/admin/servers/{id}/grants/{user}  GrantRequest -> Grant
//! DELETE /api/admin/servers/{id}/grants/{user}
//! POST   /api/admin/servers/{id}/erase    EraseRequest -> Erased
//! GET    /api/admin/audit?server=&user=&since=&after=&lines=&order=asc|desc   [AuditRow]
//! GET    /api/admin/sockets?server=       [Socket]          DELETE /api/admin/sockets/{id}
//! GET    /api/admin/info                  PanelInfo
//! ```

use crate::{
    encoding::Encoding,
    node_api::LastEnd,
    power::PowerState,
    remote::{Pull, RestartPolicy, Runtime},
    stats::Stats,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct User {
    pub uuid: Uuid,
    pub name: String,
    pub email: Option<String>,
    pub admin: bool,
    /// RFC 3339.
    pub created_at: String,
}

/// A new account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// 1 to 32 characters: letters, digits, `.`, `_`, `-`.
    pub name: String,
    /// Optional.
    #[serde(default)]
    pub email: Option<String>,
    /// Administrator.
    #[serde(default)]
    pub admin: bool,
    /// At least 8 characters.
    pub password: String,
}

/// A new password. All sessions of the account end.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetPassword {
    /// At least 8 characters.
    pub password: String,
}

/// An API key, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ApiKey {
    /// `ptlc_` and 11 letters and digits.
    pub identifier: String,
    /// Whose.
    pub user: String,
    /// What for.
    pub description: String,
    /// RFC 3339.
    pub created_at: String,
    /// RFC 3339.
    pub last_used_at: Option<String>,
}

/// A new API key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKey {
    /// Whose.
    pub user: String,
    /// What for.
    #[serde(default)]
    pub description: String,
}

/// The only time that the whole key is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewKeyAnswer {
    /// The whole key.
    pub key: String,
    /// Its identifier.
    pub identifier: String,
    /// Whose.
    pub user: String,
}

/// A node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Node {
    /// Its UUID.
    pub uuid: Uuid,
    /// Its name.
    pub name: String,
    /// As browsers reach it; empty for the node inside `roost up` without `--url`.
    pub address: String,
    /// As the panel reaches it, where that differs.
    pub internal_address: Option<String>,
    /// Public half of its credential.
    pub token_id: String,
    /// Secret half; only where it was asked to be revealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// How many servers it has.
    pub servers: u64,
    /// Whether it answered just now; absent where it was not asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reachable: Option<bool>,
    /// Its version, as it says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is Roost's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is_roost: Option<bool>,
}

/// A new node.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct NewNode {
    /// 1 to 48 characters, as an identifier.
    pub name: String,
    /// `http://` or `https://`, as browsers reach it.
    pub address: String,
    /// As the panel reaches it, where that differs.
    #[serde(default)]
    pub internal_address: Option<String>,
}

/// A port of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Host address; `0.0.0.0` for all.
    pub ip: String,
    /// 1 to 65535.
    pub port: u16,
}

/// Settings of a server. In a patch, what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServerSettings {
    /// argv, already split.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Image: the server runs in Docker.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
    /// `STARTUP` of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup: Option<String>,
    /// When the image is pulled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull: Option<Pull>,
    /// Owner, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Node, by name. Only at creation, or for a server that has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Directory of the operator's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dir: Option<String>,
    /// With `dir`: give it with all in it to the server's user, now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chown: Option<bool>,
    /// Ports; the first one is the main one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<Port>>,
    /// MiB; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<i64>,
    /// Per cent of one core; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<i64>,
    /// MiB; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk: Option<i64>,
    /// Text of the line that means `running`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Command, or `^C` and the like for a signal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Seconds before stop turns into kill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u64>,
    /// Whether it is started again when it ends without being asked to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// Environment, all of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub env: Option<BTreeMap<String, String>>,
    /// Encoding of what its program writes and reads, by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
}

/// A new server.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct NewServer {
    /// Free text; the identifier is made from it where none is given.
    pub name: String,
    /// Chosen identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
    /// Everything else.
    #[serde(default)]
    pub settings: ServerSettings,
    /// Start it at once.
    #[serde(default)]
    pub start: bool,
}

/// A change of a server; holds from the next start.
pub type ServerPatch = ServerSettings;

/// A server as administrators see it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names are those of ServerSettings")]
pub struct Server {
    pub uuid: Uuid,
    pub identifier: String,
    pub name: String,
    pub owner: String,
    pub node: Option<String>,
    pub runtime: Runtime,
    pub command: Vec<String>,
    pub image: Option<String>,
    pub startup: Option<String>,
    pub pull: Pull,
    pub dir: Option<String>,
    pub ports: Vec<Port>,
    pub memory: i64,
    pub cpu: i64,
    pub disk: i64,
    pub done: Option<String>,
    pub stop: Option<String>,
    pub stop_timeout: u64,
    #[serde(default)]
    pub restart: RestartPolicy,
    #[serde(default)]
    pub encoding: Encoding,
    pub env: BTreeMap<String, String>,
    pub suspended: bool,
    /// RFC 3339.
    pub created_at: String,
    /// What the node says; absent where it can't be asked.
    pub state: Option<PowerState>,
    /// What the node says.
    pub stats: Option<Stats>,
    /// Process id on the node.
    pub pid: Option<u32>,
    /// User id on the node.
    #[serde(default)]
    pub uid: Option<u32>,
    /// Its directory on the node: `dir`, or the one that Roost made.
    #[serde(default)]
    pub directory: Option<String>,
    /// It has crashed and is started again then (RFC 3339).
    #[serde(default)]
    pub starts_again_at: Option<String>,
    /// Sentences for the operator: limits that are not enforced and the like.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// How the last run ended.
    #[serde(default)]
    pub last_exit: Option<String>,
    /// The same with all that its node knows of it.
    #[serde(default)]
    pub last_end: Option<LastEnd>,
}

/// Somebody's rights on a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Grant {
    /// By name.
    pub user: String,
    /// Exactly these.
    pub permissions: Vec<String>,
    /// RFC 3339; the subuser's history begins here.
    pub since: String,
}

/// Sets somebody's rights on a server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GrantRequest {
    /// Names of the catalogue, at least one.
    pub permissions: Vec<String>,
}

/// Erases history.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EraseRequest {
    /// Lines before this time go (milliseconds since the epoch).
    pub before: i64,
}

/// What was erased.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Erased {
    /// Lines that are gone.
    pub lines: u64,
}

/// One row of the audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AuditRow {
    /// Grows with time; `after` asks for later ones.
    pub id: i64,
    /// RFC 3339.
    pub time: String,
    /// Such as `server:console.command`.
    pub event: String,
    /// Name, if known.
    pub user: Option<String>,
    /// Identifier, if any.
    pub server: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// `session`, `key`, `socket`, `cli` or `node`.
    pub via: String,
    /// What else is known.
    pub details: serde_json::Map<String, serde_json::Value>,
}

/// One live console.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Socket {
    /// Names it in `DELETE`.
    pub id: Uuid,
    /// By name.
    pub user: String,
    /// Identifier.
    pub server: String,
    /// From where.
    pub address: String,
    /// RFC 3339.
    pub since: String,
}

/// What this panel is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PanelInfo {
    /// Version of Roost.
    pub version: String,
    /// Public URL, where one is set.
    pub url: Option<String>,
    /// Whether an administrator exists.
    pub has_admin: bool,
}
