//! Bytes in, lines, ring and journal, cursors out. No sockets, no Docker, no HTTP: it can be proved alone.
//!
//! ```text
//!  chunk ──split──> lines ──┬── journal (write(2), then fdatasync each second)
//!        (Writer, one owner) │
//!                            └──> ring (recent batches) <── Cursor ── any number of readers (Console)
//!                                   each wire form of a batch is made at most once, when first wanted
//! ```
//!
//! A reader is a [`Cursor`]. [`Console::read`] serves it from the ring; one that fell out of the ring reads on through
//! [`Console::history`] from the journal until it has caught up, or is told exactly how many lines are gone. The
//! writer never waits for a reader. Who may read, and how bytes reach a viewer, is left to the node.

use bytes::Bytes;
use roost_wire::{clock::Millis, node_api::Source};
use std::{io, path::Path, sync::Arc};
use uuid::Uuid;

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of journal a server.
    pub journal_bytes: u64,
    /// Age of the oldest line, in milliseconds.
    pub journal_age: i64,
    /// Per cent of the disk that stays free.
    pub disk_free_percent: u8,
    /// Bytes of lines in the ring.
    pub ring_bytes: usize,
}

/// What opening a journal found and mended; each sentence is also to be shown on the console.
#[derive(Debug, Default)]
pub struct Recovery {
    /// For people.
    pub notes: Vec<String>,
}

/// Where the journal's knowledge of a keeper's stream ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The run of the server that the offset belongs to.
    pub run: Uuid,
    /// Bytes of that run's stream that are in the journal.
    pub offset: u64,
}

/// Opens (or makes) the journal in `dir`: the one writer, and the side that any number of readers share.
/// `app` is the name in front of the daemon's own lines.
pub fn open(
    _dir: &Path,
    _app: &str,
    _limits: Limits,
    _now: Millis,
) -> io::Result<(Writer, Arc<Console>, Recovery)> {
    unimplemented!()
}

/// The one owner that appends. Everything returns after write(2) and after the ring holds it.
#[derive(Debug)]
pub struct Writer(());

impl Writer {
    /// The side that readers share.
    pub fn console(&self) -> &Arc<Console> {
        unimplemented!()
    }
    /// Offsets belong to this run from now on and begin at 0.
    pub fn begin_run(&mut self, _run: Uuid, _now: Millis) -> io::Result<()> {
        unimplemented!()
    }
    /// Where to resume the keeper's stream.
    pub fn position(&self) -> Option<Position> {
        unimplemented!()
    }
    /// Appends a chunk that ends at `end_offset` of the run's stream. Returns how many lines it completed.
    pub fn output(&mut self, _bytes: &[u8], _end_offset: u64, _now: Millis) -> io::Result<usize> {
        unimplemented!()
    }
    /// Whether text without a line end is pending.
    pub fn has_partial(&self) -> bool {
        unimplemented!()
    }
    /// Shows pending text now; the rest of its line follows as a continuation.
    pub fn flush_partial(&mut self, _now: Millis) -> io::Result<usize> {
        unimplemented!()
    }
    /// The stream has ended: pending text becomes a whole line.
    pub fn end_of_stream(&mut self, _now: Millis) -> io::Result<usize> {
        unimplemented!()
    }
    /// A hole in the stream that nobody can fill: a daemon line says so, `lines` counts newlines lost if known.
    pub fn hole(&mut self, _to_offset: u64, _lines: Option<u64>, _now: Millis) -> io::Result<()> {
        unimplemented!()
    }
    /// A line of the daemon's or the installer's own.
    pub fn notice(&mut self, _source: Source, _text: &str, _now: Millis) -> io::Result<()> {
        unimplemented!()
    }
    /// Puts an event (a status, ...) among the lines of the ring, in its place; not in the journal.
    pub fn event(&mut self, _event: Event) {
        unimplemented!()
    }
    /// fdatasync if anything was written since.
    pub fn sync(&mut self) -> io::Result<()> {
        unimplemented!()
    }
    /// Drops segments over the limits. Returns a sentence for the console if any went. Call it each second or so.
    pub fn enforce_limits(&mut self, _now: Millis) -> io::Result<Option<String>> {
        unimplemented!()
    }
    /// New limits.
    pub fn set_limits(&mut self, _limits: Limits) {
        unimplemented!()
    }
    /// Erases lines older than `before`. Returns how many.
    pub fn erase_before(&mut self, _before: Millis) -> io::Result<u64> {
        unimplemented!()
    }
    /// Ends the ring: readers get [`Read::Closed`].
    pub fn close(self) {}
}

