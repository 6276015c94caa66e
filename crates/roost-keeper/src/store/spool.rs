//! Output on disk: one file used as a ring of records, bounded, emptied when everything in it is acknowledged.
//!
//! A record is `offset u64, time_ms i64, length u32, newlines u32` (little-endian) and the bytes. Positions only grow;
//! the place in the file is the position modulo the bound. Only the process that wrote it ever reads it. What a lost
//! record means for the reader is told by [`super::hole`].

use super::{Frame, KeeperFrame, PIECE_MAX, hole::Holes, memory::Piece};
use rustix::fs::{Mode, OFlags};
use std::{collections::VecDeque, fs::File, io, ops::Range, os::unix::fs::FileExt, path::PathBuf};

const HEADER: usize = 24;
/// How much is read at once; holds at least one whole record.
const WINDOW: usize = 64 << 10;
/// Most places known for acknowledgements; past it they become coarser.
const MARKS_MAX: usize = 1024;

const _: () = assert!(WINDOW >= HEADER + PIECE_MAX);

/// Appends one record to `out`.
pub(super) fn encode_record(piece: &Piece, bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&piece.offset.to_le_bytes());
    out.extend_from_slice(&piece.time_ms.to_le_bytes());
    out.extend_from_slice(&piece.length.to_le_bytes());
    out.extend_from_slice(&piece.newlines.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The record at the front of `window`; `None` if it is not whole there, or is none at all.
fn parse_record(window: &[u8]) -> Option<(Piece, &[u8])> {
    let (header, rest) = window.split_first_chunk::<HEADER>()?;
    let (offset, header) = header.split_first_chunk::<8>()?;
    let (time_ms, header) = header.split_first_chunk::<8>()?;
    let (length, header) = header.split_first_chunk::<4>()?;
    let (newlines, _) = header.split_first_chunk::<4>()?;
    let piece = Piece {
        offset: u64::from_le_bytes(*offset),
        time_ms: i64::from_le_bytes(*time_ms),
        length: u32::from_le_bytes(*length),
        newlines: u32::from_le_bytes(*newlines),
    };
    let bytes = rest.get(..piece.length as usize)?;
    (1..=PIECE_MAX).contains(&bytes.len()).then_some((piece, bytes))
}

fn corrupt() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the spool does not hold what was written",
    )
}

/// Where the spool lies; opened when first needed.
#[derive(Debug)]
pub(super) struct SpoolFile {
    path: PathBuf,
    open: Option<File>,
}

impl SpoolFile {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    #[cfg(test)]
    pub(super) fn opened(file: File) -> Self {
        Self {
            path: PathBuf::new(),
            open: Some(file),
        }
    }

    /// Never follows a link: the name may have been put there by somebody else.
    fn get(&mut self) -> io::Result<&File> {
        let file = match self.open.take() {
            Some(file) => file,
            None => {
                let flags =
                    OFlags::RDWR | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                File::from(rustix::fs::open(&self.path, flags, Mode::RUSR | Mode::WUSR)?)
            }
        };
        Ok(self.open.insert(file))
    }
}

/// A place in the ring, and the newlines written before it.
#[derive(Debug, Clone, Copy, Default)]
struct Position {
    at: u64,
    newlines: u64,
}

/// The ring.
#[derive(Debug)]
pub(super) struct Spool {
    file: SpoolFile,
    bound: u64,
    /// Oldest record.
    head: Position,
    /// Next record for the connected node.
    read: Position,
    /// Where the next record is written.
    tail: Position,
    /// Oldest offset that was not acknowledged.
    first: u64,
    /// Offset after the newest record.
    end: u64,
    /// Offsets up to which was read, and where the reading stood: an acknowledgement moves the head there.
    marks: VecDeque<(u64, Position)>,
}

impl Spool {
    pub(super) fn new(file: SpoolFile, bound: u64) -> Self {
        Self {
            file,
            bound: bound.max(2 * WINDOW as u64),
            head: Position::default(),
            read: Position::default(),
            tail: Position::default(),
            first: 0,
            end: 0,
            marks: VecDeque::new(),
        }
    }

    fn is_empty(&self) -> bool {
        self.head.at == self.tail.at
    }

    /// Offset of the oldest byte in it.
    pub(super) fn first(&self) -> Option<u64> {
        (!self.is_empty()).then_some(self.first)
    }

    /// Writes whole records that hold these offsets. On an error nothing was appended.
    pub(super) fn append(&mut self, records: &[u8], offsets: Range<u64>, newlines: u64) -> io::Result<()> {
        let place = self.tail.at % self.bound;
        let until_wrap = usize::try_from(self.bound - place).unwrap_or(usize::MAX);
        let (straight, wrapped) = records.split_at(records.len().min(until_wrap));
        let file = self.file.get()?;
        file.write_all_at(straight, place)?;
        file.write_all_at(wrapped, 0)?;
        if self.is_empty() {
            self.first = offsets.start;
        }
        self.end = offsets.end;
        self.tail.at += records.len() as u64;
        self.tail.newlines += newlines;
        Ok(())
    }

