//! The node's REST API, as a panel calls it: `Authorization: Bearer <node secret>`.
//!
//! Routes under `/api` that existing panels know, and five of Roost's own: `GET /api/servers/{uuid}/journal`,
//! `POST /api/servers/{uuid}/journal/erase` ([`crate::admin_api::EraseRequest`] to [`crate::admin_api::Erased`]),
//! `POST /api/servers/{uuid}/directory` ([`DirectoryRequest`]), `GET /api/sockets`, `DELETE /api/sockets/{id}`.

use crate::{clock::Millis, power::PowerAction, power::PowerState, stats::Stats};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What a daemon says of a server that it does not know (status 404).
pub const UNKNOWN_SERVER: &str = "The requested resource does not exist on this instance";
/// Response header of `/commands`: the journal's stream id.
pub const HEADER_STREAM: &str = "Roost-Stream";
/// Response header of `/commands`: the last sequence number before the command.
pub const HEADER_SEQ: &str = "Roost-Seq";

/// `GET /api/servers/{uuid}`, and one element of `GET /api/servers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ServerDetail {
    /// The power state.
    pub state: PowerState,
    /// Suspended by the panel.
    #[serde(default)]
    pub is_suspended: bool,
    /// Figures.
    #[serde(default)]
    pub utilization: Stats,
    /// The settings as they came from the panel.
    #[serde(default)]
    pub configuration: serde_json::Value,
    /// Roost's own: the state in more detail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roost: Option<RoostDetail>,
}

/// What only Roost's node tells.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RoostDetail {
    /// The installer is at work.
    pub installing: bool,
    /// Process id of the server's main process, where it runs on the node itself.
    pub pid: Option<u32>,
    /// User id that its program runs as, where that is known.
    pub uid: Option<u32>,
    /// Its directory on the node.
    pub directory: Option<String>,
    /// It has crashed and is started again then (RFC 3339).
    pub starts_again_at: Option<String>,
    /// The journal.
    pub stream: Option<Uuid>,
    /// The last sequence number that was given out; 0 for none.
    pub last_seq: u64,
    /// Limits that are set but not enforced, each a sentence.
    pub not_enforced: Vec<String>,
    /// How the last run ended, one sentence.
    pub last_exit: Option<String>,
    /// The same with all that is known of it.
    pub last_end: Option<LastEnd>,
}

/// How a server's last run ended. It is kept over a restart of the node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LastEnd {
    /// RFC 3339.
    pub time: String,
    /// Somebody had asked for it; else it was a crash, or the program ended by itself.
    pub asked: bool,
    /// Exit code, if it exited by itself.
    pub exit_code: Option<i32>,
    /// Number of the signal, if one ended it.
    pub signal: Option<i32>,
    /// It was ended for want of memory.
    pub oom_killed: bool,
    /// All of it in one sentence, and why where no code is known.
    pub text: String,
    /// The last lines that the program wrote, oldest first.
    pub lines: Vec<String>,
}

/// `POST /api/servers`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateServer {
    /// The server; the node asks the panel for the rest.
    pub uuid: Uuid,
    /// Start it when installed.
    #[serde(default)]
    pub start_on_completion: bool,
    /// Run no installer.
    #[serde(default)]
    pub skip_scripts: bool,
    /// Roost's own: give the operator's directory with all in it to the server's user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chown: bool,
}

/// `POST /api/servers/{uuid}/directory`, Roost's own: whether an operator's directory can be this server's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DirectoryRequest {
    /// An absolute path on the node.
    pub dir: String,
    /// Give it with all in it to the server's user.
    #[serde(default)]
    pub chown: bool,
}

/// `POST /api/servers/{uuid}/power`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct PowerRequest {
    /// What.
    pub action: PowerAction,
    /// Seconds to wait for another action to end; outside 0 to 300 counts as 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<i64>,
}

/// `POST /api/servers/{uuid}/commands`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommandRequest {
    /// Lines, each without a newline.
    pub commands: Vec<String>,
}

/// `POST /api/servers/{uuid}/ws/deny`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DenyRequest {
    /// Tokens of these names, issued up to now, open nothing any more.
    pub jtis: Vec<String>,
}

/// `POST /api/deauthorize-user`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeauthorizeUser {
    /// Whose sockets end and whose tokens are refused.
    pub user: Uuid,
    /// On these servers; empty means all.
    #[serde(default)]
    pub servers: Vec<Uuid>,
    /// Roost's own: only what was opened by this session or key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// Roost's own: only tokens issued up to this time (milliseconds since the epoch, by the panel's clock) and their
    /// sockets; without it, those issued up to now by the node's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_until: Option<Millis>,
}

