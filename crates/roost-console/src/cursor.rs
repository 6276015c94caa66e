//! A reader's place, and what reading gives.
//!
//! Where the lines come from is the business of the console.

use crate::ring::Entry;

/// Where a reader stands: the next line that it wants. Plain data, no registration: dropping it is leaving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Sequence number of the next line wanted.
    pub seq: u64,
    /// Next ring entry (lines or event); `u64::MAX` when not aligned with the ring yet.
    pub entry: u64,
}

impl Cursor {
    /// The value of `entry` for a cursor that only knows its line.
    pub const NOT_ALIGNED: u64 = u64::MAX;
}

/// What [`crate::Console::read`] gives.
#[derive(Debug, Clone)]
pub enum Read {
    /// What came, in order; the cursor moved behind it. The first batch may begin before the cursor's old `seq`:
    /// use [`crate::Batch::classic_from`].
    Entries(Vec<Entry>),
    /// Nothing new.
    Empty,
    /// No longer in the ring: go on with [`crate::Console::history`], off the thread that must not wait for a disk.
    /// Events may have been missed: tell the reader the current state afterwards.
    Behind,
    /// The console is gone, and everything before was read.
    Closed,
}
