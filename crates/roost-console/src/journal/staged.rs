//! A batch being made: records encoded once, for the journal and for the ring.
//!
//! Splitting and writing are not its business.

use super::segment::{self, Kind, Meta};
use roost_wire::{clock::Millis, node_api::Source};
use uuid::Uuid;

/// Lines of one source that follow each other.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) source: Source,
    pub(crate) first_seq: u64,
    /// Where each record begins.
    pub(crate) starts: Vec<u32>,
}

/// Records that are written together, or not at all.
#[derive(Debug)]
pub(crate) struct Staged {
    salt: u32,
    time: Millis,
    next_seq: u64,
    buf: Vec<u8>,
    groups: Vec<Group>,
}

impl Staged {
    /// With room for `lines` lines of `bytes` bytes in all.
    pub(crate) fn new(salt: u32, next_seq: u64, time: Millis, lines: usize, bytes: usize) -> Self {
        Self {
            salt,
            time,
            next_seq,
            buf: Vec::with_capacity(lines * segment::RECORD_LEN + bytes),
            groups: Vec::new(),
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, source: Source, continued: bool, open: bool, offset: u64, data: &[u8]) {
        let start = self.buf.len() as u32;
        let meta = Meta {
            kind: Kind::Line {
                source,
                continued,
                open,
            },
            seq: self.next_seq,
            time: self.time,
            offset,
        };
        segment::push_record(&mut self.buf, self.salt, &meta, data);
        match self.groups.last_mut() {
            Some(group) if group.source == source => group.starts.push(start),
            _ => self.groups.push(Group {
                source,
                first_seq: self.next_seq,
                starts: vec![start],
            }),
        }
        self.next_seq += 1;
    }

    /// Adds the mark that a run begins, whose stream is wanted from `offset` on.
    pub(crate) fn run(&mut self, run: Uuid, offset: u64) {
        let meta = Meta {
            kind: Kind::Run,
            seq: self.next_seq,
            time: self.time,
            offset,
        };
        segment::push_record(&mut self.buf, self.salt, &meta, run.as_bytes());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.buf.is_empty()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.buf
    }

    pub(crate) fn time(&self) -> Millis {
        self.time
    }

    /// The number after the last line.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Number and place of every line.
    pub(crate) fn places(&self) -> impl Iterator<Item = (u64, u64)> {
        self.groups
            .iter()
            .flat_map(|g| (g.first_seq..).zip(g.starts.iter().map(|&s| u64::from(s))))
    }

    /// The bytes and who they belong to.
    pub(crate) fn into_parts(mut self) -> (Vec<u8>, Vec<Group>) {
        // The ring counts bytes, not room: a chunk whose last line stays pending leaves much.
        self.buf.shrink_to(self.buf.len() * 2);
        (self.buf, self.groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_that_stayed_empty_is_given_back_but_for_a_little() {
        let staged = |room: usize| {
            let mut staged = Staged::new(0, 1, 0, 1, room);
            staged.line(Source::Output, false, false, 0, &[b'x'; 1000]);
            let len = staged.bytes().len();
            let (buf, _) = staged.into_parts();
            (buf.capacity(), len)
        };
        let (much, len) = staged(64 * 1024);
        assert!((len..=2 * len).contains(&much), "{much} for {len}");
        let (little, len) = staged(1500);
        assert_eq!(little, len + 500, "not worth a copy");
    }
}
