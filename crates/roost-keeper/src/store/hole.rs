//! Where output is missing, and how many lines of it.
//!
//! A node that comes back may have recorded a little more than it could acknowledge, so its resume offset can lie
//! inside a hole. The places of the newlines that some node was already sent are therefore remembered, so that the
//! rest is counted exactly.

use super::KeeperFrame;
use std::collections::VecDeque;

/// Most holes told apart; past it the last one grows over what lies between.
const HOLES_MAX: usize = 64;
/// Most newlines whose places are remembered a hole: 128 KiB.
const PLACES_MAX: usize = 32 << 10;

#[derive(Debug)]
struct Hole {
    from: u64,
    to: u64,
    newlines: u64,
    /// Places of the first newlines, counted from `from`.
    places: Vec<u32>,
    /// The connected node was told of it: it must not grow any more.
    told: bool,
}

impl Hole {
    /// How many newlines lie at or after `cursor`.
    fn newlines_from(&self, cursor: u64) -> u64 {
        let before = self
            .places
            .partition_point(|place| self.from + u64::from(*place) < cursor);
        self.newlines - before as u64
    }

    fn cut_front(&mut self, offset: u64) {
        if offset <= self.from {
            return;
        }
        let newlines = self.newlines_from(offset);
        let moved = offset - self.from;
        self.places.retain(|place| u64::from(*place) >= moved);
        for place in &mut self.places {
            *place -= u32::try_from(moved).unwrap_or(0);
        }
        self.newlines = newlines;
        self.from = offset;
    }
}

/// All holes that were not acknowledged, oldest first, never overlapping.
#[derive(Debug, Default)]
pub(super) struct Holes(VecDeque<Hole>);

impl Holes {
    pub(super) fn first(&self) -> Option<u64> {
        self.0.front().map(|hole| hole.from)
    }

    /// Where the next hole after `cursor` begins.
    pub(super) fn next_after(&self, cursor: u64) -> u64 {
        let index = self.0.partition_point(|hole| hole.from <= cursor);
        self.0.get(index).map_or(u64::MAX, |hole| hole.from)
    }

    /// The hole in which `cursor` lies, as it is told to the node.
    pub(super) fn emit(&mut self, cursor: u64) -> Option<KeeperFrame<'static>> {
        let index = self.0.partition_point(|hole| hole.to <= cursor);
        let hole = self.0.get_mut(index).filter(|hole| hole.from <= cursor)?;
        hole.told = true;
        Some(KeeperFrame::Hole {
            from: cursor,
            to: hole.to,
            newlines: hole.newlines_from(cursor),
        })
    }

    /// Another node reads from `cursor` on.
    pub(super) fn rewind(&mut self, cursor: u64) {
        for hole in &mut self.0 {
            hole.told = hole.to <= cursor;
        }
    }

    pub(super) fn ack(&mut self, offset: u64) {
        while self.0.front().is_some_and(|hole| hole.to <= offset) {
            self.0.pop_front();
        }
        if let Some(hole) = self.0.front_mut() {
            hole.cut_front(offset);
        }
    }

    /// Whether one more hole would be one too many.
    pub(super) fn is_full(&self) -> bool {
        self.0.len() >= HOLES_MAX
    }

    /// The hole that ends at `from` and may grow, or a new one.
    fn at(&mut self, from: u64) -> &mut Hole {
        let index = self.0.partition_point(|hole| hole.to < from);
        let grows = self
            .0
            .get(index)
            .is_some_and(|hole| hole.to == from && (!hole.told || self.0.len() >= HOLES_MAX));
        let index = if grows {
            index
        } else {
            let index = self.0.partition_point(|hole| hole.from < from);
            self.0.insert(
                index,
                Hole {
                    from,
                    to: from,
                    newlines: 0,
                    places: Vec::new(),
                    told: false,
                },
            );
            index
        };
        &mut self.0[index]
    }

    /// `bytes` at `offset` are lost. Those before `unsent` were sent to some node, which may have recorded them.
    pub(super) fn lose(&mut self, offset: u64, bytes: &[u8], unsent: u64) {
        let hole = self.at(offset);
        for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
            let place = offset + index as u64;
            let remembered = hole.places.len() as u64 == hole.newlines && hole.places.len() < PLACES_MAX;
            if let Ok(place) = u32::try_from(place - hole.from)
                && remembered
                && offset + (index as u64) < unsent
            {
                hole.places.push(place);
            }
            hole.newlines += 1;
        }
        hole.to = offset + bytes.len() as u64;
    }

    /// Bytes that nobody was sent are lost, with a count of newlines that is known.
    pub(super) fn lose_unsent(&mut self, offset: u64, length: u64, newlines: u64) {
        let hole = self.at(offset);
        hole.newlines += newlines;
        hole.to = offset + length;
    }

    /// Everything in `from..to` that is not a hole yet is lost, `newlines` in it. The holes there become one.
    pub(super) fn lose_range(&mut self, from: u64, to: u64, newlines: u64) {
        let mut whole = Hole {
            from,
            to,
            newlines,
            places: Vec::new(),
            told: false,
        };
        self.0.retain(|hole| {
            let inside = hole.from < whole.to && hole.to > whole.from;
            if inside {
                whole.from = whole.from.min(hole.from);
                whole.newlines += hole.newlines;
            }
            !inside
        });
        let index = self.0.partition_point(|hole| hole.from < whole.from);
        self.0.insert(index, whole);
    }
}
