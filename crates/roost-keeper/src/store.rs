//! The output that the node has not acknowledged yet, and where the reading of it stands.
//!
//! ```text
//!   acked │ hole? │ spool (older, on disk) │ hole? │ memory (newer) │ end
//!                         ^ cursor: what the connected node gets next
//! ```
//!
//! Offsets only grow. Memory is bounded; what does not fit goes to the spool, oldest first. The spool is bounded, too;
//! past it the oldest goes, and a hole with the exact count of newlines takes its place. A disk that fails makes holes
//! and never stops the reading of the program. Sockets are not this file's business.

use crate::protocol::{Frame, KeeperFrame};
use hole::Holes;
use memory::Memory;
use spool::{Spool, SpoolFile};
use std::path::PathBuf;

mod hole;
mod memory;
mod spool;
#[cfg(test)]
mod tests;

/// Longest piece that is kept, sent and spooled as one, in bytes.
const PIECE_MAX: usize = 32 << 10;

/// Unacknowledged output.
#[derive(Debug)]
pub(crate) struct Store {
    memory: Memory,
    memory_bound: usize,
    spool: Spool,
    holes: Holes,
    /// Next byte for the connected node.
    cursor: u64,
    /// First byte that no node was ever sent.
    unsent: u64,
}

impl Store {
    /// Keeps `memory_bound` bytes in memory, and `spool_bound` bytes in the file `spool`, which is made when first
    /// needed.
    pub(crate) fn new(spool: PathBuf, memory_bound: usize, spool_bound: u64) -> Self {
        Self::with_file(SpoolFile::at(spool), memory_bound, spool_bound)
    }

    fn with_file(file: SpoolFile, memory_bound: usize, spool_bound: u64) -> Self {
        Self {
            memory: Memory::default(),
            memory_bound,
            spool: Spool::new(file, spool_bound.max(2 * memory_bound as u64)),
            holes: Holes::default(),
            cursor: 0,
            unsent: 0,
        }
    }

    /// Length of the output so far.
    pub(crate) fn end(&self) -> u64 {
        self.memory.end()
    }

    /// Oldest byte that was not acknowledged.
    pub(crate) fn first(&self) -> u64 {
        let kept = self.spool.first().unwrap_or(self.memory.first());
        self.holes.first().map_or(kept, |hole| hole.min(kept))
    }

    /// Whether the connected node lacks something.
    pub(crate) fn has_unsent(&self) -> bool {
        self.cursor < self.end()
    }

    /// Takes what was read at `time_ms`.
    pub(crate) fn append(&mut self, time_ms: i64, bytes: &[u8]) {
        for part in bytes.chunks(PIECE_MAX) {
            self.memory.append(time_ms, part);
            if self.memory.weight() > self.memory_bound {
                self.spill();
            }
        }
    }

    /// Everything before `offset` is safe. True if that was the last of a backlog, whose memory is free now.
    pub(crate) fn ack(&mut self, offset: u64) -> bool {
        let offset = offset.min(self.end());
        self.holes.ack(offset);
        self.spool.ack(offset);
        self.memory.ack(offset);
        self.cursor = self.cursor.max(self.first());
        self.memory.shrink()
    }

    /// A node begins to read at `resume`, or at the oldest byte held if that is later.
    pub(crate) fn seek(&mut self, resume: u64) {
        self.cursor = resume.clamp(self.first(), self.end());
        self.unsent = self.unsent.max(self.cursor);
        self.spool.rewind();
        self.holes.rewind(self.cursor);
    }

    /// Appends frames from the cursor on, until `out` has about `limit` bytes or nothing is left.
    pub(crate) fn fill(&mut self, out: &mut Vec<u8>, limit: usize) {
        while self.has_unsent() && out.len() < limit {
            if let Some(hole) = self.holes.emit(self.cursor) {
                hole.encode(out);
                if let KeeperFrame::Hole { to, .. } = hole {
                    self.cursor = to;
                }
            } else if self.cursor >= self.memory.first() {
                self.cursor = self.memory.encode_from(self.cursor, out);
            } else {
                let until = self.holes.next_after(self.cursor);
                match self.spool.encode_from(self.cursor, until, out, limit) {
                    Ok(cursor) => self.cursor = cursor,
                    Err(_) => self.give_up_spool(),
                }
            }
            self.unsent = self.unsent.max(self.cursor);
        }
    }

    /// Moves the oldest quarter of the memory to the spool.
    fn spill(&mut self) {
        // Made at its full size, so that it never was a smaller one that leaves a hole in the heap.
        let mut records = Vec::with_capacity(self.memory_bound / 4 + PIECE_MAX);
        let (mut newlines, mut count) = (0, 0);
        let mut offsets = self.memory.first()..self.memory.first();
        let mut weight = self.memory.weight();
        for piece in self.memory.pieces() {
            if weight <= self.memory_bound / 4 * 3 {
                break;
            }
            weight -= piece.weight();
            spool::encode_record(piece, &self.memory.bytes_of(piece), &mut records);
            newlines += u64::from(piece.newlines);
            offsets.end = piece.end();
            count += 1;
        }
        if self
            .spool
            .make_room(records.len(), self.unsent, &mut self.holes)
            .is_err()
        {
            self.give_up_spool();
        }
        // With too many holes the disk is left alone, so that the last one grows, until some are acknowledged.
        let written = !self.holes.is_full() && self.spool.append(&records, offsets, newlines).is_ok();
        for _ in 0..count {
            let Some(piece) = self.memory.pieces().next().copied() else {
                return;
            };
            if !written {
                self.holes
                    .lose(piece.offset, &self.memory.bytes_of(&piece), self.unsent);
            }
            self.memory.drop_first();
        }
    }

    /// The spool can't be read: all of it is lost, and counted.
    fn give_up_spool(&mut self) {
        let (first, sent, unsent) = self.spool.abandon().unwrap_or((self.cursor, 0, 0));
        let cursor = self.cursor.clamp(first, self.memory.first().max(first));
        for (from, to, newlines) in [(first, cursor, sent), (cursor, self.memory.first(), unsent)] {
            if from < to {
                self.holes.lose_range(from, to, newlines);
            }
        }
    }

    /// Removes the spool file.
    pub(crate) fn remove_spool(&mut self) {
        self.spool.remove();
    }
}
