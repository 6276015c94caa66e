//! Who watches which server: across all shards (so that its actor knows, and the pump wakes only shards that care), and
//! on one shard as a group.
//!
//! A group has one cursor, the tail, which all viewers share that are up to date. They stand first among its members
//! ("live"); the others have cursors of their own. How lines reach them is the delivery's business.

use super::{
    news::News,
    presence::Presence,
    slots::{Key, Slots},
};
use crate::server::handle::{Request, ServerHandle};
use roost_console::Cursor;
use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Viewers of one server that go to one shard before the next shard gets some: few share reads, many share cores.
const BLOCK: u32 = 64;
/// Below so many viewers a line leaves at once.
const PACED_FROM: u32 = 30;
/// Between two flushes, by viewer: 10 ms at 1,000.
const PACE_PER_VIEWER: Duration = Duration::from_micros(10);
/// The longest pause between two flushes.
const PACE_MAX: Duration = Duration::from_millis(50);

/// The pause between two flushes of a server with so many viewers.
pub(super) fn pace(viewers: u32) -> Duration {
    if viewers < PACED_FROM {
        Duration::ZERO
    } else {
        (PACE_PER_VIEWER * viewers).min(PACE_MAX)
    }
}

/// What times are counted from.
fn first_instant() -> Instant {
    static FIRST: LazyLock<Instant> = LazyLock::new(Instant::now);
    *FIRST
}

/// One server, as all shards share it.
pub(super) struct Watch {
    spots: Box<[Spot]>,
    /// Connections, with a token or without.
    connections: AtomicU32,
    told: Mutex<Told>,
    viewers: AtomicU32,
    presence: Presence,
}

/// A server on a shard.
struct Spot {
    connections: AtomicU32,
    /// The shard knows of news, and has not looked yet.
    news: News,
    /// Since when, in nanoseconds since the program's first.
    news_at: AtomicU64,
}

impl Spot {
    fn empty() -> Self {
        Self {
            connections: AtomicU32::new(0),
            news: News::none(),
            news_at: AtomicU64::new(0),
        }
    }
}

#[derive(Default)]
struct Told {
    viewers: u32,
    /// What the actor was told last, and by which mailbox: a server that was made anew has another.
    is_watched: bool,
    handle: Option<ServerHandle>,
}

impl Watch {
    fn new(shards: usize) -> Self {
        Self {
            spots: (0..shards).map(|_| Spot::empty()).collect(),
            connections: AtomicU32::new(0),
            told: Mutex::default(),
            viewers: AtomicU32::new(0),
            presence: Presence::default(),
        }
    }

    /// Who watches, on all shards.
    pub(super) fn presence(&self) -> &Presence {
        &self.presence
    }

    /// Viewers with a valid token on all shards.
    pub(super) fn viewers(&self) -> u32 {
        self.viewers.load(Ordering::Relaxed)
    }

    /// A viewer has shown its first token. True when the actor knows that somebody watches.
    pub(super) fn came(&self, handle: &ServerHandle) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told
            .handle
            .as_ref()
            .is_none_or(|old| !old.mailbox.same_channel(&handle.mailbox))
        {
            told.handle = Some(handle.clone());
            told.is_watched = false;
        }
        told.viewers += 1;
        self.viewers.store(told.viewers, Ordering::Relaxed);
        told.tell()
    }

    /// One of those has gone. True when the actor knows.
    pub(super) fn left(&self) -> bool {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.viewers = told.viewers.saturating_sub(1);
        self.viewers.store(told.viewers, Ordering::Relaxed);
        told.tell()
    }

    /// Tells the actor again, if its mailbox was full. True when it knows.
    pub(super) fn settle(&self) -> bool {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).tell()
    }

    /// The shard looks at its news now; what comes from here on is news again. Since when there are news, if there are.
    pub(super) fn clear_news(&self, shard: usize) -> Option<Instant> {
        let spot = &self.spots[shard];
        let since = spot.news_at.load(Ordering::Relaxed);
        let had_news = spot.news.clear();
        had_news.then(|| first_instant() + Duration::from_nanos(since))
    }
}