/// The readers' side.
#[derive(Debug)]
pub struct Console(());

/// Where a reader stands: the next line that it wants. Plain data, no registration: dropping it is leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Sequence number of the next line wanted.
    pub seq: u64,
    /// Next ring entry (lines or event); `u64::MAX` when not aligned with the ring yet.
    pub entry: u64,
}

/// What [`Console::read`] gives.
#[derive(Debug, Clone)]
pub enum Read {
    /// What came, in order; the cursor moved behind it. The first batch may begin before the cursor's old `seq`:
    /// use [`Batch::classic_from`].
    Entries(Vec<Entry>),
    /// Nothing new.
    Empty,
    /// No longer in the ring: go on with [`Console::history`], off the thread that must not wait for a disk.
    Behind,
    /// The console is gone, and everything before was read.
    Closed,
}

/// One ring entry.
#[derive(Debug, Clone)]
pub enum Entry {
    /// Lines.
    Lines(Arc<Batch>),
    /// An event.
    Event(Arc<Event>),
}

/// An event in its place among the lines.
#[derive(Debug, Clone)]
pub struct Event {
    /// The classic WebSocket frame, whole.
    pub frame: Bytes,
    /// Only for those who may see the installer.
    pub install: bool,
}

/// Lines of one source that came together.
#[derive(Debug)]
pub struct Batch(());

/// One line of a batch.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Sequence number.
    pub seq: u64,
    /// Arrival.
    pub time: Millis,
    /// Raw bytes without the line end.
    pub bytes: &'a [u8],
    /// The rest of the line before.
    pub continued: bool,
    /// Not ended: its rest follows.
    pub open: bool,
}

impl Batch {
    /// First sequence number.
    pub fn first_seq(&self) -> u64 {
        unimplemented!()
    }
    /// The number after the last one.
    pub fn end_seq(&self) -> u64 {
        unimplemented!()
    }
    /// Where the lines came from.
    pub fn source(&self) -> Source {
        unimplemented!()
    }
    /// The lines.
    pub fn lines(&self) -> impl Iterator<Item = Line<'_>> {
        std::iter::empty()
    }
    /// Classic frames of all lines, one text frame a line, ready to be written to a socket. Made once.
    pub fn classic(&self) -> &Bytes {
        unimplemented!()
    }
    /// Those of the lines from `seq` on; no copy.
    pub fn classic_from(&self, _seq: u64) -> Bytes {
        unimplemented!()
    }
}

/// Lines that are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Missed {
    /// Exactly how many.
    pub lines: u64,
}

/// A piece of history.
#[derive(Debug)]
pub struct History {
    /// What is missing before the first line.
    pub missed: Option<Missed>,
    /// In order.
    pub batches: Vec<Arc<Batch>>,
}

impl Console {
    /// The journal's id.
    pub fn stream(&self) -> Uuid {
        unimplemented!()
    }
    /// The number that the next line will get; `next_seq() - 1` lines were ever written.
    pub fn next_seq(&self) -> u64 {
        unimplemented!()
    }
    /// The oldest number that is still held (`next_seq` if none).
    pub fn first_seq(&self) -> u64 {
        unimplemented!()
    }
    /// Bytes of journal on disk.
    pub fn journal_bytes(&self) -> u64 {
        unimplemented!()
    }
    /// Behind the last line and event.
    pub fn tail(&self) -> Cursor {
        unimplemented!()
    }
    /// In front of line `seq`, wherever it is held.
    pub fn at(&self, _seq: u64) -> Cursor {
        unimplemented!()
    }
    /// From the ring, at most about `max_bytes` of lines. Never touches the disk, holds a lock for a moment only.
    pub fn read(&self, _cursor: &mut Cursor, _max_bytes: usize) -> Read {
        unimplemented!()
    }
    /// From the journal (and on into the ring's lines), at most about `max_bytes`. Blocks on the disk.
    pub fn history(&self, _cursor: &mut Cursor, _max_bytes: usize) -> io::Result<History> {
        unimplemented!()
    }
    /// The first line that arrived at or after `time`; `next_seq` if none. Blocks on the disk.
    pub fn seq_at(&self, _time: Millis) -> io::Result<u64> {
        unimplemented!()
    }
}
