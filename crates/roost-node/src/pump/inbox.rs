//! How everybody else speaks to a pump thread: a list under a lock, and an eventfd that wakes the thread.
//!
//! Bounded: over the bound, input is refused, notices are counted in their place, and of a server's events of one name
//! only the newest waits, so that no state is missed. What decides a server's life is always taken; of an installer's
//! output one chunk waits at a time, since its reader waits for the answer. Carrying orders out is not its business.

use super::{Broken, DoneRule, PumpEvent, feed::Installer};
use roost_console::{Event, Limits, Writer};
use roost_wire::{clock::Millis, node_api::Source};
use rustix::event::EventfdFlags;
use std::{
    collections::BTreeMap,
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
    Installer(Installer),
    /// By its name.
    Event(&'static str, Event),
    WatchDone(Option<DoneRule>),
    Limits(Limits),
    Erase(i64, oneshot::Sender<io::Result<u64>>),
    Remove(oneshot::Sender<()>),
}

/// The list and its bell.
#[derive(Debug)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    bell: OwnedFd,
}

#[derive(Debug, Default)]
struct Waiting {
    messages: Vec<Message>,
    /// Notices that came over the bound, by server.
    left_out: BTreeMap<Uuid, u64>,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            waiting: Mutex::default(),
            bell: rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        })
    }

    /// Never waits.
    pub(super) fn send(&self, message: Message) {
        let mut waiting = self.lock();
        if waiting.messages.len() >= BOUND {
            match message {
                Message::To(_, Order::Input(_, reply)) => {
                    let sentence = "The node has too much to do: try again in a moment.";
                    let _ = reply.send(Err(sentence.to_owned()));
                    return;
                }
                Message::To(server, Order::Notice(..)) => {
                    *waiting.left_out.entry(server).or_default() += 1;
                    return;
                }
                Message::To(server, Order::Event(name, _)) => waiting.drop_older(server, name),
                _ => {}
            }
        }
        let first = waiting.messages.is_empty();
        waiting.messages.push(message);
        drop(waiting);
        if first {
            // A full counter has rung already.
            let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
        }
    }

    /// Everything that waits, and behind it what was left out.
    pub(super) fn take(&self) -> Vec<Message> {
        let Waiting {
            mut messages,
            left_out,
        } = std::mem::take(&mut *self.lock());
        for (server, lines) in left_out {
            tracing::warn!(%server, lines, "notices were left out: too many waited for the pump");
            let sentence =
                format!("{lines} of the daemon's lines were left out here: the node had too much to do.");
            messages.push(Message::To(server, Order::Notice(Source::Daemon, sentence)));
        }
        messages
    }

    /// Becomes readable when something waits.
    pub(super) fn bell(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// A newer event of the same name takes the place of the one that waits: it says how things are now.
    fn drop_older(&mut self, server: Uuid, name: &str) {
        let same = |message: &Message| matches!(message, Message::To(of, Order::Event(older, _)) if *of == server && *older == name);
        if let Some(at) = self.messages.iter().rposition(same) {
            self.messages.remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_console::Audience;

    const SERVER: Uuid = Uuid::from_u128(1);
    const OTHER: Uuid = Uuid::from_u128(2);

    fn event(server: Uuid, name: &'static str, text: &'static str) -> Message {
        let event = Event {
            classic: text.into(),
            v1: text.into(),
            audience: Audience::All,
        };
        Message::To(server, Order::Event(name, event))
    }

    fn notice(server: Uuid) -> Message {
        Message::To(server, Order::Notice(Source::Daemon, "said".to_owned()))
    }

    /// What stands behind the first [`BOUND`] messages.
    fn over(inbox: &Inbox) -> Vec<(Uuid, String)> {
        let beyond = inbox.take().into_iter().skip(BOUND);
        beyond
            .map(|message| match message {
                Message::To(server, Order::Event(name, event)) => {
                    (server, format!("{name} {}", String::from_utf8_lossy(&event.v1)))
                }
                Message::To(server, Order::Notice(_, text)) => (server, text),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn over_the_bound_the_newest_event_of_each_name_waits_and_notices_are_counted() {
        let inbox = Inbox::new().unwrap();
        (0..BOUND).for_each(|_| inbox.send(notice(OTHER)));
        for state in ["starting", "running", "stopping", "offline"] {
            inbox.send(event(SERVER, "status", state));
            inbox.send(notice(SERVER));
        }
        inbox.send(event(OTHER, "status", "running"));
        inbox.send(event(SERVER, "install started", ""));
        let (answer, mut refused) = oneshot::channel();
        inbox.send(Message::To(SERVER, Order::Input(Vec::new(), answer)));
        assert!(refused.try_recv().unwrap().is_err());
        let said = "4 of the daemon's lines were left out here: the node had too much to do.";
        let expected = [
            (SERVER, "status offline"),
            (OTHER, "status running"),
            (SERVER, "install started "),
            (SERVER, said),
        ];
        assert_eq!(
            over(&inbox),
            expected.map(|(server, text)| (server, text.to_owned()))
        );
        assert!(inbox.take().is_empty(), "it is said once");
    }

    #[test]
    fn up_to_the_bound_everything_waits_in_its_order() {
        let inbox = Inbox::new().unwrap();
        (0..BOUND - 2).for_each(|_| inbox.send(notice(OTHER)));
        inbox.send(event(SERVER, "status", "starting"));
        inbox.send(event(SERVER, "status", "running"));
        assert_eq!(inbox.take().len(), BOUND);
        inbox.send(notice(SERVER));
        assert_eq!(inbox.take().len(), 1);
    }
}
