//! Walks the records of a segment file, from any record on; steps over damage to the next whole record.
//!
//! What was stepped over shows in the sequence numbers. Which segment to read is not its business.

use super::{
    files::LogFile,
    segment::{self, Kind, MAX_DATA, Meta, Parsed, RECORD_LEN},
};
use std::io;

/// Bytes read at a time: above the longest record, so that a full buffer always holds a whole one.
const READ: usize = 256 * 1024;
const _: () = assert!(READ > RECORD_LEN + MAX_DATA);

/// A record where it was found.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    pub(crate) meta: Meta,
    /// The whole record.
    pub(crate) bytes: &'a [u8],
    /// Its place in the file.
    pub(crate) pos: u64,
}

/// A walk over one file.
#[derive(Debug)]
pub(crate) struct Scanner<'a> {
    file: &'a LogFile,
    salt: u32,
    /// Place in the file of the first byte of `buf`.
    base: u64,
    /// Nothing is read from here on.
    limit: u64,
    buf: Vec<u8>,
    /// How much of `buf` is done.
    at: usize,
    /// Records of lines below this are stale: numbers only grow.
    min_seq: u64,
}

impl<'a> Scanner<'a> {
    /// From `pos`, where a record begins, up to `limit`; lines below `min_seq` there can only be damage.
    pub(crate) fn new(file: &'a LogFile, salt: u32, pos: u64, limit: u64, min_seq: u64) -> Self {
        Self {
            file,
            salt,
            base: pos,
            limit,
            buf: Vec::new(),
            at: 0,
            min_seq,
        }
    }

    /// The next whole record.
    pub(crate) fn next(&mut self) -> io::Result<Option<Found<'_>>> {
        loop {
            let ended = self.base + self.buf.len() as u64 >= self.limit;
            match parse_in_order(&self.buf[self.at..], self.salt, self.min_seq) {
                Parsed::Record(meta, len) => {
                    let start = self.at;
                    self.at += len;
                    self.min_seq = match meta.kind {
                        Kind::Line { .. } => meta.seq + 1,
                        Kind::Run => meta.seq,
                    };
                    return Ok(Some(Found {
                        meta,
                        bytes: &self.buf[start..self.at],
                        pos: self.base + start as u64,
                    }));
                }
                Parsed::Short if !ended => self.fill()?,
                Parsed::Short if self.at == self.buf.len() => return Ok(None),
                // Damage: look for a record at each next byte.
                Parsed::Short | Parsed::Bad => self.at += 1,
            }
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.buf.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let have = self.buf.len();
        let left = usize::try_from(self.limit - self.base - have as u64).unwrap_or(usize::MAX);
        self.buf.resize(have + left.min(READ), 0);
        let read = self
            .file
            .read_at(&mut self.buf[have..], self.base + have as u64)?;
        self.buf.truncate(have + read);
        if read == 0 {
            // Shorter than it was said to be.
            self.limit = self.base + have as u64;
        }
        Ok(())
    }
}

fn parse_in_order(bytes: &[u8], salt: u32, min_seq: u64) -> Parsed {
    match segment::parse(bytes, salt) {
        Parsed::Record(meta, _) if meta.seq < min_seq => Parsed::Bad,
        parsed => parsed,
    }
}
