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
//! writer never waits for a reader. [`Console::search`] looks through the files alone. Who may read, and how bytes reach a viewer, is left to the node.

mod ansi;
mod batch;
mod console;
mod cursor;
mod journal;
mod line;
mod ring;
mod search;
mod split;
mod text;
mod writer;

pub use ansi::without_escapes;
pub use batch::Batch;
pub use console::{Console, History, Missed};
pub use cursor::{Cursor, Read};
pub use journal::compress::{CompressJob, Compressed};
pub use journal::sync::SyncJob;
pub use line::{Line, LineJoiner};
pub use ring::{Audience, Entry, Event};
pub use search::{BadQuery, Budget, Case, Found, FoundLine, Query};
pub use text::{decode, encode};
pub use writer::Writer;

use roost_wire::clock::Millis;
use std::{io, path::Path, sync::Arc};
use uuid::Uuid;

/// How much history is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of journal a server.
    pub journal_bytes: u64,
    /// Age of the oldest line, in milliseconds; 0 or less for any age.
    pub journal_age: i64,
    /// Per cent of the disk that stays free; 0 for none.
    pub disk_free_percent: u8,
    /// Bytes of lines in the ring. A wire form that is made of them comes on top, about as much again.
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

/// Opens (or makes) the journal in `dir`, whose parent must be there, and brings it within its limits: the one writer,
/// and the side that any number of readers share. `app` is the name in front of the daemon's own lines. A full disk is no
/// hindrance: what needs room is done before the first line is written.
pub fn open(
    dir: &Path,
    app: &str,
    limits: Limits,
    now: Millis,
) -> io::Result<(Writer, Arc<Console>, Recovery)> {
    writer::open(dir, app, limits, now, journal::epoch::boot_id())
}
