//! Where in a segment a line stands, and between which times: one entry for each stretch of 64 KiB, or
//! for each compressed frame.
//!
//! Kept in memory. That of a compressed segment comes from its table of frames; that of another closed one is made by a
//! walk over it when first wanted.

use super::{frames::Frame, scan::Scanner, segment::Kind};
use roost_wire::clock::Millis;
use std::{io, sync::Arc};

/// Bytes of a segment to an entry. Tests meet many: how many bytes it is elsewhere makes things quick, not right.
const STRETCH: u64 = if cfg!(test) { 128 } else { 64 << 10 };

/// A stretch of records.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch {
    /// Its first line.
    pub(crate) seq: u64,
    /// Where that line's record begins.
    pub(crate) pos: u64,
    /// Smallest and largest time in it.
    pub(crate) times: (Millis, Millis),
}

/// The index of one segment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Index {
    stretches: Vec<Stretch>,
    /// Lines that are really there.
    pub(crate) lines: u64,
    /// Of a compressed segment: one a stretch.
    frames: Option<Arc<[Frame]>>,
}

/// Times of nothing.
pub(crate) const NEVER: (Millis, Millis) = (Millis::MAX, Millis::MIN);

impl Index {
    /// By a walk over the file.
    pub(crate) fn build(mut scanner: Scanner) -> io::Result<Self> {
        let mut index = Self::default();
        while let Some(found) = scanner.next()? {
            if matches!(found.meta.kind, Kind::Line { .. }) {
                index.note(found.meta.seq, found.meta.time, found.pos);
            }
        }
        Ok(index)
    }

    /// Of a compressed segment.
    pub(super) fn of_frames(stretches: Vec<Stretch>, lines: u64, frames: Arc<[Frame]>) -> Self {
        Self {
            stretches,
            lines,
            frames: Some(frames),
        }
    }

    /// Of a compressed segment.
    pub(super) fn frames(&self) -> Option<Arc<[Frame]>> {
        self.frames.clone()
    }

    pub(super) fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }

    /// A line was written.
    pub(crate) fn note(&mut self, seq: u64, time: Millis, pos: u64) {
        self.lines += 1;
        match self.stretches.last_mut() {
            Some(last) if pos - last.pos < STRETCH => last.times = cover(last.times, (time, time)),
            _ => self.stretches.push(Stretch {
                seq,
                pos,
                times: (time, time),
            }),
        }
    }

    /// The stretch to walk for line `seq`.
    pub(crate) fn stretch_of(&self, seq: u64) -> Option<Stretch> {
        let after = self.stretches.partition_point(|s| s.seq <= seq);
        self.stretches.get(after.saturating_sub(1)).copied()
    }

    /// The first stretch that holds a time of at least `time`.
    pub(crate) fn first_reaching(&self, time: Millis) -> Option<Stretch> {
        self.stretches.iter().find(|s| s.times.1 >= time).copied()
    }

    /// Smallest and largest time.
    pub(crate) fn times(&self) -> (Millis, Millis) {
        self.stretches.iter().fold(NEVER, |all, s| cover(all, s.times))
    }
}

/// Smallest and largest of both.
pub(crate) fn cover(a: (Millis, Millis), b: (Millis, Millis)) -> (Millis, Millis) {
    (a.0.min(b.0), a.1.max(b.1))
}
