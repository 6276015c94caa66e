//! A closed segment, compressed: independent zstd frames, and a table of them at the end.
//!
//! ```text
//!   header (form 1) │ frame │ frame │ ... │ entry │ entry │ ... │ trailer
//!   frame    zstd of whole records, as they were, at most `FRAME` bytes of them
//!   entry    first seq u64 │ min, max time i64 x 2 │ lines u32 │ bytes of records u32 │ bytes of frame u32 │ crc u32
//!   trailer  number after the last line u64 │ entries u32 │ crc of entries and the 12 bytes before u32 │ "ROOSTEND"
//! ```
//!
//! Little-endian. Each frame begins and ends with a record, so a damaged one costs its own lines and no other. Places of
//! records are counted as if they were not compressed. A table that is damaged is made again from the frames. When to
//! compress is not this file's business.

use super::{
    files::LogFile,
    index::{Index, NEVER, Stretch, cover},
    segment::{self, HEADER_LEN, Kind, Meta, Parsed},
};
use roost_wire::clock::Millis;
use std::{io, sync::Arc};
use zstd::bulk::Decompressor;

/// Bytes of records in a frame. Small, since a page of history costs at least one frame; above the longest record.
/// Tests meet many frames: how many bytes it is elsewhere makes things quick, not right.
pub(crate) const FRAME: usize = if cfg!(test) { 200 } else { 256 << 10 };
/// No frame is longer than this, whoever wrote it.
const FRAME_MAX: usize = 1 << 20;
const ENTRY_LEN: usize = 40;
const TRAILER_LEN: usize = 24;
const MAGIC: &[u8; 8] = b"ROOSTEND";

/// A frame, and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) first_seq: u64,
    /// Smallest and largest time in it.
    pub(crate) times: (Millis, Millis),
    lines: u32,
    /// Place and length of its records, as if they were not compressed.
    pub(crate) plain_pos: u64,
    pub(crate) plain_len: u32,
    /// Place and length of the frame.
    pos: u64,
    len: u32,
    crc: u32,
}

impl Frame {
    pub(crate) fn plain_end(&self) -> u64 {
        self.plain_pos + u64::from(self.plain_len)
    }

    /// Appends its records to `out`. Says whether it was whole; if not, nothing is appended.
    pub(crate) fn read(
        &self,
        file: &LogFile,
        decoder: &mut Option<Decompressor<'static>>,
        out: &mut Vec<u8>,
    ) -> io::Result<bool> {
        let mut bytes = vec![0; self.len as usize];
        // What is cut off stays zero: the checksum tells.
        file.read_at(&mut bytes, self.pos)?;
        if crc32fast::hash(&bytes) != self.crc {
            return Ok(false);
        }
        unpack(&bytes, self.plain_len as usize, decoder, out)
    }
}

/// Says whether `bytes` is a frame of exactly `len` bytes, which are appended then.
fn unpack(
    bytes: &[u8],
    len: usize,
    decoder: &mut Option<Decompressor<'static>>,
    out: &mut Vec<u8>,
) -> io::Result<bool> {
    let decoder = match decoder {
        Some(decoder) => decoder,
        None => decoder.insert(Decompressor::new()?),
    };
    let have = out.len();
    out.resize(have + len, 0);
    let is_whole = decoder
        .decompress_to_buffer(bytes, &mut out[have..])
        .is_ok_and(|n| n == len);
    if !is_whole {
        out.truncate(have);
    }
    Ok(is_whole)
}

/// All frames of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    pub(crate) frames: Vec<Frame>,
    /// The number after the last line.
    pub(crate) end_seq: u64,
}

impl Table {
    pub(crate) fn new(end_seq: u64) -> Self {
        Self {
            frames: Vec::new(),
            end_seq,
        }
    }

    /// Bytes of header and frames.
    pub(crate) fn frames_end(&self) -> u64 {
        self.frames
            .last()
            .map_or(HEADER_LEN as u64, |f| f.pos + u64::from(f.len))
    }

    /// How many numbers lie between the first and the last line.
    pub(crate) fn lines(&self) -> u64 {
        let first = self.frames.first().map_or(self.end_seq, |f| f.first_seq);
        self.end_seq.saturating_sub(first)
    }

