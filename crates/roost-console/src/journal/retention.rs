//! Removes lines: the oldest segments when a limit is passed, and all lines before a time when somebody asks.
//!
//! The list of segments changes before a file goes, so that a reader who misses a file finds out why. And a file goes
//! only when a younger one is safe from a power cut, so that the stream's id and number always outlive it. To begin a
//! segment takes room, to remove one gives it: on a full disk the old ones go, and what needs room is left for the next
//! time. What the ring still holds is not its business.

use super::{
    DRAFT, Journal, Segment, Tried,
    files::is_full,
    index::{Index, NEVER},
    lock,
    recovery::step,
    segment,
};
use crate::Limits;
use roost_wire::clock::{Millis, rfc3339};
use segment::{Form, HEADER_LEN, Kind};
use std::{
    io,
    sync::Arc,
    sync::atomic::Ordering::{Acquire, Release},
};
use uuid::Uuid;

/// A journal within its limits should be made of several segments, so that little goes at a time.
pub(crate) const SEGMENT_MAX: u64 = 8 << 20;
const SEGMENT_MIN: u64 = 64 << 10;

/// Bytes after which a segment is closed.
pub(crate) fn segment_bytes(limits: &Limits) -> u64 {
    (limits.journal_bytes / 8).clamp(SEGMENT_MIN, SEGMENT_MAX)
}

/// Which limit was passed.
enum Why {
    Size,
    Age,
    Disk,
}

impl Journal {
    /// Removes the oldest segments while a limit is passed. Returns a sentence if any went. Where one has to be synced
    /// first, it is waited for if the caller may wait, and else the rest goes the next time. An error for want of room is
    /// given only where nothing could be removed.
    pub(crate) fn enforce(
        &mut self,
        limits: &Limits,
        now: Millis,
        (run, open): (Option<(Uuid, u64)>, bool),
        may_wait: bool,
    ) -> io::Result<Option<String>> {
        let oldest_kept = match limits.journal_age {
            ..=0 => Millis::MIN,
            age => now.saturating_sub(age),
        };
        let mut no_room = unless_full(
            self.make_up(run, open)
                .and_then(|()| self.roll_if_old(oldest_kept, limits, run, open)),
        )?;
        let mut missing = match limits.disk_free_percent {
            0 => 0,
            percent => self.shared.dir.missing_free(percent)?,
        };
        let mut gone: Option<(u64, Why)> = None;
        loop {
            let segments = self.shared.segments();
            let Some(oldest) = segments.first() else { break };
            let is_active = segments.len() == 1;
            let times = match self.shared.tried(oldest, self.shared.times(oldest))? {
                Tried::Done(times) => times,
                Tried::Moved => continue,
                Tried::Gone => NEVER,
            };
            let why = if self.shared.bytes() > limits.journal_bytes {
                Why::Size
            } else if times.1 < oldest_kept && oldest.has_lines() {
                Why::Age
            } else if missing > 0 && !is_active {
                Why::Disk
            } else {
                break;
            };
            if is_active {
                // Alone over the limit: it is closed first, so that the number goes on.
                if !oldest.has_lines() {
                    break;
                }
                no_room = unless_full(self.roll(run, open))?;
                if no_room.is_some() {
                    break;
                }
            }
            if may_wait && !self.outlives(oldest) {
                self.sync_all()?;
            }
            // Still not, where the younger one could not be made.
            if !self.outlives(oldest) {
                break;
            }
            let lines = oldest.end_seq() - oldest.first_seq();
            if !self.replace(oldest, None)? {
                continue;
            }
            missing = missing.saturating_sub(oldest.len());
            gone = Some((gone.map_or(0, |(n, _)| n) + lines, why));
        }
        if let (None, Some(error)) = (&gone, no_room) {
            return Err(error);
        }
        Ok(gone.map(|(lines, why)| {
            let first = self.shared.first_seq();
            match why {
                Why::Size => format!(
                    "The console history is limited to {}: its oldest {lines} lines were removed, it now begins at line {first}.",
                    size(limits.journal_bytes)
                ),
                Why::Age => format!(
                    "The console history is kept for {}: {lines} lines older than {} were removed, it now begins at line {first}.",
                    age(limits.journal_age),
                    rfc3339(oldest_kept)
                ),
                Why::Disk => format!(
                    "Less than {} % of the disk is free: the oldest {lines} lines of the console history were removed, it now begins at line {first}. Free some space to keep more.",
                    limits.disk_free_percent
                ),
            }
        }))
    }

    /// Some younger segment is safe from a power cut.
    fn outlives(&self, old: &Segment) -> bool {
        let segments = self.shared.segments();
        segments
            .iter()
            .rev()
            .take_while(|s| s.first_seq() > old.first_seq())
            .any(|s| s.durable.load(Acquire))
    }

    /// Closes the active segment when its lines begin to be old, so that a quiet server's lines go in time too.
    fn roll_if_old(
        &mut self,
        oldest_kept: Millis,
        limits: &Limits,
        run: Option<(Uuid, u64)>,
        open: bool,
    ) -> io::Result<()> {
        // Without a limit nothing is ever below it.
        let due = oldest_kept.saturating_add(limits.journal_age - limits.journal_age / 8);
        if self.active.has_lines() && self.shared.times(&self.active)?.0 < due {
            self.roll(run, open)?;
        }
        Ok(())
    }

