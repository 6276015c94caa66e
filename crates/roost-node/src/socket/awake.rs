//! Whether a shard is at work or asleep, so that only a sleeping one is rung for.
//!
//! No wake-up is lost: a sender puts its mail in and then asks; the shard says that it is going to sleep and then looks
//! at its mail. Whichever of the two comes last in the order of `SeqCst` sees the other: the sender rings, or the shard
//! stays up. (Each step is a swap: a chain of swaps has one order, whatever the memory model. It costs what a store of
//! `SeqCst` costs.) Tried in every order of steps by the crate `roost-loom`. The bell and the mail are the inbox's.

use super::atomics::{AtomicBool, Ordering};

/// See the file's head.
#[derive(Debug)]
pub(super) struct Awake(AtomicBool);

impl Awake {
    /// At work.
    pub(super) fn new() -> Self {
        Self(AtomicBool::new(true))
    }

    /// Whether the shard sleeps, and nobody has rung for it yet.
    pub(super) fn is_asleep(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    /// Mail was put in. True if the bell must be rung, which is for this caller alone to do.
    pub(super) fn has_mail(&self) -> bool {
        !self.0.swap(true, Ordering::SeqCst)
    }

    /// The shard is about to look at its mail for the last time before it sleeps.
    pub(super) fn is_going_to_sleep(&self) {
        self.0.swap(false, Ordering::SeqCst);
    }

    /// The shard has woken up.
    pub(super) fn is_up(&self) {
        self.0.swap(true, Ordering::SeqCst);
    }
}
