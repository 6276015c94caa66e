//! Where the lines of one record of a console lie in another: the journal's last lines, or a new stream's first ones, in
//! the engine's log.
//!
//! ```text
//!   journal   ... a b c│                      c is the last line
//!   log           a b c d e f g h             `behind`: the log goes on at d
//!   stream                  │f g h ...        `ahead`: the stream begins in e's or f's line
//! ```
//!
//! Pure: lines with times in, places out. Where several places fit, all of them are told, so that what may be missing
//! can be counted. Reading and writing lines is not its business.

use roost_wire::clock::Millis;
use std::{
    hash::{DefaultHasher, Hash, Hasher},
    ops::RangeInclusive,
};

/// Lines that are compared at most.
pub(super) const DEPTH: usize = 200;
/// So many equal lines in a row are no coincidence, whatever the clocks say.
const STRONG: usize = 8;
/// Fewer than that must have been said within this time, in milliseconds.
const WEAK: i64 = 2000;
/// Of several places those are taken that lie within this time, in milliseconds. Engine and keeper see a line within
/// milliseconds of each other.
const NEAR: i64 = 500;
/// What `json-file` puts in the place of bytes that are not UTF-8.
const REPLACED: &[u8] = "\u{FFFD}".as_bytes();

/// A line, as far as it is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Key {
    exact: u64,
    ascii: u64,
    mangled: bool,
    time: Millis,
}

impl Key {
    /// Of a whole line; `\r`s at its end do not count.
    pub(super) fn new(line: &[u8], time: Millis) -> Self {
        let line = without_cr(line);
        let hash = |bytes: &mut dyn Iterator<Item = u8>| {
            let mut hasher = DefaultHasher::new();
            bytes.for_each(|byte| hasher.write_u8(byte));
            hasher.finish()
        };
        let is_ascii = line.is_ascii();
        let mut exact = DefaultHasher::new();
        line.hash(&mut exact);
        Self {
            exact: exact.finish(),
            ascii: if is_ascii {
                exact.finish()
            } else {
                hash(&mut line.iter().copied().filter(u8::is_ascii))
            },
            mangled: !is_ascii && memchr::memmem::find(line, REPLACED).is_some(),
            time,
        }
    }

    fn is(&self, other: &Self) -> bool {
        self.exact == other.exact || (self.mangled || other.mangled) && self.ascii == other.ascii
    }
}

/// The line without the `\r`s at its end.
pub(super) fn without_cr(line: &[u8]) -> &[u8] {
    let run = line.iter().rev().take_while(|&&byte| byte == b'\r').count();
    &line[..line.len() - run]
}

/// How many of the log's lines are in the journal already, whose last whole lines are `tail`: every number that fits.
/// `fits` is asked whether the line at such a number can be the next. `None`: the log has none of them.
pub(super) fn behind(
    tail: &[Key],
    log: &[Key],
    fits: impl Fn(usize) -> bool,
) -> Option<RangeInclusive<usize>> {
    let Some(last) = tail.last() else {
        return Some(0..=0);
    };
    let matched = |at: usize| {
        let pairs = tail.iter().rev().zip(log[..at].iter().rev());
        let equal = pairs.take(DEPTH).take_while(|(a, b)| a.is(b)).count();
        (equal, at.min(tail.len()).min(DEPTH))
    };
    let away = |at: usize| (log[at - 1].time - last.time).abs();
    choose((1..=log.len()).filter(|&at| fits(at)), matched, away)
}

/// The same where the log lacks the journal's last lines: an engine that is killed has passed on more than it has
/// logged. How many they are, too. What follows in the log must be younger than all of the journal.
pub(super) fn behind_loss(
    tail: &[Key],
    log: &[Key],
    fits: impl Fn(usize) -> bool,
) -> Option<(RangeInclusive<usize>, usize)> {
    let last = tail.last()?;
    let is_younger = |at: usize| log.get(at).is_none_or(|next| next.time > last.time + NEAR);
    let fits = |at: usize| at >= STRONG && is_younger(at) && fits(at);
    (1..=tail.len().saturating_sub(STRONG)).find_map(|lost| {
        let places = behind(&tail[..tail.len() - lost], log, fits)?;
        Some((places, lost))
    })
}

/// How many of the log's lines are over with the first line of a stream whose first whole lines are `head`: every
/// number that fits. The stream may begin within its first line; `ends` is asked whether the log's line at an index
/// ends like it. Where `whole`, the log must have all of `head`.
pub(super) fn ahead(
    head: &[Key],
    log: &[Key],
    ends: impl Fn(usize) -> bool,
    whole: bool,
) -> Option<RangeInclusive<usize>> {
    let (first, rest) = head.split_first()?;
    let matched = |at: usize| {
        let pairs = rest.iter().zip(&log[at..]);
        let equal = pairs.take(DEPTH).take_while(|(a, b)| a.is(b)).count();
        let there = if whole { usize::MAX } else { log.len() - at };
        // The first line was compared by `ends`.
        (equal + 1, rest.len().min(there).min(DEPTH) + 1)
    };
    let away = |at: usize| (log[at - 1].time - first.time).abs();
    choose((1..=log.len()).filter(|&at| ends(at - 1)), matched, away)
}

/// Of all places, those that stay. `matched` tells how many lines are equal there and how many should be.
fn choose(
    places: impl Iterator<Item = usize>,
    matched: impl Fn(usize) -> (usize, usize),
    away: impl Fn(usize) -> i64,
) -> Option<RangeInclusive<usize>> {
    let (mut whole, mut best, mut best_equal) = (Vec::new(), Vec::new(), STRONG);
    for at in places {
        let (equal, wanted) = matched(at);
        if equal >= wanted {
            if equal >= STRONG || away(at) <= WEAK {
                whole.push(at);
            }
        } else if equal >= best_equal {
            if equal > best_equal {
                (best, best_equal) = (Vec::new(), equal);
            }
            best.push(at);
        }
    }
    // Something between them is missing in one of the two, further back.
    let mut fit = if whole.is_empty() { best } else { whole };
    if fit.len() > 1 && fit.iter().any(|&at| away(at) <= NEAR) {
        fit.retain(|&at| away(at) <= NEAR);
    }
    Some(*fit.first()?..=*fit.last()?)
}

#[cfg(test)]
mod tests;
