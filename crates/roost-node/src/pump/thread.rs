//! One pump thread: waits for sockets, orders and deadlines of its feeds, and gives each its turn.
//!
//! A turn that panics costs its own server its link and its writer, and nobody else anything. What a feed does with
//! its turn is not its business.

use super::{
    Wake,
    compressor::Compressor,
    feed::{Context, Feed},
    inbox::{Inbox, Message, Order},
    syncer::Syncer,
};
use roost_wire::clock::Clock;
use rustix::{
    buffer::spare_capacity,
    event::epoll::{self, CreateFlags, EventData, EventFlags},
    fd::OwnedFd,
    time::Timespec,
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};
use uuid::Uuid;

/// What epoll calls the inbox; feeds are counted from 1.
const INBOX: u64 = 0;
/// Events taken at once.
const EVENTS: usize = 64;

pub(super) struct Pump {
    inbox: Arc<Inbox>,
    wake: Arc<dyn Wake>,
    clock: Arc<dyn Clock>,
    syncer: Syncer,
    compressor: Compressor,
    epoll: OwnedFd,
    /// Boxed, since a feed leaves the map for its turn.
    feeds: HashMap<u64, Box<Feed>>,
    tokens: HashMap<Uuid, u64>,
    next_token: u64,
    /// When to look after which feed. An entry is stale where the feed is scheduled for another time.
    deadlines: BinaryHeap<Reverse<(Instant, u64)>>,
}

impl Pump {
    pub(super) fn new(
        inbox: Arc<Inbox>,
        wake: Arc<dyn Wake>,
        clock: Arc<dyn Clock>,
        syncer: Syncer,
        compressor: Compressor,
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        // By edge: each ring is told once, so that nothing has to be read to end it.
        let ring = EventFlags::IN | EventFlags::ET;
        epoll::add(&epoll, inbox.bell(), EventData::new_u64(INBOX), ring)?;
        Ok(Self {
            inbox,
            wake,
            clock,
            syncer,
            compressor,
            epoll,
            feeds: HashMap::new(),
            tokens: HashMap::new(),
            next_token: INBOX + 1,
            deadlines: BinaryHeap::new(),
        })
    }

    /// Until [`Message::Shutdown`].
    pub(super) fn run(mut self) {
        let mut events = Vec::with_capacity(EVENTS);
        loop {
            events.clear();
            let timeout = self.timeout();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "a pump thread can't wait for its sockets and ends: restart the node");
                    return;
                }
            }
            // Bytes first: an order that follows an event of the pump comes behind them.
            for token in events
                .iter()
                .map(|event| event.data.u64())
                .filter(|&t| t != INBOX)
            {
                self.turn(token, |feed, cx| feed.ready(cx));
            }
            if events.iter().any(|event| event.data.u64() == INBOX) {
                for message in self.inbox.take() {
                    match message {
                        Message::Shutdown => return self.shut_down(),
                        message => self.message(message),
                    }
                }
            }
            self.look_after();
        }
    }

    /// Until the next deadline.
    fn timeout(&self) -> Option<Timespec> {
        let Reverse((next, _)) = self.deadlines.peek()?;
        let left = next.saturating_duration_since(Instant::now());
        Timespec::try_from(left).ok()
    }

    fn message(&mut self, message: Message) {
        match message {
            Message::Add {
                server,
                writer,
                published,
                events,
            } => {
                let token = self.next_token;
                self.next_token += 1;
                let feed = Feed::new(server, token, *writer, published, events, Instant::now());
                self.feeds.insert(token, Box::new(feed));
                if let Some(old) = self.tokens.insert(server, token) {
                    self.feeds.remove(&old);
                }
                self.turn(token, |_, _| {});
            }
            Message::To(server, Order::Remove(reply)) => {
                let feed = self
                    .tokens
                    .remove(&server)
                    .and_then(|token| self.feeds.remove(&token));
                match feed {
                    Some(feed) => feed.remove(reply, &self.context()),
                    None => {
                        let _ = reply.send(());
                    }
                }
            }
            Message::To(server, order) => match self.tokens.get(&server) {
                Some(&token) => self.turn(token, |feed, cx| feed.order(order, cx)),
                None => tracing::warn!(%server, "an order for a server that the pump does not have"),
            },
            Message::Synced(server, result) => {
                if let Some(&token) = self.tokens.get(&server) {
                    self.turn(token, |feed, cx| feed.synced(&result, cx));
                }
            }
            Message::Compressed(server, result) => {
                if let Some(&token) = self.tokens.get(&server) {
                    self.turn(token, |feed, cx| feed.compressed(result, cx));
                }
            }
            Message::Shutdown => {}
        }
    }

    /// Gives every feed whose time has come its turn.
    fn look_after(&mut self) {
        let now = Instant::now();
        while let Some(&Reverse((at, token))) = self.deadlines.peek()
            && at <= now
        {
            self.deadlines.pop();
            if let Some(feed) = self.feeds.get_mut(&token)
                && feed.scheduled == Some(at)
            {
                feed.scheduled = None;
                self.turn(token, |feed, cx| feed.look_after(cx));
            }
        }
    }

    /// One feed's turn.
    fn turn(&mut self, token: u64, turn: impl FnOnce(&mut Feed, &Context<'_>)) {
        let Some(mut feed) = self.feeds.remove(&token) else {
            return;
        };
        let cx = self.context();
        // A feed that panicked is not used again, so nobody sees what it left half done.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            turn(&mut feed, &cx);
            feed.settle(&cx);
        }));
        if outcome.is_err() {
            tracing::error!(server = %feed.server, "the handling of a console panicked: its server was let go, restart the node to take it up again");
            self.tokens.remove(&feed.server);
            feed.abandon();
            return;
        }
        let deadline = feed.deadline();
        if feed.scheduled.is_none_or(|at| deadline < at) {
            feed.scheduled = Some(deadline);
            self.deadlines.push(Reverse((deadline, token)));
        }
        self.feeds.insert(token, feed);
    }

    fn context(&self) -> Context<'_> {
        Context {
            epoll: &self.epoll,
            inbox: &self.inbox,
            wake: &*self.wake,
            clock: &*self.clock,
            syncer: &self.syncer,
            compressor: &self.compressor,
            now: Instant::now(),
        }
    }

    fn shut_down(self) {
        for (_, feed) in self.feeds {
            feed.shut_down(self.clock.now());
        }
    }
}
