//! What a keeper is told to hold, as JSON on its standard input, and its one line of answer.
//!
//! What the words mean for a server (where its directory lies, which user it gets) is the node's business.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use uuid::Uuid;

/// Everything a keeper needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Spec {
    /// The server, for people who look at processes.
    pub server: Uuid,
    /// This run; new for each start.
    pub run: Uuid,
    /// The keeper's own directory (socket, spool): exists, 0700, for this server alone.
    pub directory: PathBuf,
    /// Bytes of output kept in memory before the spool is used.
    #[serde(default = "default_memory")]
    pub memory_bytes: usize,
    /// Bytes of output kept in the spool.
    #[serde(default = "default_spool")]
    pub spool_bytes: u64,
    /// What is held.
    pub kind: Kind,
}

fn default_memory() -> usize {
    256 << 10
}

fn default_spool() -> u64 {
    512 << 20
}

/// What a keeper holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A program under a terminal.
    Pty(Box<Pty>),
    /// The stream of a container's terminal.
    Attach(Attach),
}

/// A program under a terminal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pty {
    /// The file to execute; absolute.
    pub program: PathBuf,
    /// Arguments, the name of the program first.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: Vec<(String, String)>,
    /// Working directory.
    pub cwd: PathBuf,
    /// Whom it runs as; the keeper's own user where absent.
    #[serde(default)]
    pub user: Option<User>,
    /// Columns and rows.
    pub terminal: (u16, u16),
    /// Soft and hard limit of open descriptors; the keeper's where absent.
    #[serde(default)]
    pub open_files: Option<(u64, u64)>,
    /// Landlock, if wanted.
    #[serde(default)]
    pub confine: Option<Confine>,
    /// `cgroup.procs` files into which it is put before it runs.
    #[serde(default)]
    pub cgroup_procs: Vec<PathBuf>,
    /// `cgroup.kill` of its cgroup, if it has one.
    #[serde(default)]
    pub cgroup_kill: Option<PathBuf>,
}

/// A user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// User.
    pub uid: u32,
    /// Group; there are no others.
    pub gid: u32,
    /// Nothing but this server ever runs as this user: what does is ended with the server.
    pub exclusive: bool,
}

/// What a program may reach in the file system, where the kernel can confine it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confine {
    /// Directories that it can't read.
    pub denied: Vec<PathBuf>,
    /// Files and directories that it can read and run, also below a denied one.
    #[serde(default)]
    pub readable: Vec<PathBuf>,
    /// Directories that it can read and write, also below a denied one.
    pub writable: Vec<PathBuf>,
}

/// The stream of a container's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attach {
    /// The engine's Unix socket.
    pub socket: PathBuf,
    /// The container, by id.
    pub container: String,
    /// What stands before `/containers` in the request's path, such as `/v1.41`.
    #[serde(default)]
    pub api: String,
}

/// The one line that a keeper prints before it goes to the background.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It holds what it was told to.
    Ready {
        /// The keeper itself.
        keeper: u32,
        /// The program; 0 for a container's stream.
        pid: u32,
        /// How far the program is confined.
        confined: Confined,
    },
    /// It does not, and has ended. The sentence says what can be done.
    Error(String),
}

/// How far a program is confined by Landlock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Confined {
    /// It was not asked for.
    NotAsked,
    /// As asked.
    Fully,
    /// As far as this kernel can.
    Partly,
    /// This kernel can't.
    Unsupported,
}
