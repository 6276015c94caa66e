//! One shard: a thread with an epoll that owns many viewers.
//!
//! ```text
//!   pump ──news──┐                    ┌── epoll: readable ──> inbound ──> session, actor
//!   routes ─post─┼──> inbox ──> turn ─┼── epoll: writable ──> delivery (slow path)
//!   history ─────┘                    ├── news, paced ──────> delivery (one write a viewer)
//!                                     └── sweep, 5 a second > session (times)
//! ```
//!
//! Between two turns of the loop nobody holds the shard, so that a pump may visit it (`visit`). A turn belongs to one
//! viewer, and a panic in it ends that viewer only. What is said to viewers, and when, is left
//! to `inbound`, `session` and `delivery`, who comes and goes to `membership`: they all add to [`Shard`].

use super::{
    Ended, Hub,
    delivery::PASS_BYTES,
    inbox::{Inbox, Mail, Post},
    slots::{Key, Slots},
    viewer::Viewer,
    watchers::{Group, pace},
};
use roost_wire::close::Close;
use rustix::event::epoll;
use std::{
    collections::{HashMap, VecDeque},
    io,
    os::fd::OwnedFd,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Between two looks at all viewers' times.
const SWEEP: Duration = Duration::from_millis(200);
/// Bytes read from a viewer at once, for all viewers in the same buffer.
const READ_BUFFER: usize = 64 << 10;
/// Epoll's name for the inbox.
const BELL: u64 = u64::MAX;

pub(super) struct Shard {
    pub(super) number: usize,
    pub(super) hub: Arc<Hub>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) epoll: Arc<OwnedFd>,
    pub(super) slots: Slots,
    pub(super) groups: HashMap<Uuid, Group>,
    /// Servers whose flush is due.
    due: Vec<Uuid>,
    /// Viewers whose live lines wait for a `send logs`, by the time at which they go on without.
    pub(super) holds: VecDeque<(Instant, Key)>,
    /// Viewers that have more to get, after others had their turn.
    pub(super) again: Vec<Key>,
    /// Number of the latest read of the journal for a group.
    pub(super) reads: u64,
    /// Room for the keys of one pass.
    pub(super) keys: Vec<Key>,
    pub(super) buffer: Vec<u8>,
    /// When this turn of the loop began.
    pub(super) now: Instant,
    next_sweep: Instant,
    /// Set once the node stops: when the last ones are dropped.
    pub(super) farewell: Option<Instant>,
}

