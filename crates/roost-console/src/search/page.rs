//! The lines of a block as they are searched: pieces joined, escape sequences stripped, one text for all of them.
//!
//! ```text
//!   block   │ a │ b1~ │ c │ ~b2 │ d1~ │   ~d2 stands in the next one and is fetched
//!   text    a \n c \n b1b2 \n d1d2 \n
//! ```
//!
//! A rest whose beginning stands in an older block belongs to that one. What is looked for is not its business.

use super::{BLOCK, FoundLine, Query};
use crate::{
    ansi,
    batch::Style,
    journal::{Shared, blocks::Block, segment::Kind},
    text,
};
use roost_wire::{clock::Millis, encoding::Encoding, node_api::Source};
use std::{io, ops::Range};

/// Bytes of a joined line; what is beyond is left out.
pub(super) const JOINED: usize = 256 * 1024;
/// Bytes of older history looked at in one go for the beginning of a line.
const BACK: u64 = BLOCK / 16;

/// Where a line's raw bytes are.
#[derive(Debug, Clone)]
enum Raw {
    Block(Range<usize>),
    Joined(usize),
}

#[derive(Debug, Clone)]
struct Entry {
    seq: u64,
    time: Millis,
    source: Source,
    raw: Raw,
    /// Where its text ends; it begins behind the one before.
    end: usize,
}

/// What is known of a source's current line.
#[derive(Debug, Default)]
enum Current {
    /// No piece of this source yet.
    #[default]
    Unknown,
    /// The next piece begins a line.
    Between,
    /// The rest of this line is of no interest.
    Skipped,
    /// Its rest follows.
    Open(u64, Millis, Vec<u8>),
}

/// See the file's head. Kept from block to block for its allocations.
#[derive(Debug)]
pub(super) struct Page {
    style: Style,
    pub(super) block: Block,
    pub(super) text: Vec<u8>,
    entries: Vec<Entry>,
    joined: Vec<Vec<u8>>,
}

impl Page {
    pub(super) fn new(style: Style) -> Self {
        Self {
            style,
            block: Block::default(),
            text: Vec::new(),
            entries: Vec::new(),
            joined: Vec::new(),
        }
    }

    /// Takes the lines of the block that begin before number `before`.
    pub(super) fn read(&mut self, journal: &Shared, query: &Query, before: u64) -> io::Result<()> {
        self.text.clear();
        self.entries.clear();
        self.joined.clear();
        let block = std::mem::take(&mut self.block);
        let mut sources = [Source::Output, Source::Daemon, Source::Install].map(|s| (s, Current::default()));
        for (meta, range) in block.lines() {
            let Kind::Line {
                source,
                continued,
                open,
            } = meta.kind
            else {
                continue;
            };
            if !query.wants_source(source) {
                continue;
            }
            let Some((_, current)) = sources.iter_mut().find(|(s, _)| *s == source) else {
                continue;
            };
            let bytes = &block.buf[range.clone()];
            if let Current::Unknown = current {
                *current = match continued && is_open_before(journal, source, meta.seq)? {
                    true => Current::Skipped,
                    false => Current::Between,
                };
            }
            match current {
                Current::Skipped if continued => {
                    if !open {
                        *current = Current::Between;
                    }
                    continue;
                }
                Current::Open(seq, time, raw) if continued => {
                    join(raw, bytes);
                    if !open {
                        let (seq, time, raw) = (*seq, *time, std::mem::take(raw));
                        *current = Current::Between;
                        self.push_joined(source, seq, time, raw);
                    }
                    continue;
                }
                // Its end was lost.
                Current::Open(seq, time, raw) => {
                    let (seq, time, raw) = (*seq, *time, std::mem::take(raw));
                    self.push_joined(source, seq, time, raw);
                }
                _ => {}
            }
            let is_wanted = meta.seq < before && query.times().contains(&meta.time);
            *current = match (is_wanted, open) {
                (false, true) => Current::Skipped,
                (true, true) => Current::Open(meta.seq, meta.time, bytes.to_vec()),
                _ => Current::Between,
            };
            if is_wanted && !open {
                push_text(&mut self.text, self.style.encoding_of(source), bytes);
                self.push(source, meta.seq, meta.time, Raw::Block(range));
            }
        }
        for (source, current) in sources {
            if let Current::Open(seq, time, mut raw) = current {
                fetch_rest(journal, source, block.end_seq, &mut raw)?;
                self.push_joined(source, seq, time, raw);
            }
        }
        self.block = block;
        if query.is_lowercase() {
            self.text.make_ascii_lowercase();
        }
        Ok(())
    }

