//! How everybody else speaks to a pump thread: a list under a lock, and an eventfd that wakes the thread.
//!
//! Bounded: over the bound, input is refused and a notice or event is left out, with a line in the log; what decides a
//! server's life is always taken. Carrying orders out is not its business.

use super::{Broken, DoneRule, PumpEvent};
use roost_console::{Event, Limits, Writer};
use roost_wire::{clock::Millis, node_api::Source};
use rustix::event::EventfdFlags;
use std::{
    io,
    os::{fd::AsFd, fd::BorrowedFd, fd::OwnedFd, unix::net::UnixStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

/// Messages that wait for one thread.
const BOUND: usize = 16 * 1024;

/// For a thread.
#[derive(Debug)]
pub(super) enum Message {
    /// A server's writer.
    Add {
        server: Uuid,
        writer: Box<Writer>,
        published: Arc<Notify>,
        events: mpsc::UnboundedSender<PumpEvent>,
    },
    /// For a server's feed.
    To(Uuid, Order),
    /// A sync of this server's journal is over.
    Synced(Uuid, io::Result<()>),
    /// A compress job of this server's journal is over: whether it did something.
    Compressed(Uuid, io::Result<bool>),
    /// Sync, and end.
    Shutdown,
}

/// For one server's feed.
#[derive(Debug)]
pub(super) enum Order {
    /// Run, link, and how much of its stream is in the journal already where the run is new to it.
    Attach(Uuid, UnixStream, u64),
    BreakOff(oneshot::Sender<io::Result<Broken>>),
    Recovered(Vec<(Millis, Vec<u8>)>, oneshot::Sender<io::Result<()>>),
    Input(Vec<u8>, oneshot::Sender<Result<(), String>>),
    Signal(i32, bool),
    Notice(Source, String),
    Event(Event),
    WatchDone(Option<DoneRule>),
    Limits(Limits),
    Erase(i64, oneshot::Sender<io::Result<u64>>),
    Remove(oneshot::Sender<()>),
}

/// The list and its bell.
#[derive(Debug)]
pub(super) struct Inbox {
    messages: Mutex<Vec<Message>>,
    bell: OwnedFd,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            messages: Mutex::new(Vec::new()),
            bell: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Never waits.
    pub(super) fn send(&self, message: Message) {
        let mut messages = self.lock();
        if messages.len() >= BOUND {
            match message {
                Message::To(_, Order::Input(_, reply)) => {
                    let sentence = "The node has too much to do: try again in a moment.";
                    let _ = reply.send(Err(sentence.to_owned()));
                    return;
                }
                Message::To(server, Order::Notice(..) | Order::Event(_)) => {
                    tracing::warn!(%server, "a notice was left out: too many wait for the pump");
                    return;
                }
                _ => {}
            }
        }
        let first = messages.is_empty();
        messages.push(message);
        drop(messages);
        if first {
            // A full counter has rung already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> Vec<Message> {
        std::mem::take(&mut *self.lock())
    }

    /// Becomes readable when something waits.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Message>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