impl Shard {
    pub(super) fn new(number: usize, hub: Arc<Hub>, inbox: Arc<Inbox>) -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &*inbox,
            epoll::EventData::new_u64(BELL),
            // By edge: each ring is told once, so that nothing has to be read to end it.
            epoll::EventFlags::IN | epoll::EventFlags::ET,
        )?;
        let now = Instant::now();
        Ok(Self {
            number,
            hub,
            inbox,
            epoll: Arc::new(epoll),
            slots: Slots::default(),
            groups: HashMap::new(),
            due: Vec::new(),
            holds: VecDeque::new(),
            again: Vec::new(),
            reads: 0,
            keys: Vec::new(),
            buffer: vec![0; READ_BUFFER],
            now,
            next_sweep: now,
            farewell: None,
        })
    }

    /// Serves until the node stops.
    pub(super) fn run(shared: &Mutex<Self>) {
        let mut events = Vec::with_capacity(1024);
        let mut mail = Mail::default();
        let mut shard = Self::hold(shared);
        loop {
            let timeout = if shard.inbox.may_sleep() {
                shard.time_to_sleep()
            } else {
                Some(Duration::ZERO)
            };
            let epoll = Arc::clone(&shard.epoll);
            drop(shard);
            events.clear();
            let timeout = timeout.and_then(|timeout| timeout.try_into().ok());
            let buffer = rustix::buffer::spare_capacity(&mut events);
            let waited = epoll::wait(&*epoll, buffer, timeout.as_ref());
            shard = Self::hold(shared);
            match waited {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(shard = shard.number, %error, "can't wait for viewers' sockets, ending this shard");
                    return;
                }
            }
            if shard.take_turn(&events, &mut mail) {
                return;
            }
        }
    }

    /// A visitor that panicked leaves no viewer half served: each had a turn of its own.
    fn hold(shared: &Mutex<Self>) -> MutexGuard<'_, Self> {
        shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One turn of the loop. True once the node has stopped and all is done.
    fn take_turn(&mut self, events: &[epoll::Event], mail: &mut Mail) -> bool {
        self.inbox.is_up();
        self.now = Instant::now();
        for event in events {
            let epoll::Event { flags, data } = *event;
            if data.u64() != BELL {
                self.ready(Key::from_u64(data.u64()), flags);
            }
        }
        self.open(mail);
        self.flush_due();
        self.release_holds();
        self.go_on();
        if self.now >= self.next_sweep {
            self.sweep();
        }
        self.farewell
            .is_some_and(|at| self.slots.len() == 0 || self.now >= at)
    }

    /// Until the next thing that happens by time; `None`: for ever.
    fn time_to_sleep(&self) -> Option<Duration> {
        if !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let pending = self.slots.len() > 0 || self.hub.watches.has_unsettled();
        let sweep = pending.then_some(self.next_sweep);
        let flush = self
            .due
            .iter()
            .filter_map(|server| self.groups.get(server))
            .map(|g| g.next_flush)
            .min();
        let hold = self.holds.front().map(|(at, _)| *at);
        let next = [sweep, flush, hold, self.farewell].into_iter().flatten().min()?;
        Some(next.saturating_duration_since(Instant::now()))
    }

    fn ready(&mut self, key: Key, flags: epoll::EventFlags) {
        let is_broken = flags.intersects(epoll::EventFlags::ERR | epoll::EventFlags::HUP);
        self.turn(key, |shard, viewer| {
            if flags.contains(epoll::EventFlags::OUT) {
                shard.writable(viewer)?;
            }
            if flags.contains(epoll::EventFlags::IN) {
                shard.readable(viewer)?;
            } else if is_broken {
                return Err(Ended::Lost);
            }
            Ok(())
        });
    }

    /// One viewer's turn. Whatever goes wrong in it ends this viewer and no other.
    pub(super) fn turn(&mut self, key: Key, act: impl FnOnce(&mut Self, &mut Viewer) -> Result<(), Ended>) {
        let Some(mut viewer) = self.slots.take(key) else {
            return;
        };
        let result = self.guarded(&mut viewer, act);
        let is_kept = match result {
            Ok(()) => true,
            Err(why) => self
                .guarded(&mut viewer, |shard, viewer| shard.end(viewer, &why))
                .is_ok(),
        };
        if !is_kept || !self.update_interest(&mut viewer) {
            self.remove(*viewer);
            return;
        }
        self.slots.put(viewer);
    }

    fn guarded(
        &mut self,
        viewer: &mut Viewer,
        act: impl FnOnce(&mut Self, &mut Viewer) -> Result<(), Ended>,
    ) -> Result<(), Ended> {
        let act = std::panic::AssertUnwindSafe(|| act(self, viewer));
        std::panic::catch_unwind(act).unwrap_or_else(|_| {
            tracing::error!(server = %viewer.server, address = %viewer.address, "handling a viewer panicked, ending it");
            Err(Ended::By(Close::Internal))
        })
    }

    fn update_interest(&self, viewer: &mut Viewer) -> bool {
        let wanted = viewer.wanted_interest();
        if wanted == viewer.interest {
            return true;
        }
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, wanted.0);
        flags.set(epoll::EventFlags::OUT, wanted.1);
        viewer.interest = wanted;
        epoll::modify(
            &self.epoll,
            &viewer.stream,
            epoll::EventData::new_u64(viewer.key.to_u64()),
            flags,
        )
        .is_ok()
    }

    /// Does what has come by mail.
    fn open(&mut self, mail: &mut Mail) {
        self.inbox.take(mail);
        for post in mail.posts.drain(..) {
            match post {
                Post::Adopt(arrival) => {
                    let (stream, handle, peer) = *arrival;
                    self.adopt(stream, handle, peer);
                }
                Post::Answer(key, answer) => {
                    self.turn(key, |shard, viewer| shard.answered(viewer, *answer));
                }
                Post::Page { key, name, result } => {
                    self.turn(key, |shard, viewer| shard.page_came(viewer, name, result));
                }
                Post::Found { key, of, result } => {
                    self.turn(key, |shard, viewer| shard.found(viewer, &of, result));
                }
                Post::History { key, read, result } => {
                    self.turn(key, |shard, viewer| shard.history_came(viewer, read, result));
                }
                Post::GroupHistory { server, read, result } => self.group_history_came(server, read, result),
                Post::Floor { key, from, result } => {
                    self.turn(key, |shard, viewer| shard.floor_came(viewer, from, result));
                }
                Post::Close {
                    filter,
                    why,
                    by,
                    done,
                } => {
                    // The asker may have stopped waiting.
                    let _ = done.send(self.close(&filter, why, by.as_deref()));
                }
                Post::List(reply) => {
                    let _ = reply.send(self.list());
                }
                Post::Shutdown => self.shut_down(),
            }
        }
        for server in mail.news.drain(..) {
            self.make_due(server);
        }
        for (server, stats) in mail.stats.drain() {
            self.broadcast_stats(server, &stats);
        }
    }

    /// There is news: a flush is to come, at once or after the pause.
    pub(super) fn make_due(&mut self, server: Uuid) {
        if let Some(group) = self.groups.get_mut(&server).filter(|group| !group.is_due) {
            group.is_due = true;
            self.due.push(server);
        }
    }

    fn flush_due(&mut self) {
        let mut later = Vec::new();
        for server in std::mem::take(&mut self.due) {
            let Some(group) = self.groups.get_mut(&server) else {
                continue;
            };
            if group.next_flush > self.now {
                later.push(server);
                continue;
            }
            group.is_due = false;
            group.next_flush = self.now + pace(group.watch.viewers());
            if self.flush(server, PASS_BYTES) {
                self.make_due_now(server);
            }
        }
        self.due.append(&mut later);
    }

    /// More is there than one pass takes: a whole pass needs no pause to gather more lines.
    pub(super) fn make_due_now(&mut self, server: Uuid) {
        if let Some(group) = self.groups.get_mut(&server) {
            group.next_flush = self.now;
        }
        self.make_due(server);
    }

    fn sweep(&mut self) {
        self.next_sweep = self.now + SWEEP;
        let wall = self.hub.clock.now();
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys.extend(self.slots.iter().map(|viewer| viewer.key));
        for key in keys.drain(..) {
            self.turn(key, |shard, viewer| shard.look_at_times(viewer, wall));
        }
        self.keys = keys;
        self.tell_presence();
        self.hub.watches.settle();
    }
}