    fn push(&mut self, source: Source, seq: u64, time: Millis, raw: Raw) {
        let end = self.text.len();
        self.text.push(b'\n');
        self.entries.push(Entry {
            seq,
            time,
            source,
            raw,
            end,
        });
    }

    fn push_joined(&mut self, source: Source, seq: u64, time: Millis, raw: Vec<u8>) {
        push_text(&mut self.text, self.style.encoding_of(source), &raw);
        self.push(source, seq, time, Raw::Joined(self.joined.len()));
        self.joined.push(raw);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn seq(&self, line: usize) -> u64 {
        self.entries[line].seq
    }

    /// The line whose text this place is in.
    pub(super) fn line_at(&self, place: usize) -> usize {
        self.entries.partition_point(|entry| entry.end < place)
    }

    /// Where the line's text ends.
    pub(super) fn end(&self, line: usize) -> usize {
        self.entries[line].end
    }

    pub(super) fn text_of(&self, line: usize) -> &[u8] {
        let start = line
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].end + 1);
        &self.text[start..self.entries[line].end]
    }

    /// In the order of what is found.
    pub(super) fn newest_first(&self, mut lines: Vec<usize>) -> impl Iterator<Item = usize> + use<> {
        // All but a few are in order already.
        lines.sort_by_key(|&line| self.entries[line].seq);
        lines.into_iter().rev()
    }

    pub(super) fn line(&self, line: usize) -> FoundLine {
        let entry = &self.entries[line];
        FoundLine {
            seq: entry.seq,
            time: entry.time,
            source: entry.source,
            encoding: self.style.encoding_of(entry.source),
            bytes: match &entry.raw {
                Raw::Block(range) => self.block.buf[range.clone()].to_vec(),
                Raw::Joined(at) => self.joined[*at].clone(),
            },
        }
    }
}

/// What is looked for is UTF-8, so the lines are made that; most are it already, and are not looked at for it.
fn push_text(out: &mut Vec<u8>, encoding: Encoding, raw: &[u8]) {
    match encoding {
        Encoding::Utf8 => ansi::strip_into(out, raw),
        other => ansi::strip_into(out, text::decode(other, raw).as_bytes()),
    }
}

fn join(raw: &mut Vec<u8>, piece: &[u8]) {
    let room = JOINED - raw.len();
    raw.extend_from_slice(&piece[..piece.len().min(room)]);
}

/// Whether the last piece of `source` before `seq` is one whose rest follows.
fn is_open_before(journal: &Shared, source: Source, seq: u64) -> io::Result<bool> {
    let (mut before, mut block) = (seq, Block::default());
    while journal.block_before(before, &(Millis::MIN..=Millis::MAX), BACK, &mut block)? {
        let pieces = block.lines().filter_map(|(meta, _)| match meta.kind {
            Kind::Line { source: s, open, .. } if s == source && meta.seq < seq => Some(open),
            _ => None,
        });
        if let Some(open) = pieces.last() {
            return Ok(open);
        }
        before = block.first_seq;
    }
    Ok(false)
}

/// Appends the pieces of `source` from number `from` on that belong to a line that is open there.
fn fetch_rest(journal: &Shared, source: Source, from: u64, raw: &mut Vec<u8>) -> io::Result<()> {
    let (mut from, mut block) = (from, Block::default());
    while raw.len() < JOINED && journal.block_at(from, &mut block)? {
        for (meta, range) in block.lines().filter(|(meta, _)| meta.seq >= from) {
            match meta.kind {
                Kind::Line {
                    source: s,
                    continued,
                    open,
                } if s == source => {
                    if continued {
                        join(raw, &block.buf[range]);
                    }
                    if !(continued && open) {
                        return Ok(());
                    }
                }
                _ => {}
            }
        }
        from = block.end_seq;
    }
    Ok(())
}
