//! Whether a shard knows that a console has something new, so that it is told once and not for every line.
//!
//! No news is lost: who publishes puts lines into the ring and then asks; the shard takes the flag down and then reads
//! the ring. The two fences see to it that one of them sees the other's step, whatever the ring's own stores promise.
//! Tried in every order of steps by the crate `roost-loom`. Who tells the shard, and how, is the inbox's business.

use super::atomics::{AtomicBool, Ordering, fence};

/// See the file's head.
#[derive(Debug)]
pub(super) struct News(AtomicBool);

impl News {
    /// Nothing new.
    pub(super) fn none() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Something was published. True if the shard knows that there is something, and has not looked yet.
    pub(super) fn is_known(&self) -> bool {
        fence(Ordering::SeqCst);
        self.0.load(Ordering::SeqCst)
    }

    /// True if the shard must be told, which is for this caller alone to do.
    pub(super) fn must_tell(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// The shard looks now; what comes from here on is news again. True if it was told of something.
    pub(super) fn clear(&self) -> bool {
        let had_news = self.0.swap(false, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        had_news
    }
}
