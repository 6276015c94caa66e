//! Brings lines and events to viewers.
//!
//! The usual case is one read of the ring a group, one piece of shared bytes, one write a viewer. A viewer whose socket
//! does not take all of it keeps the rest and a cursor of its own, reads on when its socket takes bytes again (from the
//! ring, or from the journal through the history pool), and joins the others once it stands at their tail. So it costs
//! about [`SLOW_BYTES`], delays nobody, and loses nothing that the journal holds. Whether a viewer may see lines at all
//! is the session's business.

use super::{
    Ended,
    history_pool::{Job, Task},
    shard::Shard,
    slots::Key,
    viewer::{Floor, Mode, Viewer},
    watchers::Group,
};
use bytes::{Bytes, BytesMut};
use roost_console::{Batch, Cursor, Entry, History, Read};
use roost_wire::{clock::Millis, close::Close, node_api::Source};
use std::{io, sync::Arc, sync::atomic::Ordering};
use uuid::Uuid;

/// Most bytes of lines that one flush takes from the ring.
const FLUSH_BYTES: usize = 256 << 10;
/// Most bytes of lines that a viewer on the slow path is given at once.
const SLOW_BYTES: usize = 64 << 10;
/// Pieces that a viewer on the slow path is given in one turn, before others have theirs.
const SLOW_PIECES: usize = 8;

/// What one flush brings to all live viewers.
struct Pass {
    before: Cursor,
    after: Cursor,
    /// The time of day.
    wall: Millis,
    /// For those who may see the installer, and for the others. Mostly the same bytes.
    all: Bytes,
    without_install: Bytes,
}

impl Shard {
    /// Brings what is new to all live viewers of `server`. True if the ring held more than one pass takes.
    pub(super) fn flush(&mut self, server: Uuid) -> bool {
        let guarded = std::panic::AssertUnwindSafe(|| self.flush_unguarded(server));
        std::panic::catch_unwind(guarded).unwrap_or_else(|_| {
            tracing::error!(%server, "reading a console panicked, ending its viewers");
            self.for_each_member(server, |_, _| Err(Ended::By(Close::Internal)));
            false
        })
    }

    fn flush_unguarded(&mut self, server: Uuid) -> bool {
        let Some(group) = self.groups.get_mut(&server) else {
            return false;
        };
        group.watch.clear_news(self.number);
        let before = group.tail;
        if group.live().is_empty() {
            group.tail = group.handle.console.tail();
            self.resume_ahead(server);
            return false;
        }
        match group.handle.console.read(&mut group.tail, FLUSH_BYTES) {
            Read::Entries(entries) => {
                let after = group.tail;
                let (all, without_install) = join(&entries, before.seq, |_| true);
                let has_more = group.handle.console.tail() != after;
                let pass = Pass {
                    before,
                    after,
                    wall: self.hub.clock.now(),
                    all,
                    without_install,
                };
                let lines = after.seq.saturating_sub(before.seq);
                let viewers = group.live().len() as u64;
                self.hub.counters.flushes.fetch_add(1, Ordering::Relaxed);
                self.hub
                    .counters
                    .deliveries
                    .fetch_add(lines * viewers, Ordering::Relaxed);
                self.for_each_live(server, |shard, viewer| shard.deliver(viewer, &pass));
                self.resume_ahead(server);
                has_more
            }
            Read::Empty => false,
            Read::Behind => {
                // This thread did not run for so long that the ring has moved on: each goes on through the journal.
                group.tail = group.handle.console.tail();
                self.for_each_live(server, |shard, viewer| {
                    viewer.cursor = before;
                    shard.set_live(viewer, false);
                    shard.catch_up(viewer)
                });
                self.resume_ahead(server);
                false
            }
            Read::Closed => {
                // Whoever removes a server says so first; what is left gets a close that is worth a retry.
                self.for_each_member(server, |_, _| Err(Ended::By(Close::Restarting)));
                false
            }
        }
    }

