//! Lines of a console in order, wherever they are held: the ring, or the disk behind it.
//!
//! Which of them are shown, and how, is the routes' business.

use roost_console::{Console, Cursor, Entry, History, Read};
use std::io;

/// Bytes of lines read at once.
const PIECE: usize = 256 << 10;

/// The next lines, from the ring where they are there, else from the disk; nothing at the end. The
/// first batch may begin before the cursor. Blocks on the disk.
pub(super) fn piece(console: &Console, cursor: &mut Cursor) -> io::Result<History> {
    let from_ring = |entries: Vec<Entry>| History {
        missed: None,
        batches: entries
            .into_iter()
            .filter_map(|entry| match entry {
                Entry::Lines(batch) => Some(batch),
                Entry::Event(_) => None,
            })
            .collect(),
    };
    loop {
        match console.read(cursor, PIECE) {
            Read::Entries(entries) => {
                let history = from_ring(entries);
                // Events alone: there may be lines behind them.
                if !history.batches.is_empty() {
                    return Ok(history);
                }
            }
            Read::Behind => {
                let history = console.history(cursor, PIECE)?;
                if !history.batches.is_empty() || history.missed.is_some() {
                    return Ok(history);
                }
            }
            Read::Empty | Read::Closed => return Ok(from_ring(Vec::new())),
        }
    }
}