    /// What stands from `at` on, at most [`WINDOW`] bytes.
    fn window(&mut self, at: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(self.tail.at - at)
            .unwrap_or(usize::MAX)
            .min(WINDOW);
        let mut window = vec![0; length];
        let place = at % self.bound;
        let until_wrap = usize::try_from(self.bound - place).unwrap_or(usize::MAX);
        let (straight, wrapped) = window.split_at_mut(length.min(until_wrap));
        let file = self.file.get()?;
        file.read_exact_at(straight, place)?;
        file.read_exact_at(wrapped, 0)?;
        Ok(window)
    }

    /// Makes sure that `need` more bytes fit; the oldest records become a hole.
    pub(super) fn make_room(&mut self, need: usize, unsent: u64, holes: &mut Holes) -> io::Result<()> {
        let used = |spool: &Self| spool.tail.at - spool.head.at;
        let need = need as u64;
        if used(self) + need <= self.bound {
            return Ok(());
        }
        // A little more than needed, so that not each batch drops something.
        let goal = (self.bound - self.bound / 16).saturating_sub(need);
        while used(self) > goal {
            let window = self.window(self.head.at)?;
            let mut rest = &window[..];
            while used(self) > goal
                && let Some((piece, bytes)) = parse_record(rest)
            {
                if piece.offset < unsent {
                    let acked =
                        usize::try_from(self.first.saturating_sub(piece.offset)).unwrap_or(usize::MAX);
                    if let Some(lost @ [_, ..]) = bytes.get(acked..) {
                        holes.lose(piece.end() - lost.len() as u64, lost, unsent);
                    }
                } else {
                    holes.lose_unsent(piece.offset, u64::from(piece.length), u64::from(piece.newlines));
                }
                let size = HEADER + bytes.len();
                rest = &rest[size..];
                self.head.at += size as u64;
                self.head.newlines += u64::from(piece.newlines);
                self.first = self.first.max(piece.end());
            }
            if rest.len() == window.len() {
                return Err(corrupt());
            }
        }
        // After a hole in the middle, the next record begins later than the last one ended.
        if !self.is_empty() {
            let window = self.window(self.head.at)?;
            self.first = self
                .first
                .max(parse_record(&window).ok_or_else(corrupt)?.0.offset);
        }
        if self.read.at < self.head.at {
            self.read = self.head;
        }
        while self
            .marks
            .front()
            .is_some_and(|(_, mark)| mark.at <= self.head.at)
        {
            self.marks.pop_front();
        }
        Ok(())
    }

    /// Encodes chunks from `cursor` on, up to `until` or until `out` has `limit` bytes; returns the new cursor.
    pub(super) fn encode_from(
        &mut self,
        mut cursor: u64,
        until: u64,
        out: &mut Vec<u8>,
        limit: usize,
    ) -> io::Result<u64> {
        let window = self.window(self.read.at)?;
        let mut rest = &window[..];
        while cursor < until
            && out.len() < limit
            && let Some((piece, bytes)) = parse_record(rest)
        {
            if piece.offset > cursor {
                break;
            }
            if let Some(wanted) = usize::try_from(cursor - piece.offset)
                .ok()
                .and_then(|skip| bytes.get(skip..))
                && !wanted.is_empty()
            {
                let (offset, time_ms) = (cursor, piece.time_ms);
                KeeperFrame::Chunk {
                    offset,
                    time_ms,
                    bytes: wanted,
                }
                .encode(out);
                cursor = piece.end();
            }
            let size = HEADER + bytes.len();
            rest = &rest[size..];
            self.read.at += size as u64;
            self.read.newlines += u64::from(piece.newlines);
        }
        if rest.len() == window.len() {
            return Err(corrupt());
        }
        if self.marks.len() >= MARKS_MAX {
            self.marks.pop_back();
        }
        self.marks.push_back((cursor, self.read));
        Ok(cursor)
    }

    /// The next [`Self::encode_from`] begins at the oldest record.
    pub(super) fn rewind(&mut self) {
        self.read = self.head;
        self.marks.clear();
    }

    /// Lets go of what was read before `offset`.
    pub(super) fn ack(&mut self, offset: u64) {
        while let Some((_, mark)) = self.marks.pop_front_if(|(end, _)| *end <= offset) {
            self.head = mark;
        }
        self.first = self.first.max(offset);
        if self.is_empty() || self.end <= offset {
            self.empty();
        }
    }

    /// Forgets everything; the file gives its blocks back, where it can.
    fn empty(&mut self) {
        if self.tail.at > 0 {
            (self.head, self.read, self.tail) = Default::default();
            self.marks.clear();
            if let Some(file) = &self.file.open {
                // Nothing is lost if it fails: the old records are written over.
                let _ = file.set_len(0);
            }
        }
    }

    /// Gives up what can't be read. Returns the oldest offset, the newlines that the connected node was sent of it,
    /// and those that it was not.
    pub(super) fn abandon(&mut self) -> Option<(u64, u64, u64)> {
        let first = self.first()?;
        let sent = self.read.newlines - self.head.newlines;
        let unsent = self.tail.newlines - self.read.newlines;
        self.empty();
        Some((first, sent, unsent))
    }

    pub(super) fn remove(&mut self) {
        if self.file.open.take().is_some() {
            let _ = std::fs::remove_file(&self.file.path);
        }
    }
}
