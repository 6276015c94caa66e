//! Pump threads: keeper bytes into journal and ring.
//!
//! ```text
//!   everybody else ──orders──> inbox (eventfd) ─┐
//!   keeper ──socket──> link ──frames──> feed ───┼──> Writer: journal, ring ──> wake, `published`
//!                        ^── ACK, INPUT, SIGNAL ┘        ├── fdatasync on the syncer's thread
//!                                                        └── closed segments on the compressor's thread
//! ```
//!
//! A few OS threads with an epoll each; every server's [`feed`] has its home on one of them. A pump reads the keeper's
//! socket, hands the bytes to the server's [`roost_console::Writer`], acknowledges what was written, looks for the
//! `done` text, shows partial lines, has the journal synced each second, and wakes whoever waits for lines. It is the
//! only one that writes to a keeper or to a journal. What a server should do next is its actor's business.

mod compressor;
mod done;
mod feed;
mod inbox;
mod link;
mod syncer;
mod thread;

#[cfg(test)]
mod tests;

use compressor::Compressor;
use feed::Installer;
use inbox::{Inbox, Message, Order};
use roost_console::{Console, Event, Limits, Writer};
use roost_wire::{clock::Clock, clock::Millis, node_api::Source};
use std::{
    collections::HashMap,
    os::unix::net::UnixStream,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
};
use syncer::Syncer;
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
    /// Plain texts, or `regex:` and an expression (one that does not compile is taken as plain text). A plain text is
    /// also found in a line that has not ended, an expression is tried on whole lines.
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

/// Where a server's console broke off.
#[derive(Debug, Clone)]
pub struct Broken {
    /// The run that the last lines belong to; `None` in an empty journal.
    pub run: Option<Uuid>,
    /// The first line of that run, as far as it is known.
    pub run_first_seq: u64,
    /// For reading the last lines.
    pub console: Arc<Console>,
}

/// What a pump tells a server's actor.
#[derive(Debug)]
pub enum PumpEvent {
    /// The `done` text was seen in this run. Once a run.
    Done(Uuid),
    /// The program has ended and all of its output is in the journal (for Docker: the attach stream has ended, code
    /// and signal unknown). The keeper was told that it may go.
    Ended(RunEnd),
    /// The keeper went away without saying how the program ended, or what it said was no use.
    KeeperLost(Uuid, String),
    /// The journal can't be written; lines are held by the keeper meanwhile. Sent once until it works again.
    DiskTrouble(String),
}

