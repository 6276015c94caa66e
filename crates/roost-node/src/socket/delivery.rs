//! The fast path: brings lines and events to the viewers that are up to date, with one read of the ring a group, one
//! piece of shared bytes, one write a viewer.
//!
//! A viewer whose socket does not take all of it keeps the rest and leaves for the slow path (`catch_up`). If the whole
//! group has fallen out of the ring, it reads the journal together. Whether a viewer may see lines at all is the
//! session's business.

use super::{
    Ended,
    catch_up::{missing, unreadable},
    history_pool::{For, Job, Task},
    shard::Shard,
    shown::Shown,
    slots::Key,
    viewer::Viewer,
    watchers::Group,
};
use roost_console::{Cursor, Entry, History, Read};
use roost_wire::{
    clock::Millis,
    close::Close,
    event,
    v1::{self, Reason},
};
use std::{io, sync::Arc, sync::atomic::Ordering};
use uuid::Uuid;

/// Most bytes of lines that one pass takes.
pub(super) const PASS_BYTES: usize = 256 << 10;

/// What one pass brings to all live viewers.
struct Pass {
    before: Cursor,
    after: Cursor,
    /// The time of day.
    wall: Millis,
    shown: Shown,
}

impl Shard {
    /// Brings what is new to all live viewers of `server`, in one pass of about `max_bytes` of lines. True if there is
    /// more.
    pub(super) fn flush(&mut self, server: Uuid, max_bytes: usize) -> bool {
        let guarded = std::panic::AssertUnwindSafe(|| self.flush_unguarded(server, max_bytes));
        std::panic::catch_unwind(guarded).unwrap_or_else(|_| {
            tracing::error!(%server, "reading a console panicked, ending its viewers");
            self.for_each_member(server, |_, _| Err(Ended::By(Close::Internal)));
            false
        })
    }

    fn flush_unguarded(&mut self, server: Uuid, max_bytes: usize) -> bool {
        let Some(group) = self.groups.get_mut(&server) else {
            return false;
        };
        if group.live().is_empty() {
            group.watch.clear_news(self.number);
            group.is_reading = false;
            group.tail = group.handle.console.tail();
            self.resume_ahead(server);
            return false;
        }
        if group.is_reading {
            // News are looked at when the journal was read.
            return false;
        }
        let since = group.watch.clear_news(self.number);
        let before = group.tail;
        match group.handle.console.read(&mut group.tail, max_bytes) {
            Read::Entries(entries) => {
                let shown = Shown::new(entries, before.seq, 0);
                let has_more = group.handle.console.tail() != group.tail;
                self.pass(server, before, shown);
                if let Some(since) = since {
                    self.hub.latency.took(since.elapsed());
                }
                has_more
            }
            Read::Empty => false,
            Read::Behind => {
                // This shard did not run for so long, or so much came, that the ring has moved on.
                group.tail = before;
                self.read_group_history(server);
                false
            }
            Read::Closed => {
                // Whoever removes a server says so first; what is left gets a close that is worth a retry.
                self.for_each_member(server, |_, _| Err(Ended::By(Close::Restarting)));
                false
            }
        }
    }

    /// Writes to all live viewers what lies between `before` and their group's tail.
    fn pass(&mut self, server: Uuid, before: Cursor, shown: Shown) {
        let Some(group) = self.groups.get(&server) else {
            return;
        };
        let after = group.tail;
        let lines = after.seq.saturating_sub(before.seq);
        let counters = &self.hub.counters;
        counters.flushes.fetch_add(1, Ordering::Relaxed);
        let deliveries = lines * group.live().len() as u64;
        counters.deliveries.fetch_add(deliveries, Ordering::Relaxed);
        let wall = self.hub.clock.now();
        let pass = Pass {
            before,
            after,
            wall,
            shown,
        };
        self.for_each(server, Group::live, |shard, viewer| shard.deliver(viewer, &pass));
        self.resume_ahead(server);
    }

