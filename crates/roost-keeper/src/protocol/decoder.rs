//! Frames out of bytes that arrive in any pieces.
//!
//! The buffer is read into directly and frames borrow from it, so that a piece of output is not copied on its way to
//! the journal. It grows to one frame and the reader's own block, never beyond. Which frames make sense when is not
//! decided here.

use super::{KeeperFrame, MAX_FRAME, NodeFrame, ProtocolError};
use std::ops::Range;

const HEADER: usize = 5;

/// Collects bytes, hands out frames.
#[derive(Debug)]
pub struct Decoder {
    /// Bytes `start..end` have arrived and were not handed out.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    /// Longest payload accepted.
    max: usize,
}

impl Default for Decoder {
    fn default() -> Self {
        Self::with_max(MAX_FRAME)
    }
}

impl Decoder {
    /// Accepts payloads of at most `max` bytes.
    pub fn with_max(max: usize) -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            end: 0,
            max,
        }
    }

    /// Room for at least `want` bytes, to be read into; call [`Self::filled`] with the number that came.
    pub fn space(&mut self, want: usize) -> &mut [u8] {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        }
        if self.buffer.len() - self.end < want {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.buffer.len() - self.end < want {
                self.buffer.resize(self.end + want, 0);
            }
        }
        &mut self.buffer[self.end..]
    }

    /// `count` bytes of [`Self::space`] now hold something. More than there was room for counts as all of it.
    pub fn filled(&mut self, count: usize) {
        self.end = self.buffer.len().min(self.end + count);
    }

    /// Takes bytes that were read elsewhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
        self.filled(bytes.len());
    }

    /// The next frame of a node; `None` until more bytes come.
    pub fn next_from_node(&mut self) -> Result<Option<NodeFrame<'_>>, ProtocolError> {
        match self.next_of(&NodeFrame::KNOWN)? {
            None => Ok(None),
            Some((kind, range)) => NodeFrame::parse(kind, &self.buffer[range])
                .map(Some)
                .ok_or(ProtocolError::Malformed(kind)),
        }
    }

    /// The next frame of a keeper; `None` until more bytes come.
    pub fn next_from_keeper(&mut self) -> Result<Option<KeeperFrame<'_>>, ProtocolError> {
        match self.next_of(&KeeperFrame::KNOWN)? {
            None => Ok(None),
            Some((kind, range)) => KeeperFrame::parse(kind, &self.buffer[range])
                .map(Some)
                .ok_or(ProtocolError::Malformed(kind)),
        }
    }

    /// Finds the next whole frame of a known type and steps over it.
    fn next_of(
        &mut self,
        known: &std::ops::RangeInclusive<u8>,
    ) -> Result<Option<(u8, Range<usize>)>, ProtocolError> {
        loop {
            let arrived = &self.buffer[self.start..self.end];
            let Some((header, rest)) = arrived.split_first_chunk::<HEADER>() else {
                return Ok(None);
            };
            let [a, b, c, d, kind] = *header;
            let length = u32::from_le_bytes([a, b, c, d]) as usize;
            if length > self.max {
                return Err(ProtocolError::TooLong(length, self.max));
            }
            if rest.len() < length {
                return Ok(None);
            }
            let begin = self.start + HEADER;
            self.start = begin + length;
            if known.contains(&kind) {
                return Ok(Some((kind, begin..self.start)));
            }
        }
    }
}