    /// The fast path: one write.
    fn deliver(&mut self, viewer: &mut Viewer, pass: &Pass) -> Result<(), Ended> {
        if viewer
            .session
            .as_ref()
            .is_some_and(|session| session.expires <= pass.wall)
        {
            viewer.cursor = pass.before;
            self.set_live(viewer, false);
            return self.expire(viewer);
        }
        let bytes = if viewer.rights().sees_install {
            &pass.all
        } else {
            &pass.without_install
        };
        if viewer.has_backlog() {
            viewer.cursor = pass.before;
            self.set_live(viewer, false);
            return Ok(());
        }
        if bytes.is_empty() {
            return Ok(());
        }
        let taken = viewer.write_now(bytes, self.now)?;
        if taken < bytes.len() || viewer.has_backlog() {
            viewer.queue(bytes.slice(taken..));
            viewer.cursor = pass.after;
            self.set_live(viewer, false);
            self.hub.counters.slow.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The socket takes bytes again.
    pub(super) fn writable(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        if !viewer.drain(self.now)? {
            return Ok(());
        }
        match viewer.mode {
            Mode::Closing if viewer.is_peer_done => Err(Ended::Lost),
            Mode::Closing => {
                if !std::mem::replace(&mut viewer.is_finished, true) {
                    viewer.stream.finish();
                }
                Ok(())
            }
            Mode::Following => self.catch_up(viewer),
            Mode::Guest | Mode::Held | Mode::Expired => Ok(()),
        }
    }

    /// The slow path: gives a viewer what it lacks, until its socket is full, history is asked for, or it stands at the
    /// tail.
    pub(super) fn catch_up(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        for _ in 0..SLOW_PIECES {
            if viewer.has_backlog() || viewer.is_reading || !viewer.is_following() {
                return Ok(());
            }
            let Some(group) = self.groups.get_mut(&viewer.server) else {
                return Ok(());
            };
            if group.is_live(viewer.key, &self.slots) {
                return Ok(());
            }
            if group.live().is_empty() {
                group.tail = group.handle.console.tail();
            }
            if viewer.cursor == group.tail || is_aligned_at(viewer.cursor, group.tail) {
                return self.join_live(viewer);
            }
            if is_ahead(viewer.cursor, group.tail) {
                group.ahead.push(viewer.key);
                return Ok(());
            }
            let from = viewer.cursor.seq;
            match group.handle.console.read(&mut viewer.cursor, SLOW_BYTES) {
                Read::Entries(entries) => {
                    let first = viewer.cursor.entry.saturating_sub(entries.len() as u64);
                    let tail = group.tail;
                    // Never past the tail, so that the group's next flush fits on.
                    let keep = usize::try_from(tail.entry.saturating_sub(first)).unwrap_or(usize::MAX);
                    let entries = &entries[..entries.len().min(keep)];
                    if viewer.cursor.entry > tail.entry {
                        viewer.cursor = tail;
                    }
                    let (all, without_install) =
                        join(entries, from, |i| first + i as u64 >= viewer.events_from);
                    let bytes = if viewer.rights().sees_install {
                        all
                    } else {
                        without_install
                    };
                    viewer.push(bytes, self.now)?;
                }
                Read::Empty => {
                    if viewer.cursor.seq < group.tail.seq {
                        // The ring says that there is nothing, the tail says that there is: only the journal can tell.
                        return self.read_history(viewer);
                    }
                    return self.join_live(viewer);
                }
                Read::Behind => return self.read_history(viewer),
                Read::Closed => return Err(Ended::By(Close::Restarting)),
            }
        }
        // Others first. Its socket is writable, so the next turn is near.
        self.again.push(viewer.key);
        Ok(())
    }

    fn join_live(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        self.set_live(viewer, true);
        if std::mem::take(&mut viewer.missed_events) {
            self.send_status(viewer)?;
        }
        Ok(())
    }

    pub(super) fn set_live(&mut self, viewer: &mut Viewer, live: bool) {
        if let Some(group) = self.groups.get_mut(&viewer.server) {
            group.set_live(viewer.key, live, &mut self.slots);
        }
    }

    /// Fixes where a viewer stands, and stops its lines: at the tail if it was live.
    pub(super) fn pause(&mut self, viewer: &mut Viewer) {
        if let Some(group) = self
            .groups
            .get_mut(&viewer.server)
            .filter(|g| g.is_live(viewer.key, &self.slots))
        {
            viewer.cursor = group.tail;
            group.set_live(viewer.key, false, &mut self.slots);
        }
    }

    fn read_history(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let Some(group) = self.groups.get(&viewer.server) else {
            return Ok(());
        };
        viewer.read = viewer.read.wrapping_add(1);
        viewer.is_reading = true;
        viewer.missed_events = true;
        self.hub.history.ask(Job {
            key: viewer.key,
            console: Arc::clone(&group.handle.console),
            inbox: Arc::clone(&self.inbox),
            task: Task::Lines {
                read: viewer.read,
                cursor: viewer.cursor,
                max_bytes: SLOW_BYTES,
            },
        });
        Ok(())
    }

    pub(super) fn history_came(
        &mut self,
        viewer: &mut Viewer,
        read: u16,
        result: io::Result<(Cursor, History)>,
    ) -> Result<(), Ended> {
        if read != viewer.read || !viewer.is_reading {
            return Ok(());
        }
        viewer.is_reading = false;
        if !viewer.is_following() {
            return Ok(());
        }
        let Some(tail) = self.groups.get(&viewer.server).map(|group| group.tail) else {
            return Ok(());
        };
        let from = viewer.cursor.seq;
        let (cursor, history) = match result {
            Ok(piece) => piece,
            Err(error) => {
                tracing::warn!(%error, server = %viewer.server, "history can't be read, a viewer goes on without it");
                let lines = tail.seq.saturating_sub(from);
                viewer.cursor = tail;
                let text = format!(
                    "{lines} lines are missing here: the node can't read them from its disk ({error})."
                );
                self.tell(viewer, &text)?;
                return self.catch_up(viewer);
            }
        };
        if let Some(missed) = history.missed.filter(|missed| missed.lines > 0) {
            self.hub
                .counters
                .missed
                .fetch_add(missed.lines, Ordering::Relaxed);
            let text = format!(
                "{} lines are missing here: the journal does not hold them any more.",
                missed.lines
            );
            self.tell(viewer, &text)?;
        }
        let mut bytes = BytesMut::new();
        let sees_install = viewer.rights().sees_install;
        for batch in &history.batches {
            if sees_install || batch.source() != Source::Install {
                bytes.extend_from_slice(&lines_between(batch, from, tail.seq));
            }
        }
        // A read that went past the tail, into lines that the group has not flushed yet, stops there.
        viewer.cursor = if cursor.seq >= tail.seq { tail } else { cursor };
        viewer.push(bytes.freeze(), self.now)?;
        self.catch_up(viewer)
    }

    /// `send logs`: goes back by as many lines as are asked for, and on from there.
    pub(super) fn replay(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let floor = match viewer.floor {
            Floor::None => 0,
            Floor::Seq(seq) => seq,
            Floor::Asked(_) => return Ok(()),
            Floor::At(from) => {
                viewer.floor = Floor::Asked(from);
                // Lines wait for the answer, or they would come again behind it.
                self.pause(viewer);
                viewer.mode = Mode::Held;
                let Some(group) = self.groups.get(&viewer.server) else {
                    return Ok(());
                };
                self.hub.history.ask(Job {
                    key: viewer.key,
                    console: Arc::clone(&group.handle.console),
                    inbox: Arc::clone(&self.inbox),
                    task: Task::Floor { from },
                });
                return Ok(());
            }
        };
        self.pause(viewer);
        let Some(group) = self.groups.get_mut(&viewer.server) else {
            return Ok(());
        };
        let console = &group.handle.console;
        let start = console.next_seq().saturating_sub(self.hub.settings.log_count);
        let start = start.max(floor).max(console.first_seq());
        if start < viewer.cursor.seq {
            if viewer.cursor.entry != u64::MAX {
                viewer.events_from = viewer.events_from.max(viewer.cursor.entry);
            }
            viewer.cursor = console.at(start);
            viewer.is_reading = false;
            viewer.read = viewer.read.wrapping_add(1);
        }
        viewer.mode = Mode::Following;
        self.catch_up(viewer)
    }

    pub(super) fn floor_came(
        &mut self,
        viewer: &mut Viewer,
        from: Millis,
        result: io::Result<u64>,
    ) -> Result<(), Ended> {
        if viewer.floor != Floor::Asked(from) {
            return Ok(());
        }
        if !viewer.is_let_in() {
            viewer.floor = Floor::At(from);
            return Ok(());
        }
        match result {
            Ok(seq) => {
                viewer.floor = Floor::Seq(seq);
                self.replay(viewer)
            }
            Err(error) => {
                tracing::warn!(%error, server = %viewer.server, "the beginning of a viewer's history can't be found");
                viewer.floor = Floor::At(from);
                self.tell(
                    viewer,
                    &format!("The history can't be shown: the node can't read it from its disk ({error})."),
                )?;
                self.follow(viewer)
            }
        }
    }

    /// Live lines begin, or go on.
    pub(super) fn follow(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        viewer.mode = Mode::Following;
        self.catch_up(viewer)
    }

    fn resume_ahead(&mut self, server: Uuid) {
        let Some(group) = self.groups.get_mut(&server) else {
            return;
        };
        for key in std::mem::take(&mut group.ahead) {
            self.turn(key, Self::catch_up);
        }
    }

    fn for_each_live(&mut self, server: Uuid, act: impl FnMut(&mut Self, &mut Viewer) -> Result<(), Ended>) {
        self.for_each(server, Group::live, act);
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

/// Whether a cursor that came from the journal stands where the tail does.
fn is_aligned_at(cursor: Cursor, tail: Cursor) -> bool {
    cursor.entry == u64::MAX && cursor.seq == tail.seq
}

fn is_ahead(cursor: Cursor, tail: Cursor) -> bool {
    cursor.seq > tail.seq || (cursor.entry != u64::MAX && cursor.entry > tail.entry)
}

/// The classic frames of entries: for those who may see the installer, and for the others. Lines before `from` are left
/// out, and events for which `wants_event` says so. A single piece is not copied, and mostly both are the same.
fn join(entries: &[Entry], from: u64, wants_event: impl Fn(usize) -> bool) -> (Bytes, Bytes) {
    let mut pieces: Vec<(Bytes, bool)> = Vec::with_capacity(entries.len());
    for (i, entry) in entries.iter().enumerate() {
        match entry {
            Entry::Lines(batch) => {
                let lines = if batch.first_seq() < from {
                    batch.classic_from(from)
                } else {
                    batch.classic().clone()
                };
                pieces.push((lines, batch.source() == Source::Install));
            }
            Entry::Event(event) if wants_event(i) => pieces.push((event.frame.clone(), event.install)),
            Entry::Event(_) => {}
        }
    }
    let all = concat(pieces.iter().map(|(bytes, _)| bytes));
    let has_install = pieces.iter().any(|(_, is_install)| *is_install);
    let without = if has_install {
        concat(
            pieces
                .iter()
                .filter(|(_, is_install)| !is_install)
                .map(|(bytes, _)| bytes),
        )
    } else {
        all.clone()
    };
    (all, without)
}

fn concat<'a>(pieces: impl Iterator<Item = &'a Bytes> + Clone) -> Bytes {
    let mut some = pieces.clone();
    match (some.next(), some.next()) {
        (None, _) => Bytes::new(),
        (Some(only), None) => only.clone(),
        _ => {
            let mut joined = BytesMut::with_capacity(pieces.clone().map(Bytes::len).sum());
            for piece in pieces {
                joined.extend_from_slice(piece);
            }
            joined.freeze()
        }
    }
}

/// The classic frames of the lines from `from` on and before `end`; no copy.
fn lines_between(batch: &Batch, from: u64, end: u64) -> Bytes {
    if batch.first_seq() >= end {
        return Bytes::new();
    }
    let lines = if batch.first_seq() < from {
        batch.classic_from(from)
    } else {
        batch.classic().clone()
    };
    if batch.end_seq() <= end {
        return lines;
    }
    let beyond = batch.classic_from(end).len();
    lines.slice(..lines.len() - beyond)
}
