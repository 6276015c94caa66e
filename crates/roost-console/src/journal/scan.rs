//! Walks the records of a segment file, from any record on; steps over damage to the next whole record.
//!
//! What was stepped over shows in the sequence numbers. Which segment to read is not its business.

use super::{
    files::LogFile,
    frames::Frame,
    segment::{self, Kind, MAX_DATA, Meta, Parsed, RECORD_LEN},
};
use std::{io, sync::Arc};
use zstd::bulk::Decompressor;

/// Bytes read at a time: above the longest record, so that a full buffer always holds a whole one.
const READ: usize = 256 * 1024;
const _: () = assert!(READ > RECORD_LEN + MAX_DATA);

/// A record where it was found.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) meta: Meta,
    /// The whole record.
    pub(crate) bytes: &'a [u8],
    /// Its place in the file, as if that were not compressed.
    pub(crate) pos: u64,
}

/// Where the bytes come from.
enum Input {
    /// Up to this place.
    Plain(u64),
    /// Frames from this one on.
    Frames(Arc<[Frame]>, usize, Option<Decompressor<'static>>),
}

/// A walk over one file.
pub(crate) struct Scanner {
    file: LogFile,
    input: Input,
    salt: u32,
    /// Place in the file of the first byte of `buf`.
    base: u64,
    buf: Vec<u8>,
    /// How much of `buf` is done.
    at: usize,
    /// Records of lines below this are stale: numbers only grow.
    min_seq: u64,
}

impl Scanner {
    /// From `pos`, where a record begins, up to `limit`; lines below `min_seq` there can only be damage.
    pub(crate) fn plain(file: LogFile, salt: u32, pos: u64, limit: u64, min_seq: u64) -> Self {
        Self::new(file, Input::Plain(limit), salt, pos, min_seq)
    }

    /// From the frame on that begins at `pos`.
    pub(crate) fn frames(file: LogFile, salt: u32, frames: Arc<[Frame]>, pos: u64, min_seq: u64) -> Self {
        let first = frames.partition_point(|frame| frame.plain_pos < pos);
        Self::new(file, Input::Frames(frames, first, None), salt, pos, min_seq)
    }

    fn new(file: LogFile, input: Input, salt: u32, pos: u64, min_seq: u64) -> Self {
        Self {
            file,
            input,
            salt,
            base: pos,
            buf: Vec::new(),
            at: 0,
            min_seq,
        }
    }

    /// The next whole record.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        loop {
            match parse_in_order(&self.buf[self.at..], self.salt, self.min_seq) {
                Parsed::Record(meta, len) => {
                    let start = self.at;
                    self.at += len;
                    self.min_seq = after(meta);
                    return Ok(Some(Found {
                        meta,
                        bytes: &self.buf[start..self.at],
                        pos: self.base + start as u64,
                    }));
                }
                Parsed::Short if !self.has_ended() => self.fill()?,
                Parsed::Short if self.at == self.buf.len() => return Ok(None),
                // Damage: look for a record at each next byte.
                Parsed::Short | Parsed::Bad => self.at += 1,
            }
        }
    }

    /// Nothing more is read.
    fn has_ended(&self) -> bool {
        match &self.input {
            Input::Plain(limit) => self.base + self.buf.len() as u64 >= *limit,
            Input::Frames(frames, next, _) => *next >= frames.len(),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        match &mut self.input {
            Input::Plain(limit) => {
                self.buf.drain(..self.at);
                self.base += self.at as u64;
                self.at = 0;
                let have = self.buf.len();
                let from = self.base + have as u64;
                let left = usize::try_from(limit.saturating_sub(from)).unwrap_or(usize::MAX);
                self.buf.resize(have + left.min(READ), 0);
                let read = self.file.read_at(&mut self.buf[have..], from)?;
                self.buf.truncate(have + read);
                if read == 0 {
                    // Shorter than it was said to be.
                    *limit = from;
                }
            }
            Input::Frames(frames, next, decoder) => {
                // A frame begins with a record: what is left of the one before is none.
                self.buf.clear();
                self.at = 0;
                while let Some(frame) = frames.get(*next) {
                    *next += 1;
                    self.base = frame.plain_pos;
                    if frame.read(&self.file, decoder, &mut self.buf)? {
                        break;
                    }
                }
            }
        }
        Ok(())
    }
}

/// The least number that may follow.
fn after(meta: Meta) -> u64 {
    match meta.kind {
        Kind::Line { .. } => meta.seq + 1,
        Kind::Run => meta.seq,
    }
}

fn parse_in_order(bytes: &[u8], salt: u32, min_seq: u64) -> Parsed {
    match segment::parse(bytes, salt) {
        Parsed::Record(meta, _) if meta.seq < min_seq => Parsed::Bad,
        parsed => parsed,
    }
}