impl Told {
    fn tell(&mut self) -> bool {
        let wanted = self.viewers > 0;
        if wanted == self.is_watched {
            return true;
        }
        let Some(handle) = &self.handle else { return true };
        match handle.mailbox.try_send(Request::Watched(wanted)) {
            Err(tokio::sync::mpsc::error::TrySendError::Full(_)) => false,
            // An actor that is gone needs to know nothing.
            Ok(()) | Err(tokio::sync::mpsc::error::TrySendError::Closed(_)) => {
                self.is_watched = wanted;
                true
            }
        }
    }
}

/// All servers that have connections.
pub(super) struct Watches {
    shards: usize,
    map: RwLock<HashMap<Uuid, Arc<Watch>>>,
    /// Some actor's mailbox was full, and it is to be told again.
    has_unsettled: AtomicBool,
}

impl Watches {
    pub(super) fn new(shards: usize) -> Self {
        Self {
            shards,
            map: RwLock::default(),
            has_unsettled: AtomicBool::new(false),
        }
    }

    /// A connection comes: which shard gets it.
    pub(super) fn enter(&self, server: Uuid) -> usize {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let watch = map
            .entry(server)
            .or_insert_with(|| Arc::new(Watch::new(self.shards)));
        let before = watch.connections.fetch_add(1, Ordering::SeqCst);
        let home = server.as_u128() % self.shards as u128;
        let shard = (home as usize + (before / BLOCK) as usize) % self.shards;
        watch.spots[shard].connections.fetch_add(1, Ordering::SeqCst);
        shard
    }

    /// It has gone.
    pub(super) fn leave(&self, server: Uuid, shard: usize) {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let Some(watch) = map.get(&server) else { return };
        watch.spots[shard].connections.fetch_sub(1, Ordering::SeqCst);
        let is_last = watch.connections.fetch_sub(1, Ordering::SeqCst) == 1;
        if !watch.settle() {
            self.has_unsettled.store(true, Ordering::SeqCst);
        } else if is_last {
            map.remove(&server);
        }
    }

    pub(super) fn has_unsettled(&self) -> bool {
        self.has_unsettled.load(Ordering::SeqCst)
    }

    /// A viewer was let in or has gone, and its actor's mailbox was full.
    pub(super) fn settle_later(&self) {
        self.has_unsettled.store(true, Ordering::SeqCst);
    }

    /// Tells again those whose mailbox was full.
    pub(super) fn settle(&self) {
        if !self.has_unsettled.swap(false, Ordering::SeqCst) {
            return;
        }
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.retain(|_, watch| {
            let is_settled = watch.settle();
            if !is_settled {
                self.has_unsettled.store(true, Ordering::SeqCst);
            }
            !is_settled || watch.connections.load(Ordering::SeqCst) > 0
        });
    }

    /// The watch of a server that has a connection.
    pub(super) fn get(&self, server: Uuid) -> Option<Arc<Watch>> {
        self.map
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&server)
            .cloned()
    }

    /// There is something new: `tell` is called for each shard that has viewers and does not know yet.
    pub(super) fn news(&self, server: Uuid, mut tell: impl FnMut(usize)) {
        // Not under the lock: who is told may take leave of a viewer.
        let Some(watch) = self.get(server) else { return };
        for (shard, spot) in watch.spots.iter().enumerate() {
            if spot.connections.load(Ordering::SeqCst) > 0 && !spot.news.is_known() {
                let since = u64::try_from(first_instant().elapsed().as_nanos()).unwrap_or(u64::MAX);
                spot.news_at.store(since, Ordering::Relaxed);
                if spot.news.must_tell() {
                    tell(shard);
                }
            }
        }
    }

    /// Shards that have connections of this server.
    pub(super) fn shards_of(&self, server: Uuid, mut each: impl FnMut(usize)) {
        let map = self.map.read().unwrap_or_else(PoisonError::into_inner);
        let Some(watch) = map.get(&server) else { return };
        for (shard, spot) in watch.spots.iter().enumerate() {
            if spot.connections.load(Ordering::SeqCst) > 0 {
                each(shard);
            }
        }
    }
}

