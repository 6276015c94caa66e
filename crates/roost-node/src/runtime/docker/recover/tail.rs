//! The last lines that a journal has of a container's output.
//!
//! Where they are in the engine's log is `align`'s business.

use super::align::{DEPTH, Key};
use crate::pump::Broken;
use roost_console::LineJoiner;
use roost_wire::{clock::Millis, node_api::Source};
use std::{collections::VecDeque, io};

/// Pieces of lines that are looked at.
const PIECES: u64 = 4000;
/// Bytes that are read at once.
const BLOCK: usize = 1 << 20;
/// Longest line that is put together, in bytes.
const LINE_MAX: usize = 4 << 20;

/// See the file's head.
#[derive(Debug, Default)]
pub(super) struct Tail {
    /// Whole lines.
    pub(super) lines: Vec<Key>,
    /// When the last one came, or the beginning of the next.
    pub(super) last: Option<Millis>,
    /// What the journal has of a line that has not ended.
    pub(super) open: Vec<u8>,
}

impl Tail {
    /// Those of the run that broke off where it is the container's own (`same`), else those since `started`.
    pub(super) async fn read(broken: Broken, same: bool, started: Millis) -> Result<Self, String> {
        let read = tokio::task::spawn_blocking(move || {
            let (first, since) = if same {
                (broken.run_first_seq, Millis::MIN)
            } else {
                (0, started)
            };
            Self::of(&broken, first, since)
        });
        match read.await {
            Ok(Ok(tail)) => Ok(tail),
            Ok(Err(error)) => Err(format!("the console's history can't be read ({error})")),
            Err(_) => Err("the node failed while it read the console's history".to_owned()),
        }
    }

    fn of(broken: &Broken, first: u64, since: Millis) -> io::Result<Self> {
        let console = &broken.console;
        let next = console.next_seq();
        let from = next.saturating_sub(PIECES).max(first).max(console.first_seq());
        let mut cursor = console.at(from);
        let mut joiner = LineJoiner::new(LINE_MAX);
        let (mut lines, mut last) = (VecDeque::with_capacity(DEPTH + 1), None);
        loop {
            let history = console.lines(&mut cursor, BLOCK)?;
            if history.batches.is_empty() {
                break;
            }
            for batch in history
                .batches
                .iter()
                .filter(|batch| batch.source() == Source::Output)
            {
                for line in batch
                    .lines()
                    .filter(|line| line.seq >= from && line.time >= since)
                {
                    last = Some(line.time);
                    let headless = line.continued && joiner.so_far().is_none();
                    if let Some(whole) = joiner.push(line)
                        && !headless
                    {
                        lines.push_back(Key::new(whole, line.time));
                        if lines.len() > DEPTH {
                            lines.pop_front();
                        }
                    }
                }
            }
        }
        Ok(Self {
            lines: lines.into(),
            last,
            open: joiner.so_far().unwrap_or_default().to_vec(),
        })
    }
}