    /// Adds the frame `packed`, which stands behind those before and holds `plain`.
    pub(crate) fn push(&mut self, packed: &[u8], plain: &[u8], salt: u32) {
        let mut frame = Frame {
            first_seq: 0,
            times: NEVER,
            lines: 0,
            plain_pos: self.frames.last().map_or(HEADER_LEN as u64, Frame::plain_end),
            plain_len: plain.len() as u32,
            pos: self.frames_end(),
            len: packed.len() as u32,
            crc: crc32fast::hash(packed),
        };
        for (at, meta) in metas(plain, salt).enumerate() {
            if at == 0 {
                frame.first_seq = meta.seq;
            }
            if let Kind::Line { .. } = meta.kind {
                frame.lines += 1;
                frame.times = cover(frame.times, (meta.time, meta.time));
            }
        }
        self.frames.push(frame);
    }

    /// What stands behind the frames.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.frames.len() * ENTRY_LEN + TRAILER_LEN);
        for frame in &self.frames {
            out.extend_from_slice(&frame.first_seq.to_le_bytes());
            out.extend_from_slice(&frame.times.0.to_le_bytes());
            out.extend_from_slice(&frame.times.1.to_le_bytes());
            for number in [frame.lines, frame.plain_len, frame.len, frame.crc] {
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        out.extend_from_slice(&self.end_seq.to_le_bytes());
        out.extend_from_slice(&(self.frames.len() as u32).to_le_bytes());
        out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
        out.extend_from_slice(MAGIC);
        out
    }

    /// The table of a file; `None` if it is damaged.
    pub(crate) fn read(file: &LogFile) -> io::Result<Option<Self>> {
        let len = file.len()?;
        let mut trailer = [0; TRAILER_LEN];
        let Some(entries_end) = len.checked_sub(TRAILER_LEN as u64) else {
            return Ok(None);
        };
        // As in a frame, what is cut off meanwhile shows in what is read.
        file.read_at(&mut trailer, entries_end)?;
        if &trailer[16..] != MAGIC {
            return Ok(None);
        }
        let entries = u64::from(segment::u32_at(&trailer, 8)) * ENTRY_LEN as u64;
        let Some(frames_end) = entries_end.checked_sub(entries) else {
            return Ok(None);
        };
        let mut bytes = vec![0; entries as usize];
        file.read_at(&mut bytes, frames_end)?;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&bytes);
        hasher.update(&trailer[..12]);
        if hasher.finalize() != segment::u32_at(&trailer, 12) {
            return Ok(None);
        }
        let mut table = Self::new(segment::u64_at(&trailer, 0));
        for entry in bytes.chunks_exact(ENTRY_LEN) {
            let plain_len = segment::u32_at(entry, 28);
            if plain_len as usize > FRAME_MAX {
                return Ok(None);
            }
            table.frames.push(Frame {
                first_seq: segment::u64_at(entry, 0),
                times: (segment::i64_at(entry, 8), segment::i64_at(entry, 16)),
                lines: segment::u32_at(entry, 24),
                plain_pos: table.frames.last().map_or(HEADER_LEN as u64, Frame::plain_end),
                plain_len,
                pos: table.frames_end(),
                len: segment::u32_at(entry, 32),
                crc: segment::u32_at(entry, 36),
            });
        }
        Ok((table.frames_end() == frames_end).then_some(table))
    }

    /// The table as it must have been, from the frames that can be found. `end_seq` is known from the next segment.
    pub(crate) fn rebuild(file: &LogFile, salt: u32, end_seq: u64) -> io::Result<Self> {
        let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        let read = file.read_at(&mut bytes, 0)?;
        bytes.truncate(read);
        let mut table = Self::new(end_seq);
        let (mut decoder, mut plain) = (None, Vec::new());
        let starts = memchr::memmem::find_iter(&bytes, &[0x28, 0xb5, 0x2f, 0xfd]);
        for pos in starts.filter(|&pos| pos >= HEADER_LEN) {
            let rest = &bytes[pos..];
            let Ok(packed) = zstd::zstd_safe::find_frame_compressed_size(rest) else {
                continue;
            };
            let Ok(Some(plain_len)) = zstd::zstd_safe::get_frame_content_size(rest) else {
                continue;
            };
            plain.clear();
            let fits = plain_len <= FRAME_MAX as u64;
            if !fits || !unpack(&rest[..packed], plain_len as usize, &mut decoder, &mut plain)? {
                continue;
            }
            // Bytes inside a frame may look like one: its records tell.
            let is_next = metas(&plain, salt).next().is_some_and(|meta| {
                table
                    .frames
                    .last()
                    .is_none_or(|last| meta.seq >= last.first_seq && pos as u64 >= table.frames_end())
            });
            if is_next {
                table.push(&rest[..packed], &plain, salt);
                if let Some(frame) = table.frames.last_mut() {
                    frame.pos = pos as u64;
                }
            }
        }
        Ok(table)
    }

