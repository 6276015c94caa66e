//! A pump's visit to a shard that sleeps: where there is little to bring to few viewers, the pump brings it itself.
//!
//! ```text
//!   published ──> shard sleeps, few viewers? ──yes──> flush here and now
//!                                           └──no───> news in the inbox, bell
//! ```
//!
//! That saves the waking of a thread, about a fifth of a line's way to a single viewer in time and in CPU. What a flush
//! does is the delivery's business.

use super::{Inner, shard::Shard, watchers::pace};
use std::time::Instant;
use uuid::Uuid;

/// Most viewers that a pump serves, and bytes of lines that it brings to each: its other servers wait for so long.
const VIEWERS: usize = 32;
const BYTES: usize = 16 << 10;

impl Inner {
    /// Has the news of `server` delivered at once, on this thread. False if the shard has to be told.
    pub(super) fn visit(&self, shard: usize, server: Uuid) -> bool {
        if !self.inboxes[shard].is_asleep() {
            return false;
        }
        let Some(shard) = self.shards[shard].upgrade() else {
            return false;
        };
        // Whoever holds it is at work, and will look at its news.
        shard.try_lock().is_ok_and(|mut shard| shard.visited(server))
    }
}

impl Shard {
    /// A visitor is there for `server`. False if nothing was done: it is too much, or not the time.
    fn visited(&mut self, server: Uuid) -> bool {
        let now = Instant::now();
        let Some(group) = self.groups.get_mut(&server) else {
            return false;
        };
        if group.members().len() > VIEWERS || group.is_due || group.is_reading || group.next_flush > now {
            return false;
        }
        self.now = now;
        group.next_flush = now + pace(group.watch.viewers());
        let has_more = self.flush(server, BYTES);
        if has_more {
            self.make_due_now(server);
        }
        if has_more || !self.again.is_empty() {
            // The rest is the shard's own work, and it may sleep for longer than that can wait.
            self.inbox.wake();
        }
        true
    }
}
