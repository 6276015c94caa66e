//! The newest output, in memory: bytes in one ring, and what is known of each piece of them beside it.

use super::{Frame, KeeperFrame, PIECE_MAX};
use std::{borrow::Cow, collections::VecDeque};

/// What a piece costs beside its bytes, roughly.
const PIECE_OVERHEAD: usize = size_of::<Piece>();
/// The ring grows by this much, and not by its own size: a keeper's memory is counted.
const STEP: usize = 32 << 10;
/// Above this it shrinks again once it is empty.
const CALM: usize = 4 * STEP;

/// Bytes that were read in the same millisecond.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece {
    /// Where it begins in the output.
    pub(super) offset: u64,
    /// When it was read.
    pub(super) time_ms: i64,
    /// Bytes; never 0.
    pub(super) length: u32,
    /// Newlines among them.
    pub(super) newlines: u32,
}

impl Piece {
    /// First offset after it.
    pub(super) fn end(&self) -> u64 {
        self.offset + u64::from(self.length)
    }

    /// Memory that it takes.
    pub(super) fn weight(&self) -> usize {
        self.length as usize + PIECE_OVERHEAD
    }
}

/// How many newlines; never more than a piece is long.
pub(super) fn newlines(bytes: &[u8]) -> u32 {
    bytes.iter().map(|byte| u32::from(*byte == b'\n')).sum()
}

/// A bounded queue of pieces; the bound is the caller's.
#[derive(Debug, Default)]
pub(super) struct Memory {
    first: u64,
    bytes: VecDeque<u8>,
    pieces: VecDeque<Piece>,
}

impl Memory {
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    pub(super) fn end(&self) -> u64 {
        self.first + self.bytes.len() as u64
    }

    pub(super) fn weight(&self) -> usize {
        self.bytes.len() + self.pieces.len() * PIECE_OVERHEAD
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.pieces.iter()
    }

    /// Takes at most [`PIECE_MAX`] bytes; those of one millisecond become one piece.
    pub(super) fn append(&mut self, time_ms: i64, bytes: &[u8]) {
        let (length, lines) = (u32::try_from(bytes.len()).unwrap_or(u32::MAX), newlines(bytes));
        let end = self.end();
        if self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.reserve_exact(bytes.len().max(STEP));
        }
        self.bytes.extend(bytes);
        match self.pieces.back_mut() {
            Some(last) if last.time_ms == time_ms && last.length as usize + bytes.len() <= PIECE_MAX => {
                last.length += length;
                last.newlines += lines;
            }
            _ if length == 0 => {}
            _ => {
                if self.pieces.len() == self.pieces.capacity() {
                    self.pieces.reserve_exact(STEP / PIECE_OVERHEAD);
                }
                self.pieces.push_back(Piece {
                    offset: end,
                    time_ms,
                    length,
                    newlines: lines,
                });
            }
        }
    }

    /// The bytes of `piece` from `from` on; copied only where the ring wraps.
    fn slice(&self, from: u64, to: u64) -> Cow<'_, [u8]> {
        let place = |offset: u64| usize::try_from(offset.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let (from, to) = (place(from), place(to).min(self.bytes.len()));
        let (front, back) = self.bytes.as_slices();
        if to <= front.len() {
            Cow::Borrowed(&front[from..to])
        } else if from >= front.len() {
            Cow::Borrowed(&back[from - front.len()..to - front.len()])
        } else {
            Cow::Owned([&front[from..], &back[..to - front.len()]].concat())
        }
    }

    /// The bytes of a piece.
    pub(super) fn bytes_of(&self, piece: &Piece) -> Cow<'_, [u8]> {
        self.slice(piece.offset, piece.end())
    }

    /// Encodes the rest of the piece in which `cursor` lies; returns the offset after it.
    pub(super) fn encode_from(&self, cursor: u64, out: &mut Vec<u8>) -> u64 {
        let index = self.pieces.partition_point(|piece| piece.end() <= cursor);
        let Some(piece) = self.pieces.get(index) else {
            return self.end();
        };
        let bytes = self.slice(cursor, piece.end());
        let (offset, time_ms) = (cursor, piece.time_ms);
        KeeperFrame::Chunk {
            offset,
            time_ms,
            bytes: &bytes,
        }
        .encode(out);
        piece.end()
    }

    /// Lets go of the oldest piece.
    pub(super) fn drop_first(&mut self) {
        if let Some(piece) = self.pieces.pop_front() {
            self.bytes.drain(..piece.length as usize);
            self.first = piece.end();
        }
    }

    /// Lets go of everything before `offset`.
    pub(super) fn ack(&mut self, offset: u64) {
        while self.pieces.front().is_some_and(|piece| piece.end() <= offset) {
            self.drop_first();
        }
        if let Some(piece) = self.pieces.front_mut()
            && let Ok(acked @ 1..) = usize::try_from(offset.saturating_sub(piece.offset))
        {
            self.bytes.drain(..acked);
            piece.offset = offset;
            piece.length -= u32::try_from(acked).unwrap_or(0);
            self.first = offset;
            let rest = piece.length as usize;
            piece.newlines = self
                .bytes
                .iter()
                .take(rest)
                .map(|byte| u32::from(*byte == b'\n'))
                .sum();
        }
    }

    /// Gives back the room of a backlog, once that is gone. True if there was one.
    pub(super) fn shrink(&mut self) -> bool {
        let was_large = self.bytes.is_empty() && self.bytes.capacity() > CALM;
        if was_large {
            self.bytes.shrink_to(STEP);
            self.pieces.shrink_to(STEP / PIECE_OVERHEAD);
        }
        was_large
    }
}