    /// The numbers in the frame that this place in the file belongs to.
    #[cfg(test)]
    pub(crate) fn frame_at(&self, pos: u64) -> Option<(u64, u64)> {
        let frame = self
            .frames
            .iter()
            .find(|f| (f.pos..f.pos + u64::from(f.len)).contains(&pos))?;
        Some((frame.first_seq, frame.first_seq + u64::from(frame.lines)))
    }

    /// For reading.
    pub(crate) fn into_index(self) -> Index {
        let stretches = self.frames.iter().map(|frame| Stretch {
            seq: frame.first_seq,
            pos: frame.plain_pos,
            times: frame.times,
        });
        let (stretches, lines) = (
            stretches.collect(),
            self.frames.iter().map(|f| u64::from(f.lines)).sum(),
        );
        Index::of_frames(stretches, lines, Arc::from(self.frames))
    }
}

/// What the records in `plain` are.
fn metas(plain: &[u8], salt: u32) -> impl Iterator<Item = Meta> {
    let mut at = 0;
    std::iter::from_fn(move || match segment::parse(&plain[at..], salt) {
        Parsed::Record(meta, len) => {
            at += len;
            Some(meta)
        }
        Parsed::Short | Parsed::Bad => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::files::Dir;
    use roost_wire::node_api::Source;

    fn packed(plain: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(plain, 3).unwrap()
    }

    /// The record of a line.
    fn record(seq: u64) -> Vec<u8> {
        let kind = Kind::Line {
            source: Source::Output,
            continued: false,
            open: false,
        };
        let meta = Meta {
            kind,
            seq,
            time: seq as Millis,
            offset: 0,
        };
        let mut out = Vec::new();
        segment::push_record(&mut out, 7, &meta, b"some line");
        out
    }

    fn file(bytes: &[u8]) -> (tempfile::TempDir, LogFile) {
        let home = tempfile::tempdir().unwrap();
        let file = Dir::open(&home.path().join("journal"))
            .unwrap()
            .create("file")
            .unwrap();
        file.write_all_at(bytes, HEADER_LEN as u64).unwrap();
        (home, file)
    }

    #[test]
    fn a_table_that_names_a_frame_longer_than_any_is_damaged() {
        for (len, is_good) in [(FRAME_MAX, true), (FRAME_MAX + 1, false)] {
            let mut table = Table::new(9);
            table.push(b"frame", &vec![0; len], 7);
            let (_home, file) = file(&[b"frame", &table.encode()[..]].concat());
            assert_eq!(Table::read(&file).unwrap(), is_good.then_some(table));
        }
    }

    #[test]
    fn a_table_that_is_lost_is_made_of_the_frames_in_their_order() {
        let plain: Vec<_> = [[1, 2], [3, 4], [5, 6]]
            .map(|seqs| seqs.map(record).concat())
            .into();
        let frames: Vec<_> = plain.iter().map(|plain| packed(plain)).collect();
        let mut table = Table::new(9);
        for (frame, plain) in frames.iter().zip(&plain) {
            table.push(frame, plain, 7);
        }
        let whole = file(&[&frames.concat()[..], b"no table"].concat());
        assert_eq!(Table::rebuild(&whole.1, 7, 9).unwrap(), table);
        // An old frame in a later place, a frame of somebody else's, and one that is cut.
        let foreign = packed(b"a line that a program printed");
        let damaged = [&frames.concat()[..], &frames[0], &foreign, &frames[2][..9]].concat();
        let damaged = file(&damaged);
        assert_eq!(Table::rebuild(&damaged.1, 7, 9).unwrap(), table);
        assert_eq!(Table::rebuild(&damaged.1, 8, 9).unwrap().frames, []);
    }
}