    /// Removes every line older than `before` from the disk. Returns how many there were.
    pub(crate) fn erase(&mut self, before: Millis, run: Option<(Uuid, u64)>, open: bool) -> io::Result<u64> {
        let shared = Arc::clone(&self.shared);
        shared.hurry.store(true, Release);
        let _alone = lock(&shared.upkeep);
        shared.hurry.store(false, Release);
        self.make_up(run, open)?;
        for name in self.shared.dir.names()? {
            // Nobody can tell how old its lines are.
            if name.ends_with(super::recovery::DAMAGED) {
                self.shared.dir.remove(&name)?;
            }
        }
        if self.active.has_lines() && self.shared.times(&self.active)?.0 < before {
            self.roll(run, open)?;
        }
        self.sync_all()?;
        let mut erased = 0;
        for segment in self.shared.segments().iter() {
            // The active one too: it has just been closed if it held older ones.
            if self.shared.times(segment)?.0 >= before {
                continue;
            }
            erased += self.erase_in(segment, before)?;
        }
        self.shared.dir.sync()?;
        Ok(erased)
    }

    /// Erases in a closed segment. Returns how many of its lines go.
    ///
    /// Its lines up to the first that stays go with the file, of which the rest is copied. Where its first line stays,
    /// because the clock had jumped, old ones are overwritten with zeros in place, which readers step over.
    fn erase_in(&mut self, old: &Arc<Segment>, before: Millis) -> io::Result<u64> {
        let mut header = old.header;
        let (mut run, mut open) = (header.run, header.open);
        // The records from the first line that stays on.
        let mut rest = Vec::new();
        let (mut index, mut erased) = (Index::default(), 0);
        let mut scanner = self.shared.scan(old, None)?;
        while let Some(found) = scanner.next()? {
            let is_line = matches!(found.meta.kind, Kind::Line { .. });
            // A power cut between a copy and the end of its original leaves both: from here on the copy counts.
            if is_line && found.meta.seq >= old.end_seq() {
                break;
            }
            erased += u64::from(is_line && found.meta.time < before);
            let stays = is_line && found.meta.time >= before;
            if stays && index.lines == 0 {
                (header.run, header.open) = (run, open);
                header.first_seq = found.meta.seq;
            }
            if stays {
                let pos = (HEADER_LEN + rest.len()) as u64;
                index.note(found.meta.seq, found.meta.time, pos);
            }
            if stays || (!is_line && index.lines > 0) {
                rest.extend_from_slice(found.bytes);
            }
            step(&mut run, &mut open, found.meta, found.bytes);
        }
        if index.lines == 0 {
            self.replace(old, None)?;
            return Ok(erased);
        }
        if header.first_seq == old.first_seq() && header.form == Form::Plain {
            return self.blank_in(old, before).map(|()| erased);
        }
        // Compressed again later.
        header.form = Form::Plain;
        let dir = &self.shared.dir;
        dir.remove(DRAFT)?;
        let copy = dir.create(DRAFT)?;
        copy.write_all_at(&header.encode(), 0)?;
        copy.write_all_at(&rest, HEADER_LEN as u64)?;
        copy.sync()?;
        let len = (HEADER_LEN + rest.len()) as u64;
        let new = Arc::new(Segment::new(header, len, old.end_seq(), Some(index)));
        dir.rename(DRAFT, &new.name())?;
        // The old file goes when the new one's name is safe.
        dir.sync()?;
        new.durable.store(true, Release);
        self.replace(old, Some(new))?;
        Ok(erased)
    }

    /// Overwrites old lines where they stand; nothing moves, so that readers of the file go on.
    fn blank_in(&self, segment: &Segment, before: Millis) -> io::Result<()> {
        let file = self.shared.dir.write(&segment.name())?;
        let mut index = Index::default();
        let mut scanner = self.shared.scan(segment, None)?;
        while let Some(found) = scanner.next()? {
            if !matches!(found.meta.kind, Kind::Line { .. }) {
                continue;
            }
            if found.meta.time >= before {
                index.note(found.meta.seq, found.meta.time, found.pos);
            } else {
                file.write_all_at(&vec![0; found.bytes.len()], found.pos)?;
            }
        }
        file.sync()?;
        *lock(&segment.times) = Some(index.times());
        *lock(&segment.index) = Some(index);
        Ok(())
    }

    /// Puts `new` in the place of a closed segment, whose file goes. Says whether it was there still.
    fn replace(&mut self, old: &Arc<Segment>, new: Option<Arc<Segment>>) -> io::Result<bool> {
        if !self.shared.exchange(old, new) {
            return Ok(false);
        }
        self.unsynced.names = true;
        self.shared.dir.remove(&old.name())?;
        Ok(true)
    }
}

/// Sets an error for want of room apart from others.
fn unless_full(result: io::Result<()>) -> io::Result<Option<io::Error>> {
    match result {
        Err(e) if is_full(&e) => Ok(Some(e)),
        result => result.map(|()| None),
    }
}

/// As people say it.
fn age(millis: i64) -> String {
    match (millis / 86_400_000, millis / 3_600_000) {
        (0, 0) => format!("{} s", millis / 1000),
        (0, hours) => format!("{hours} hours"),
        (days, _) => format!("{days} days"),
    }
}

/// As people say it.
fn size(bytes: u64) -> String {
    match bytes >> 20 {
        0 => format!("{} KiB", bytes >> 10),
        mib => format!("{mib} MiB"),
    }
}
