//! The slow path: a viewer that does not stand at its group's tail, because its socket was full or because it went back
//! for history.
//!
//! It reads on when its socket takes bytes, from the ring or, through the history pool, from the journal, and joins the
//! others once it stands at their tail. So it costs about [`PIECE_BYTES`], delays nobody, and loses nothing that the
//! journal holds. The fast path is the delivery's.

use super::{
    Ended,
    history_pool::{For, Job, Task},
    shard::Shard,
    shown::Shown,
    viewer::{Mode, Viewer},
};
use roost_console::{Cursor, Entry, History, Read};
use roost_wire::{
    close::Close,
    v1::{self, Reason},
};
use std::{io, sync::Arc, sync::atomic::Ordering};

/// Most bytes of lines that a viewer is given at once.
const PIECE_BYTES: usize = 64 << 10;
/// Pieces that a viewer is given in one turn, before others have theirs.
const PIECES: usize = 8;

impl Shard {
    /// The socket takes bytes again.
    pub(super) fn writable(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        if !viewer.drain(self.now)? {
            return Ok(());
        }
        self.send_owed_presence(viewer)?;
        match viewer.mode {
            Mode::Closing => {
                if !std::mem::replace(&mut viewer.is_finished, true) {
                    viewer.stream.finish();
                }
                if viewer.is_peer_done {
                    Err(Ended::Lost)
                } else {
                    Ok(())
                }
            }
            Mode::Following => self.catch_up(viewer),
            Mode::Guest | Mode::Held | Mode::Expired => Ok(()),
        }
    }

    /// Gives a viewer what it lacks, until its socket is full, history is asked for, or it stands at the tail.
    pub(super) fn catch_up(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        for _ in 0..PIECES {
            if viewer.has_backlog() {
                self.hub.counters.slow.fetch_add(1, Ordering::Relaxed);
                return Ok(());
            }
            if viewer.is_reading || !viewer.is_following() {
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
                if std::mem::take(&mut group.is_reading) {
                    // What is being read for those who have left must not become the tail of those who come. News of
                    // meanwhile have not been looked at.
                    self.make_due(viewer.server);
                }
            }
            let Some(group) = self.groups.get_mut(&viewer.server) else {
                return Ok(());
            };
            let tail = group.tail;
            if is_at(viewer.cursor, tail) {
                return self.join_live(viewer);
            }
            if is_ahead(viewer.cursor, tail) {
                group.ahead.push(viewer.key);
                return Ok(());
            }
            if tail.entry == Cursor::NOT_ALIGNED {
                // The group itself is reading the journal: entries can't be compared, lines can.
                return self.read_history(viewer);
            }
            let from = viewer.cursor.seq;
            match group.handle.console.read(&mut viewer.cursor, PIECE_BYTES) {
                Read::Entries(entries) => {
                    let first = viewer.cursor.entry.saturating_sub(entries.len() as u64);
                    // Never past the tail, so that the group's next flush fits on.
                    let keep = usize::try_from(tail.entry.saturating_sub(first)).unwrap_or(usize::MAX);
                    let entries = &entries[..entries.len().min(keep)];
                    if viewer.cursor.entry > tail.entry {
                        viewer.cursor = tail;
                    }
                    let unseen = usize::try_from(viewer.events_from.saturating_sub(first));
                    let shown = Shown::history(entries.to_vec(), from, unseen.unwrap_or(usize::MAX));
                    let bytes = match self.throttle(viewer, from, viewer.cursor.seq)? {
                        None => shown.of(viewer.view()),
                        Some(end) => shown.of_before(viewer.view(), end),
                    };
                    viewer.push(bytes, self.now)?;
                }
                // The ring says that there is nothing, the tail says that there is: only the journal can tell.
                Read::Empty if viewer.cursor.seq < tail.seq => return self.read_history(viewer),
                Read::Empty => return self.join_live(viewer),
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
            console: Arc::clone(&group.handle.console),
            inbox: Arc::clone(&self.inbox),
            task: Task::Lines {
                of: For::Viewer {
                    key: viewer.key,
                    read: viewer.read,
                },
                cursor: viewer.cursor,
                max_bytes: PIECE_BYTES,
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
                viewer.cursor = tail;
                let lines = tail.seq.saturating_sub(from);
                self.tell_gap(viewer, from, lines, Reason::Disk, &unreadable(lines, &error))?;
                return self.catch_up(viewer);
            }
        };
        if let Some(missed) = history.missed {
            // What is missing behind the tail, the group will say.
            let lines = missed.lines.min(tail.seq.saturating_sub(from));
            self.hub.counters.missed.fetch_add(lines, Ordering::Relaxed);
            self.tell_gap(viewer, from, lines, Reason::Retention, &missing(lines))?;
        }
        let to = cursor.seq.min(tail.seq);
        let first = history
            .batches
            .first()
            .map_or(to, |batch| batch.first_seq().max(from));
        let end = self.throttle(viewer, first.min(to), to)?.unwrap_or(tail.seq);
        let entries = history.batches.into_iter().map(Entry::Lines).collect();
        let bytes = Shown::history(entries, from, 0).of_before(viewer.view(), end);
        // A read that went past the tail, into lines that the group has not flushed yet, stops there.
        viewer.cursor = if cursor.seq >= tail.seq { tail } else { cursor };
        viewer.push(bytes, self.now)?;
        self.catch_up(viewer)
    }
}

impl Shard {
    /// Lines from `from` on are missing: a number in `roost.v1`, a sentence for others.
    pub(super) fn tell_gap(
        &mut self,
        viewer: &mut Viewer,
        from: u64,
        lines: u64,
        why: Reason,
        sentence: &str,
    ) -> Result<(), Ended> {
        self.hub.counters.gaps.fetch_add(1, Ordering::Relaxed);
        if !viewer.is_v1 {
            return self.tell(viewer, sentence);
        }
        let frame = v1::gap_frame(from.saturating_sub(1), Some(lines), why);
        viewer.send(frame, self.now)?;
        Ok(())
    }
}

/// What a viewer reads in the place of lines that retention has taken.
pub(super) fn missing(lines: u64) -> String {
    format!("{lines} lines are missing here: the journal does not hold them any more.")
}

/// The same for lines that the disk does not give.
pub(super) fn unreadable(lines: u64, error: &io::Error) -> String {
    format!("{lines} lines are missing here: the node can't read them from its disk ({error}).")
}

/// Whether a viewer stands where the group does. Where one of them came from the journal, only lines can be compared.
fn is_at(cursor: Cursor, tail: Cursor) -> bool {
    let is_comparable = cursor.entry != Cursor::NOT_ALIGNED && tail.entry != Cursor::NOT_ALIGNED;
    cursor.seq == tail.seq && (!is_comparable || cursor.entry == tail.entry)
}

fn is_ahead(cursor: Cursor, tail: Cursor) -> bool {
    cursor.seq > tail.seq || (cursor.entry != Cursor::NOT_ALIGNED && cursor.entry > tail.entry)
}