/// The viewers of one server on one shard.
pub(super) struct Group {
    pub(super) handle: ServerHandle,
    pub(super) watch: Arc<Watch>,
    /// Where all live members stand.
    pub(super) tail: Cursor,
    /// Everybody with or without a token; the first `live` of them stand at the tail and have nothing waiting.
    members: Vec<Key>,
    live: usize,
    /// Members that are ahead of the tail, which the next flush reaches.
    pub(super) ahead: Vec<Key>,
    /// The tail is out of the ring, and the read of the journal with this number is under way.
    pub(super) is_reading: bool,
    pub(super) read: u64,
    /// Members that speak `roost.v1` and hold a token.
    pub(super) v1: u32,
    /// Which presence they were told last, and before when they are not told again.
    pub(super) told_presence: u64,
    pub(super) presence_pause: Instant,
    /// There is news, and a flush is due at `next_flush`.
    pub(super) is_due: bool,
    pub(super) next_flush: Instant,
}

impl Group {
    pub(super) fn new(handle: ServerHandle, watch: Arc<Watch>, now: Instant) -> Self {
        let tail = handle.console.tail();
        Self {
            handle,
            watch,
            tail,
            members: Vec::new(),
            live: 0,
            ahead: Vec::new(),
            is_reading: false,
            read: 0,
            v1: 0,
            told_presence: 0,
            presence_pause: now,
            is_due: false,
            next_flush: now,
        }
    }

    pub(super) fn members(&self) -> &[Key] {
        &self.members
    }

    pub(super) fn live(&self) -> &[Key] {
        &self.members[..self.live]
    }

    pub(super) fn add(&mut self, key: Key, slots: &mut Slots) {
        slots.places[key.index as usize] = self.members.len() as u32;
        self.members.push(key);
    }

    pub(super) fn remove(&mut self, key: Key, slots: &mut Slots) {
        self.set_live(key, false, slots);
        let place = slots.places[key.index as usize] as usize;
        if self.members.get(place) == Some(&key) {
            self.swap(place, self.members.len() - 1, slots);
            self.members.pop();
            slots.places[key.index as usize] = u32::MAX;
        }
    }

    pub(super) fn is_live(&self, key: Key, slots: &Slots) -> bool {
        (slots.places[key.index as usize] as usize) < self.live
    }

    pub(super) fn set_live(&mut self, key: Key, live: bool, slots: &mut Slots) {
        let place = slots.places[key.index as usize] as usize;
        if self.members.get(place) != Some(&key) || live == (place < self.live) {
            return;
        }
        if live {
            self.swap(place, self.live, slots);
            self.live += 1;
        } else {
            self.live -= 1;
            self.swap(place, self.live, slots);
        }
    }

    fn swap(&mut self, a: usize, b: usize, slots: &mut Slots) {
        self.members.swap(a, b);
        slots.places[self.members[a].index as usize] = a as u32;
        slots.places[self.members[b].index as usize] = b as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_with_the_viewers_and_have_an_end() {
        assert_eq!(pace(1), Duration::ZERO);
        assert_eq!(pace(29), Duration::ZERO);
        assert_eq!(pace(1_000), Duration::from_millis(10));
        assert_eq!(pace(100_000), Duration::from_millis(50));
    }

    #[test]
    fn a_shard_is_told_of_news_once_until_it_looks() {
        let watches = Watches::new(2);
        let server = Uuid::from_u128(2);
        let told = |watches: &Watches| {
            let mut told = Vec::new();
            watches.news(server, |shard| told.push(shard));
            told
        };
        assert!(told(&watches).is_empty());
        assert_eq!(watches.enter(server), 0);
        assert_eq!(told(&watches), [0]);
        assert!(told(&watches).is_empty());
        watches.get(server).unwrap().clear_news(0);
        assert_eq!(told(&watches), [0]);
        watches.leave(server, 0);
        assert!(told(&watches).is_empty() && watches.get(server).is_none());
    }

    #[test]
    fn many_viewers_of_a_server_are_spread() {
        let watches = Watches::new(4);
        let mut counts = [0; 4];
        for _ in 0..1024 {
            counts[watches.enter(Uuid::from_u128(7))] += 1;
        }
        assert_eq!(counts, [256; 4]);
    }
}
