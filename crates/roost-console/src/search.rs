//! Looks for lines in the whole history, newest first, in steps that a caller can stop and go on with.
//!
//! ```text
//!   ... │ block │ block │ block ◄─ before        a block is at most 1 MiB, read at once
//!                   └─ lines joined, escapes stripped ──> text ──> matcher ──> found, newest first
//! ```
//!
//! A line is what its pieces are together, and stands where its first piece does; its time is that piece's. It reads
//! files only, so neither the writer nor a viewer waits for it. Who may search what is not its business.

mod matcher;
mod page;

pub use matcher::{BadQuery, Case, Query};

use crate::{console::Console, text};
use page::Page;
use roost_wire::{clock::Millis, encoding::Encoding, node_api::Source};
use std::{
    borrow::Cow,
    io,
    time::{Duration, Instant},
};

/// Bytes of records read at once. Tests meet many blocks.
const BLOCK: u64 = if cfg!(test) { 512 } else { 1024 * 1024 };
/// Bytes of found lines after which a step ends.
const FOUND: usize = 1024 * 1024;
/// Lines that an expression is tried on between two looks at the time.
const LINES_A_LOOK: usize = 16;

/// What one step may cost at most.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    /// Bytes of history, uncompressed.
    pub bytes: u64,
    /// Time.
    pub time: Duration,
    /// Lines found.
    pub lines: usize,
}

/// What one step found.
#[derive(Debug)]
pub struct Found {
    /// Newest first.
    pub lines: Vec<FoundLine>,
    /// Go on with lines before this number.
    pub next: u64,
    /// Bytes of history that were looked through, uncompressed.
    pub scanned_bytes: u64,
    /// Nothing more is there.
    pub done: bool,
}

/// A line that was looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundLine {
    /// Number of its first piece.
    pub seq: u64,
    /// Arrival of its first piece.
    pub time: Millis,
    /// Where it came from.
    pub source: Source,
    /// All pieces together, raw; at most 256 KiB.
    pub bytes: Vec<u8>,
    /// What they are in.
    pub encoding: Encoding,
}

impl FoundLine {
    /// The line as text; what is no character is replaced by U+FFFD.
    pub fn text(&self) -> Cow<'_, str> {
        text::decode(self.encoding, &self.bytes)
    }
}

impl Console {
    /// Looks through the lines before number `before`, newest first, until the budget is spent; at least a bit is done
    /// in any case. `u64::MAX` begins at the end, [`Found::next`] goes on. Blocks on the disk.
    pub fn search(&self, query: &Query, before: u64, budget: &Budget) -> io::Result<Found> {
        let begun = Instant::now();
        let mut found = Found {
            lines: Vec::new(),
            next: before.min(self.next_seq()),
            scanned_bytes: 0,
            done: false,
        };
        let (mut page, mut bytes) = (Page::new(self.style()), 0);
        while self
            .journal
            .block_before(found.next, query.times(), BLOCK, &mut page.block)?
        {
            found.scanned_bytes += page.block.buf.len() as u64;
            page.read(&self.journal, query, found.next)?;
            for (looks, (line, is_hit)) in (1..).zip(query.hits(&page)) {
                if is_hit {
                    let line = page.line(line);
                    bytes += line.bytes.len();
                    found.lines.push(line);
                }
                let is_late = looks % LINES_A_LOOK == 0_usize && begun.elapsed() >= budget.time;
                if is_late || found.lines.len() >= budget.lines || bytes >= FOUND {
                    found.next = page.seq(line);
                    return Ok(found);
                }
            }
            found.next = page.block.first_seq;
            if found.scanned_bytes >= budget.bytes || begun.elapsed() >= budget.time {
                return Ok(found);
            }
        }
        found.done = true;
        Ok(found)
    }
}

#[cfg(test)]
mod tests;