/// All pump threads. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Pumps(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    inboxes: Vec<Arc<Inbox>>,
    /// On which thread each server is.
    homes: Mutex<HashMap<Uuid, usize>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Pumps {
    /// Starts `threads` threads (at least one), one more for syncs, and one for compressing.
    pub fn start(threads: usize, wake: Arc<dyn Wake>, clock: Arc<dyn Clock>) -> std::io::Result<Self> {
        let (mut inboxes, mut handles) = (Vec::new(), Vec::new());
        let (syncer, compressor) = (Syncer::start()?, Compressor::start()?);
        let pump = move |inbox| {
            let (syncer, compressor) = (syncer.clone(), compressor.clone());
            thread::Pump::new(inbox, Arc::clone(&wake), Arc::clone(&clock), syncer, compressor)
        };
        for number in 0..threads.max(1) {
            let inbox = Arc::new(Inbox::new()?);
            inboxes.push(Arc::clone(&inbox));
            let pump = pump(inbox)?;
            let name = format!("pump-{number}");
            handles.push(std::thread::Builder::new().name(name).spawn(move || pump.run())?);
        }
        Ok(Self(Arc::new(Inner {
            inboxes,
            homes: Mutex::new(HashMap::new()),
            threads: Mutex::new(handles),
        })))
    }

    /// Takes a server's writer. `published` is notified (`notify_waiters`) after each publication.
    pub fn add(
        &self,
        server: Uuid,
        writer: Writer,
        published: Arc<Notify>,
        events: mpsc::UnboundedSender<PumpEvent>,
    ) {
        let home = {
            let mut homes = self.0.homes.lock().unwrap_or_else(PoisonError::into_inner);
            let mut loads = vec![0_usize; self.0.inboxes.len()];
            for &home in homes.values() {
                loads[home] += 1;
            }
            let least = (0..loads.len()).min_by_key(|&at| loads[at]).unwrap_or(0);
            *homes.entry(server).or_insert(least)
        };
        self.0.inboxes[home].send(Message::Add {
            server,
            writer: Box::new(writer),
            published,
            events,
        });
    }

    /// Takes a keeper's socket, straight after connect: the pump does the handshake, resuming where the journal ends
    /// (or beginning the run, if it is new, `skip` bytes into its stream: those are in the journal already, from
    /// another source). A link that the server had is dropped.
    pub fn attach(&self, server: Uuid, run: Uuid, link: UnixStream, skip: u64) {
        self.order(server, Order::Attach(run, link, skip));
    }

    /// Writes down all that came by the stream that has broken off, and says where that is. A receiver that is dropped
    /// without an answer means that the server was removed.
    pub fn break_off(&self, server: Uuid) -> oneshot::Receiver<std::io::Result<Broken>> {
        let (reply, answer) = oneshot::channel();
        self.order(server, Order::BreakOff(reply));
        answer
    }

    /// Output that followed there and came another way: pieces with the times at which the server said them. Each is
    /// written whole or not at all; after an error those before the failed one are written.
    pub fn recovered(
        &self,
        server: Uuid,
        pieces: Vec<(Millis, Vec<u8>)>,
    ) -> oneshot::Receiver<std::io::Result<()>> {
        let (reply, answer) = oneshot::channel();
        self.order(server, Order::Recovered(pieces, reply));
        answer
    }

    /// Bytes for the program's input, at most 64 KiB. `Ok` once the keeper has written them to the terminal; the error
    /// is a sentence. A receiver that is dropped without an answer means that the server was removed.
    pub fn input(&self, server: Uuid, bytes: Vec<u8>) -> oneshot::Receiver<Result<(), String>> {
        let (reply, answer) = oneshot::channel();
        self.order(server, Order::Input(bytes, reply));
        answer
    }

    /// A signal (by number) for the program's process group, or SIGKILL for its whole tree.
    pub fn signal(&self, server: Uuid, signal: i32, tree: bool) {
        self.order(server, Order::Signal(signal, tree));
    }

    /// A line of the daemon's, or of what it says about an installation.
    pub fn notice(&self, server: Uuid, source: Source, text: String) {
        self.order(server, Order::Notice(source, text));
    }

    /// A chunk of an installer's output, at most 64 KiB. Answers once it is kept; the next one is handed over only
    /// then, so that no more than one waits. A receiver that is dropped without an answer means that the server was
    /// removed, or that its console has failed.
    pub fn installer_output(&self, server: Uuid, chunk: Vec<u8>) -> oneshot::Receiver<()> {
        let (reply, answer) = oneshot::channel();
        self.order(server, Order::Installer(Installer::Chunk(chunk, reply)));
        answer
    }

    /// The installer says no more: what has no line end yet is a line.
    pub fn installer_ended(&self, server: Uuid) {
        self.order(server, Order::Installer(Installer::End));
    }

    /// An event among the lines. Should too many orders wait, it takes the place of an older one of its name.
    pub fn event(&self, server: Uuid, name: &'static str, event: Event) {
        self.order(server, Order::Event(name, event));
    }

    /// Looks for this from now on, and in what the run that is attached has written already; `None` stops looking.
    pub fn watch_done(&self, server: Uuid, rule: Option<DoneRule>) {
        self.order(server, Order::WatchDone(rule));
    }

    /// New limits.
    pub fn set_limits(&self, server: Uuid, limits: Limits) {
        self.order(server, Order::Limits(limits));
    }

    /// Erases lines older than this (milliseconds since the epoch). Returns how many. A receiver that is dropped
    /// without an answer means that the server was removed.
    pub fn erase_before(&self, server: Uuid, before: i64) -> oneshot::Receiver<std::io::Result<u64>> {
        let (reply, answer) = oneshot::channel();
        self.order(server, Order::Erase(before, reply));
        answer
    }

    /// Lets go of a server: its writer is synced and closed, its keeper link dropped. Answers when that is done.
    pub fn remove(&self, server: Uuid) -> oneshot::Receiver<()> {
        let (reply, answer) = oneshot::channel();
        let home = {
            let mut homes = self.0.homes.lock().unwrap_or_else(PoisonError::into_inner);
            homes.remove(&server)
        };
        match home {
            Some(home) => self.0.inboxes[home].send(Message::To(server, Order::Remove(reply))),
            None => {
                let _ = reply.send(());
            }
        }
        answer
    }

    /// Syncs all journals, drops all links and ends the threads. Keepers live on. Returns when all of it is done:
    /// blocks on the disk.
    pub fn shutdown(&self) {
        self.0.end();
        let handles = {
            let mut threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *threads)
        };
        for handle in handles {
            if handle.join().is_err() {
                tracing::error!(
                    "a pump thread ended by a panic: its journals may lack the last second after a power cut"
                );
            }
        }
    }

    fn order(&self, server: Uuid, order: Order) {
        let home = {
            let homes = self.0.homes.lock().unwrap_or_else(PoisonError::into_inner);
            homes.get(&server).copied()
        };
        // Dropping an order answers whoever waits for it.
        if let Some(home) = home {
            self.0.inboxes[home].send(Message::To(server, order));
        }
    }
}

impl Inner {
    fn end(&self) {
        for inbox in &self.inboxes {
            inbox.send(Message::Shutdown);
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.end();
    }
}
