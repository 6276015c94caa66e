//! Pump threads: keeper bytes into journal and ring.
//!
//! A few OS threads with an epoll each; every server has its home on one of them. A pump reads the keeper's socket,
//! hands the bytes to the server's [`roost_console::Writer`], acknowledges what was written, looks for the `done`
//! text, shows partial lines, syncs each second, and wakes whoever waits for lines. It is the only one that writes to
//! a keeper or to a journal. What a server should do next is its actor's business.

use roost_console::{Event, Limits, Writer};
use roost_wire::node_api::Source;
use std::{os::unix::net::UnixStream, sync::Arc};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

/// Told after each publication. Called on the pump's thread: must not wait.
pub trait Wake: Send + Sync + 'static {
    /// The console of `server` has something new.
    fn published(&self, server: Uuid);
}

/// When a server counts as running: any of these in a joined line.
#[derive(Debug, Clone, Default)]
pub struct DoneRule {
    /// Plain texts, or `regex:` and an expression (one that does not compile is taken as plain text).
    pub patterns: Vec<String>,
    /// Take colours out first.
    pub strip_ansi: bool,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEnd {
    /// The run.
    pub run: Uuid,
    /// Exit code, if it exited by itself.
    pub code: Option<i32>,
    /// Signal, if it was ended by one.
    pub signal: Option<i32>,
}

/// What a pump tells a server's actor.
#[derive(Debug)]
pub enum PumpEvent {
    /// The `done` text was seen in this run.
    Done(Uuid),
    /// The program has ended and all of its output is in the journal (for Docker: the attach stream has ended, code
    /// and signal unknown).
    Ended(RunEnd),
    /// The keeper went away without saying how the program ended.
    KeeperLost(Uuid, String),
    /// The journal can't be written; lines are held by the keeper meanwhile. Sent once until it works again.
    DiskTrouble(String),
}

/// All pump threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pumps(Arc<()>);

impl Pumps {
    /// Starts `threads` threads.
    pub fn start(
        _threads: usize,
        _wake: Arc<dyn Wake>,
        _clock: Arc<dyn roost_wire::clock::Clock>,
    ) -> std::io::Result<Self> {
        unimplemented!()
    }
    /// Takes a server's writer. `published` is notified (`notify_waiters`) after each publication.
    pub fn add(
        &self,
        _server: Uuid,
        _writer: Writer,
        _published: Arc<Notify>,
        _events: mpsc::UnboundedSender<PumpEvent>,
    ) {
    }
    /// Takes a keeper's socket, straight after connect: the pump does the handshake, resuming where the journal ends
    /// (or beginning the run, if it is new).
    pub fn attach(&self, _server: Uuid, _run: Uuid, _link: UnixStream) {}
    /// Bytes for the program's input. `Ok` once the keeper has written them to the terminal.
    pub fn input(&self, _server: Uuid, _bytes: Vec<u8>) -> oneshot::Receiver<Result<(), String>> {
        unimplemented!()
    }
    /// A signal (by number) for the program's process group, or SIGKILL for its whole tree.
    pub fn signal(&self, _server: Uuid, _signal: i32, _tree: bool) {}
    /// A daemon or installer line.
    pub fn notice(&self, _server: Uuid, _source: Source, _text: String) {}
    /// An event among the lines.
    pub fn event(&self, _server: Uuid, _event: Event) {}
    /// Looks for this from now on; `None` stops looking.
    pub fn watch_done(&self, _server: Uuid, _rule: Option<DoneRule>) {}
    /// New limits.
    pub fn set_limits(&self, _server: Uuid, _limits: Limits) {}
    /// Erases lines older than this (milliseconds since the epoch).
    pub fn erase_before(&self, _server: Uuid, _before: i64) -> oneshot::Receiver<std::io::Result<u64>> {
        unimplemented!()
    }
    /// Lets go of a server: its writer is synced and closed, its keeper link dropped.
    pub fn remove(&self, _server: Uuid) -> oneshot::Receiver<()> {
        unimplemented!()
    }
    /// Syncs all journals, drops all links and ends the threads. Keepers live on.
    pub fn shutdown(&self) {}
}
