//! The way to a shard from other threads: a list of posts, a list of servers with news, and a bell that is rung only
//! when the shard may be asleep.
//!
//! Bounded by its senders: an adoption holds a permit, a server is listed once until it was looked at, figures replace
//! older ones, and a viewer has at most one piece of history, one page and one search under way. What a post does is the shard's business.

use super::{Filter, Peer, Upgraded, awake::Awake, page::Page, slots::Key, v1::Answer};
use crate::{
    search::{self, Stop},
    server::handle::ServerHandle,
};
use bytes::Bytes;
use roost_console::{Cursor, History};
use roost_wire::{clock::Millis, close::Close, node_api::SocketInfo};
use serde_json::Value;
use std::{
    collections::HashMap,
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{Mutex, MutexGuard, PoisonError, mpsc},
};
use uuid::Uuid;

/// One thing for a shard to do.
pub(super) enum Post {
    /// A new connection.
    Adopt(Box<(Upgraded, ServerHandle, Peer)>),
    /// The actor's answer to a request of this viewer.
    Answer(Key, Box<Answer>),
    /// A page of history that this viewer asked for, by this name.
    Page {
        key: Key,
        name: Option<Value>,
        result: io::Result<Page>,
    },
    /// What a search of this viewer found.
    Found {
        key: Key,
        of: Stop,
        result: io::Result<search::Page<Value>>,
    },
    /// A piece of history, for a read that began under this number.
    History {
        key: Key,
        read: u16,
        result: io::Result<(Cursor, History)>,
    },
    /// The same for all viewers of a server that are up to date with each other.
    GroupHistory {
        server: Uuid,
        read: u64,
        result: io::Result<(Cursor, History)>,
    },
    /// Where the history of a viewer begins who may see it from this time on.
    Floor {
        key: Key,
        from: Millis,
        result: io::Result<u64>,
    },
    /// Close what the filter names; the number goes back.
    Close {
        filter: Filter,
        why: Close,
        by: Option<String>,
        done: mpsc::Sender<usize>,
    },
    /// Tell who is there.
    List(mpsc::Sender<Vec<SocketInfo>>),
    /// Close all and end.
    Shutdown,
}

/// Everything that has come since the last look.
#[derive(Default)]
pub(super) struct Mail {
    pub(super) posts: Vec<Post>,
    /// Servers whose console has news.
    pub(super) news: Vec<Uuid>,
    /// The latest figures, as a frame, by server.
    pub(super) stats: HashMap<Uuid, Bytes>,
}

pub(super) struct Inbox {
    mail: Mutex<Mail>,
    bell: OwnedFd,
    /// Whether the shard is at work, and will look at its mail before it sleeps.
    awake: Awake,
}

impl Inbox {
    pub(super) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self {
            mail: Mutex::default(),
            bell,
            awake: Awake::new(),
        })
    }

    pub(super) fn post(&self, post: Post) {
        self.lock().posts.push(post);
        self.wake();
    }

    pub(super) fn news(&self, server: Uuid) {
        self.lock().news.push(server);
        self.wake();
    }

    pub(super) fn stats(&self, server: Uuid, frame: Bytes) {
        self.lock().stats.insert(server, frame);
        self.wake();
    }

    /// Whether the shard sleeps, and nobody has rung for it yet.
    pub(super) fn is_asleep(&self) -> bool {
        self.awake.is_asleep()
    }

    pub(super) fn wake(&self) {
        if self.awake.has_mail() {
            // Fails only when the counter is full, and then the bell is ringing already.
            let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
        }
    }

    /// The shard is about to sleep. False if there is mail: it must not.
    pub(super) fn may_sleep(&self) -> bool {
        self.awake.is_going_to_sleep();
        let mail = self.lock();
        mail.posts.is_empty() && mail.news.is_empty() && mail.stats.is_empty()
    }

    /// The shard has woken up.
    pub(super) fn is_up(&self) {
        self.awake.is_up();
    }

    /// Takes all mail; what was in `old` gives its room to the next.
    pub(super) fn take(&self, old: &mut Mail) {
        std::mem::swap(&mut *self.lock(), old);
    }

    fn lock(&self) -> MutexGuard<'_, Mail> {
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AsFd for Inbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}