/// Query of `GET /api/servers/{uuid}/journal`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct JournalQuery {
    /// The stream that `after` belongs to; without it the current one.
    pub stream: Option<Uuid>,
    /// Lines behind this number. Without it: the last `lines`.
    pub after: Option<u64>,
    /// Lines before this number (paging back); excludes `after`.
    pub before: Option<u64>,
    /// At most this many lines (1 to 10,000, default 100).
    pub lines: Option<u32>,
    /// Wait up to this many seconds (0 to 30) for a first line.
    pub wait: Option<u32>,
    /// Nothing from before this time (milliseconds since the epoch).
    pub since: Option<i64>,
}

/// Body of `POST /api/servers/{uuid}/journal/search`: all of it may be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SearchQuery {
    /// Lines with this text; without it, every line.
    pub text: Option<String>,
    /// In its place: lines in which this regular expression is found.
    pub regex: Option<String>,
    /// Capitals matter.
    pub case: bool,
    /// Only lines from this time on (milliseconds since the epoch).
    pub since: Option<Millis>,
    /// Only lines up to this time, with it.
    pub until: Option<Millis>,
    /// Only lines of this source.
    pub source: Option<Source>,
    /// Only lines before this number.
    pub before: Option<u64>,
    /// At most this many lines (1 to 1,000, default 100).
    pub lines: Option<u32>,
    /// Where the reader's history begins, if not at the beginning.
    pub history_from: Option<Millis>,
    /// The reader may see the installer's lines.
    pub install: bool,
}

/// Its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SearchPage {
    /// The journal.
    pub stream: Uuid,
    /// All that matches from this number on (and before [`SearchQuery::before`]) is in `data`. Ask with `before` set to
    /// this to go on,
    pub from: u64,
    /// unless nothing is left to look through.
    pub begin: bool,
    /// The lines, newest first, whole.
    pub data: Vec<JournalLine>,
}

/// Where a line came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The server's own output.
    Output,
    /// The daemon.
    Daemon,
    /// The installer.
    Install,
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalLine {
    /// Sequence number.
    pub seq: u64,
    /// RFC 3339, UTC, milliseconds.
    pub time: String,
    /// Where it came from.
    pub source: Source,
    /// The line without its end; broken UTF-8 is replaced.
    pub text: String,
    /// The line before this one was not ended: this is the rest of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub continued: bool,
    /// The line is not ended: the next line of this source is the rest of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub open: bool,
}

/// Lines that can't be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// How many, exactly; absent where nobody can know.
    pub lines: Option<u64>,
    /// Why: `retention`, `unknown_stream`, `after_end`, `lost`; from the command line also `most`, more than it holds.
    pub reason: String,
    /// The first number that is still held.
    pub first: u64,
}

/// The answer of `/journal`, and of the panel's `/logs`. It covers the lines from `from` to `next`, also where `data` has
/// fewer of them, or none, since some are not for the reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalPage {
    /// The journal.
    pub stream: Uuid,
    /// Ask with `before` set to this to go back. 0 from an older node, which says neither this nor `begin` and `end`.
    #[serde(default)]
    pub from: u64,
    /// Ask with `after` set to this to go on.
    pub next: u64,
    /// Nothing stands before `from` that this reader may see.
    #[serde(default)]
    pub begin: bool,
    /// Nothing stood behind `next` when it was read.
    #[serde(default)]
    pub end: bool,
    /// What is missing before the first line.
    pub gap: Option<Gap>,
    /// The lines, oldest first.
    pub data: Vec<JournalLine>,
}

/// One live console.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocketInfo {
    /// Names it in `DELETE /api/sockets/{id}`.
    pub id: Uuid,
    /// Who.
    pub user: Uuid,
    /// Who, by name, where the token says it.
    pub user_name: Option<String>,
    /// Which server.
    pub server: Uuid,
    /// From where.
    pub address: String,
    /// Since when (milliseconds since the epoch).
    pub since: i64,
    /// Session or key.
    pub credential: Option<String>,
}

/// `GET /api/sockets`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SocketList {
    /// Authenticated ones only.
    pub data: Vec<SocketInfo>,
}

/// `GET /api/system` (version 1), with Roost's own version.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[expect(missing_docs, reason = "stock names")]
pub struct SystemInfo {
    pub architecture: String,
    pub cpu_count: usize,
    pub kernel_version: String,
    pub os: String,
    pub version: String,
    /// Present on Roost's node only: its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roost: Option<String>,
}
