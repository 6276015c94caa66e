//! The last batches and events, bounded in bytes, for readers that keep up.
//!
//! ```text
//!     first                                   end
//!       │ lines │ lines │ event │ lines │ ...  │      entries are numbered from 0 and never renumbered
//!       └ dropped when the bytes are over      └ pushed by the writer
//! ```
//!
//! A reader clones pointers under a short lock, and looks at one atomic number to learn that nothing is new. That
//! number only saves the lock: it is stored inside it, what a reader gets is decided inside it, and a reader that sees an
//! old number is woken by the writer, who wakes after the store. So nothing here is lock-free. Journals are not its
//! business.

use crate::{batch::Batch, cursor::Cursor, cursor::Read, journal::lock};
use bytes::Bytes;
use roost_wire::clock::Millis;
use std::{
    collections::VecDeque,
    sync::Arc,
    sync::Mutex,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release},
};

/// Pointers taken under one lock at most, so that the writer never waits long.
const ENTRIES_A_READ: usize = 256;

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
    /// The classic WebSocket frame, whole; empty if classic viewers get none.
    pub classic: Bytes,
    /// The same for viewers that speak `roost.v1`.
    pub v1: Bytes,
    /// Who may see it.
    pub audience: Audience,
}

/// Who may see an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Every viewer.
    All,
    /// Who may see the installer.
    Install,
    /// Who may type.
    Console,
}

impl Entry {
    fn weight(&self) -> usize {
        match self {
            Self::Lines(batch) => batch.weight(),
            Self::Event(event) => event.classic.len() + event.v1.len() + size_of::<Event>(),
        }
    }
}

#[derive(Debug)]
struct Slot {
    /// The number of the next line when this came.
    start: u64,
    /// The number of the next line after it; for an event, the same.
    end: u64,
    entry: Entry,
}

#[derive(Debug)]
struct State {
    slots: VecDeque<Slot>,
    /// Number of the first entry held.
    first: u64,
    bytes: usize,
    max_bytes: usize,
    next_seq: u64,
}

impl State {
    fn end(&self) -> u64 {
        self.first + self.slots.len() as u64
    }

    /// The oldest line held; the next line's number if there is none.
    fn first_seq(&self) -> u64 {
        self.slots.front().map_or(self.next_seq, |slot| slot.start)
    }

    /// The entry in which line `seq`, which must be held or be the next, stands.
    fn entry_of(&self, seq: u64) -> u64 {
        self.first + self.slots.partition_point(|slot| slot.end <= seq) as u64
    }

    fn drop_first(&mut self) {
        if let Some(slot) = self.slots.pop_front() {
            self.first += 1;
            self.bytes -= slot.entry.weight();
        }
    }

    /// The newest entry stays even where it alone is over the bound.
    fn trim(&mut self) {
        while self.bytes > self.max_bytes && self.slots.len() > 1 {
            self.drop_first();
        }
    }
}

/// See the file's head.
#[derive(Debug)]
pub(crate) struct Ring {
    state: Mutex<State>,
    /// Number of the entry to come.
    end: AtomicU64,
    closed: AtomicBool,
}

impl Ring {
    pub(crate) fn new(max_bytes: usize, next_seq: u64) -> Self {
        Self {
            state: Mutex::new(State {
                slots: VecDeque::new(),
                first: 0,
                bytes: 0,
                max_bytes,
                next_seq,
            }),
            end: AtomicU64::new(0),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn push(&self, entries: impl IntoIterator<Item = Entry>) {
        let mut state = lock(&self.state);
        for entry in entries {
            let start = state.next_seq;
            if let Entry::Lines(batch) = &entry {
                state.next_seq = batch.end_seq();
            }
            state.bytes += entry.weight();
            let end = state.next_seq;
            state.slots.push_back(Slot { start, end, entry });
        }
        state.trim();
        self.end.store(state.end(), Release);
    }

    pub(crate) fn set_max_bytes(&self, max_bytes: usize) {
        let mut state = lock(&self.state);
        state.max_bytes = max_bytes;
        state.trim();
    }

    /// Drops everything up to the last line that is older than `before`.
    pub(crate) fn forget(&self, before: Millis) {
        let mut state = lock(&self.state);
        let old = state.slots.iter().rposition(|slot| match &slot.entry {
            Entry::Lines(batch) => batch.lines().any(|line| line.time < before),
            Entry::Event(_) => false,
        });
        for _ in 0..old.map_or(0, |at| at + 1) {
            state.drop_first();
        }
    }

    /// No entry comes any more.
    pub(crate) fn close(&self) {
        self.closed.store(true, Release);
    }

    pub(crate) fn next_seq(&self) -> u64 {
        lock(&self.state).next_seq
    }

    pub(crate) fn first_seq(&self) -> u64 {
        lock(&self.state).first_seq()
    }

    pub(crate) fn tail(&self) -> Cursor {
        let state = lock(&self.state);
        Cursor {
            seq: state.next_seq,
            entry: state.end(),
        }
    }

    /// In front of line `seq` or, where that is not held, a cursor for the journal.
    pub(crate) fn at(&self, seq: u64) -> Cursor {
        let mut cursor = Cursor {
            seq,
            entry: Cursor::NOT_ALIGNED,
        };
        self.align(&mut cursor);
        cursor
    }

    /// Points a cursor at its line's entry, if the line is held; one that is past the end is put at the end.
    /// Otherwise returns the first line held.
    pub(crate) fn align(&self, cursor: &mut Cursor) -> Option<u64> {
        let state = lock(&self.state);
        cursor.seq = cursor.seq.min(state.next_seq);
        if cursor.seq < state.first_seq() {
            cursor.entry = Cursor::NOT_ALIGNED;
            return Some(state.first_seq());
        }
        cursor.entry = state.entry_of(cursor.seq);
        None
    }

    pub(crate) fn read(&self, cursor: &mut Cursor, max_bytes: usize) -> Read {
        // In this order: what was pushed before the close is seen.
        let closed = self.closed.load(Acquire);
        if cursor.entry == self.end.load(Acquire) {
            return if closed { Read::Closed } else { Read::Empty };
        }
        if cursor.entry == Cursor::NOT_ALIGNED && self.align(cursor).is_some() {
            return Read::Behind;
        }
        let state = lock(&self.state);
        let Some(skip) = cursor.entry.checked_sub(state.first) else {
            return Read::Behind;
        };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX).min(state.slots.len());
        let mut taken = Vec::new();
        let mut bytes = 0;
        for slot in state.slots.range(skip..).take(ENTRIES_A_READ) {
            if bytes >= max_bytes && !taken.is_empty() {
                break;
            }
            bytes += slot.entry.weight();
            cursor.seq = slot.end;
            taken.push(slot.entry.clone());
        }
        cursor.entry = state.first + (skip + taken.len()) as u64;
        match taken.is_empty() {
            true => Read::Empty,
            false => Read::Entries(taken),
        }
    }
}

#[cfg(test)]
mod tests;
