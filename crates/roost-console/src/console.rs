//! The readers' side: ring and journal as one stream of numbered lines.
//!
//! Whatever a reader does, it gets every line from its cursor on exactly once and in order, or a [`Missed`] with the
//! exact count in its place. Who may read is not its business.

use crate::{
    batch::{Batch, Style},
    cursor::{Cursor, Read},
    journal::Shared,
    ring::{Entry, Ring},
};
use roost_wire::{clock::Millis, encoding::Encoding};
use std::{
    io,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

/// The readers' side.
#[derive(Debug)]
pub struct Console {
    pub(crate) ring: Ring,
    pub(crate) journal: Arc<Shared>,
    pub(crate) style: RwLock<Style>,
    pub(crate) run_first_seq: AtomicU64,
    pub(crate) lost: Lost,
}

/// Output that never became lines, since the start.
#[derive(Debug, Default)]
pub(crate) struct Lost {
    pub(crate) lines: AtomicU64,
    pub(crate) bytes: AtomicU64,
}

/// Lines that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// Exactly how many.
    pub lines: u64,
}

/// A piece of history.
#[derive(Debug)]
pub struct History {
    /// What is missing before the first line.
    pub missed: Option<Missed>,
    /// In order.
    pub batches: Vec<Arc<Batch>>,
}

impl Console {
    /// The stream's id, to which numbers belong. It stays while no number can have been used twice: over a kill and a
    /// clean end, and not where the machine went down before that.
    pub fn stream(&self) -> Uuid {
        self.journal.epoch.stream
    }

    /// The number that the next line will get; `next_seq() - 1` lines were ever written.
    pub fn next_seq(&self) -> u64 {
        self.ring.next_seq()
    }

    /// The first line of the current or last run; after opening, the first of its lines in the last segment.
    pub fn run_first_seq(&self) -> u64 {
        self.run_first_seq.load(Ordering::Relaxed)
    }

    /// Lines (as far as their number is known) and bytes of output that never came here, since the start. A line of the
    /// daemon stands in the place of each such hole.
    pub fn lost(&self) -> (u64, u64) {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (of(&self.lost.lines), of(&self.lost.bytes))
    }

    /// The oldest number that is still held (`next_seq` if none).
    pub fn first_seq(&self) -> u64 {
        self.journal.first_seq().min(self.ring.first_seq())
    }

    /// Bytes of journal on disk.
    pub fn journal_bytes(&self) -> u64 {
        self.journal.bytes()
    }

    /// What the program's output is in.
    pub fn encoding(&self) -> Encoding {
        self.style.read().unwrap_or_else(PoisonError::into_inner).encoding
    }

    /// Reads the program's output as this from now on, its history too. What has just been shown stays as it was for
    /// as long as it is in memory.
    pub fn set_encoding(&self, encoding: Encoding) {
        self.style
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .encoding = encoding;
    }

    pub(crate) fn style(&self) -> Style {
        self.style.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Behind the last line and event.
    pub fn tail(&self) -> Cursor {
        self.ring.tail()
    }

    /// In front of line `seq`, wherever it is held; behind the last line if there is none yet.
    pub fn at(&self, seq: u64) -> Cursor {
        self.ring.at(seq.max(1))
    }

    /// From the ring, at most about `max_bytes` of lines. Never touches the disk, holds a lock for a moment only.
    pub fn read(&self, cursor: &mut Cursor, max_bytes: usize) -> Read {
        self.ring.read(cursor, max_bytes)
    }

    /// From the journal (and on into the ring's lines), at most about `max_bytes`. Blocks on the disk.
    ///
    /// Without batches the cursor stands in the ring: go on with [`Self::read`]. The first batch may begin before the
    /// cursor's old `seq` only in what `read` gives, never here.
    pub fn history(&self, cursor: &mut Cursor, max_bytes: usize) -> io::Result<History> {
        let Some(ring_first) = self.ring.align(cursor) else {
            return Ok(History {
                missed: None,
                batches: Vec::new(),
            });
        };
        let lines = self
            .journal
            .lines(cursor.seq, ring_first, max_bytes.max(1), &self.style())?;
        let first = lines
            .batches
            .first()
            .map_or(lines.next, |batch| batch.first_seq());
        let missed = (first > cursor.seq).then(|| Missed {
            lines: first - cursor.seq,
        });
        cursor.seq = lines.next;
        // It may have reached the ring; if not, the reader comes again.
        self.ring.align(cursor);
        Ok(History {
            missed,
            batches: lines.batches,
        })
    }

    /// The next lines, from the ring where they are there, else from the journal; none at the end. The first batch may
    /// begin before the cursor. Blocks on the disk.
    pub fn lines(&self, cursor: &mut Cursor, max_bytes: usize) -> io::Result<History> {
        loop {
            let batches = match self.read(cursor, max_bytes) {
                Read::Entries(entries) => {
                    let lines = entries.into_iter().filter_map(|entry| match entry {
                        Entry::Lines(batch) => Some(batch),
                        Entry::Event(_) => None,
                    });
                    let batches: Vec<_> = lines.collect();
                    if batches.is_empty() {
                        // Events alone: there may be lines behind them.
                        continue;
                    }
                    batches
                }
                Read::Behind => {
                    let history = self.history(cursor, max_bytes)?;
                    if history.batches.is_empty() && history.missed.is_none() {
                        continue;
                    }
                    return Ok(history);
                }
                Read::Empty | Read::Closed => Vec::new(),
            };
            return Ok(History {
                missed: None,
                batches,
            });
        }
    }

    /// The first line that arrived at or after `time`; `next_seq` if none. Blocks on the disk.
    pub fn seq_at(&self, time: Millis) -> io::Result<u64> {
        let next = self.next_seq();
        Ok(self.journal.seq_at(time)?.map_or(next, |seq| seq.min(next)))
    }
}