    fn deliver(&mut self, viewer: &mut Viewer, pass: &Pass) -> Result<(), Ended> {
        let Some(session) = &viewer.session else {
            return Ok(());
        };
        if session.expires <= pass.wall {
            viewer.cursor = pass.before;
            self.set_live(viewer, false);
            return self.expire(viewer);
        }
        if viewer.has_backlog() {
            viewer.cursor = pass.before;
            self.set_live(viewer, false);
            return Ok(());
        }
        let end = self.throttle(viewer, pass.before.seq, pass.after.seq)?;
        let bytes = match end {
            None => pass.shown.of(viewer.view()),
            Some(end) => pass.shown.of_before(viewer.view(), end),
        };
        if bytes.is_empty() {
            return Ok(());
        }
        let taken = viewer.write_now(&bytes, self.now)?;
        if taken < bytes.len() || viewer.has_backlog() {
            viewer.queue(bytes.slice(taken..));
            viewer.cursor = pass.after;
            self.set_live(viewer, false);
            self.hub.counters.slow.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    fn read_group_history(&mut self, server: Uuid) {
        self.reads += 1;
        let read = self.reads;
        let Some(group) = self.groups.get_mut(&server) else {
            return;
        };
        group.is_reading = true;
        group.read = read;
        self.hub.history.ask(Job {
            console: Arc::clone(&group.handle.console),
            inbox: Arc::clone(&self.inbox),
            task: Task::Lines {
                of: For::Group { server, read },
                cursor: group.tail,
                max_bytes: PASS_BYTES,
            },
        });
    }

    pub(super) fn group_history_came(
        &mut self,
        server: Uuid,
        read: u64,
        result: io::Result<(Cursor, History)>,
    ) {
        let asked = |group: &&mut Group| group.is_reading && group.read == read;
        let Some(group) = self.groups.get_mut(&server).filter(asked) else {
            return;
        };
        group.is_reading = false;
        let before = group.tail;
        let mut shown = match result {
            Ok((cursor, history)) => {
                group.tail = cursor;
                let entries: Vec<Entry> = history.batches.into_iter().map(Entry::Lines).collect();
                let mut shown = Shown::history(entries, before.seq, 0);
                if let Some(missed) = history.missed {
                    let viewers = group.live().len() as u64;
                    self.hub
                        .counters
                        .missed
                        .fetch_add(missed.lines * viewers, Ordering::Relaxed);
                    let after = before.seq.saturating_sub(1);
                    shown.put_before(
                        event::frame(event::DAEMON_MESSAGE, &[&missing(missed.lines)]),
                        v1::gap_frame(after, Some(missed.lines), Reason::Retention),
                    );
                }
                shown
            }
            Err(error) => {
                tracing::warn!(%error, %server, "history can't be read, its viewers go on without it");
                group.tail = group.handle.console.tail();
                let lines = group.tail.seq.saturating_sub(before.seq);
                let text = unreadable(lines, &error);
                let mut shown = Shown::default();
                shown.put_before(
                    event::frame(event::DAEMON_MESSAGE, &[&text]),
                    v1::gap_frame(before.seq.saturating_sub(1), Some(lines), Reason::Disk),
                );
                shown
            }
        };
        if group.tail.entry != Cursor::NOT_ALIGNED {
            // Back in the ring: events may have gone unseen, the state is what they come to.
            let state = group.handle.view.borrow().state;
            shown.put_behind(event::frame(event::STATUS, &[state.as_str()]));
        }
        // A whole pass needs no pause to gather more lines.
        group.next_flush = self.now;
        self.pass(server, before, shown);
        self.make_due(server);
    }

    fn resume_ahead(&mut self, server: Uuid) {
        let Some(group) = self.groups.get_mut(&server) else {
            return;
        };
        for key in std::mem::take(&mut group.ahead) {
            self.turn(key, Self::catch_up);
        }
    }

    pub(super) fn for_each_member(
        &mut self,
        server: Uuid,
        act: impl FnMut(&mut Self, &mut Viewer) -> Result<(), Ended>,
    ) {
        self.for_each(server, Group::members, act);
    }

    fn for_each(
        &mut self,
        server: Uuid,
        which: impl Fn(&Group) -> &[Key],
        mut act: impl FnMut(&mut Self, &mut Viewer) -> Result<(), Ended>,
    ) {
        let Some(group) = self.groups.get(&server) else {
            return;
        };
        let mut keys = std::mem::take(&mut self.keys);
        keys.clear();
        keys.extend_from_slice(which(group));
        for key in keys.drain(..) {
            self.turn(key, &mut act);
        }
        self.keys = keys;
    }
}
