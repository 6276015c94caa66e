//! Reads stretches of a segment in one go, backwards or forwards, for those who look at every line.
//!
//! Stretches whose times are of no interest are not read. What is looked for is not its business.

use super::{
    Segment, Shared, Tried,
    frames::Frame,
    index::Stretch,
    segment::{self, Kind, Meta, Parsed, RECORD_LEN},
};
use roost_wire::clock::Millis;
use std::{
    io,
    ops::{Range, RangeInclusive},
    sync::Arc,
};

/// Records that follow each other.
#[derive(Debug, Default)]
pub(crate) struct Block {
    /// They, and whatever damage there is.
    pub(crate) buf: Vec<u8>,
    salt: u32,
    /// The first line's number.
    pub(crate) first_seq: u64,
    /// Where to go on behind it.
    pub(crate) end_seq: u64,
}

impl Block {
    /// Every whole line: what it is, and where its bytes are.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (Meta, Range<usize>)> {
        let (mut at, mut next) = (0, self.first_seq);
        std::iter::from_fn(move || {
            loop {
                match segment::parse(self.buf.get(at..)?, self.salt) {
                    Parsed::Record(meta, len) if meta.seq >= next => {
                        let start = at;
                        at += len;
                        if let Kind::Line { .. } = meta.kind {
                            next = meta.seq + 1;
                            return Some((meta, start + RECORD_LEN..at));
                        }
                    }
                    _ => at += 1,
                }
            }
        })
    }
}

/// Where a block is.
struct Plan {
    stretches: Vec<Stretch>,
    frames: Option<Arc<[Frame]>>,
    /// Where the stretch behind the last one begins.
    end: Option<Stretch>,
}

impl Shared {
    /// Reads the stretches that end with the one that line `before - 1` is in, or an older one: at most about `max`
    /// bytes, and only such as hold a time `within`. Says whether there was one.
    pub(crate) fn block_before(
        &self,
        before: u64,
        within: &RangeInclusive<Millis>,
        max: u64,
        block: &mut Block,
    ) -> io::Result<bool> {
        let mut before = before;
        loop {
            let segments = self.segments();
            let at = segments.partition_point(|s| s.first_seq() < before);
            let Some(segment) = at.checked_sub(1).and_then(|at| segments.get(at)) else {
                return Ok(false);
            };
            let found = self.block_in(segment, block, |stretches| {
                let behind = stretches.partition_point(|s| s.seq < before);
                let is_of_use = |s: &Stretch| s.times.0 <= *within.end() && s.times.1 >= *within.start();
                let last = stretches[..behind].iter().rposition(is_of_use)?;
                let mut first = last;
                while first > 0
                    && is_of_use(&stretches[first - 1])
                    && stretches[last].pos - stretches[first - 1].pos < max
                {
                    first -= 1;
                }
                Some(first..last + 1)
            });
            match self.tried(segment, found)? {
                Tried::Done(true) => return Ok(true),
                Tried::Moved => {}
                Tried::Done(false) | Tried::Gone => before = segment.first_seq(),
            }
        }
    }

    /// Reads the stretch that line `from` is in, or the first one behind it. Says whether there was one.
    pub(crate) fn block_at(&self, from: u64, block: &mut Block) -> io::Result<bool> {
        let mut from = from;
        loop {
            let segments = self.segments();
            let at = segments.partition_point(|s| s.end_seq() <= from);
            let Some(segment) = segments.get(at) else {
                return Ok(false);
            };
            let found = self.block_in(segment, block, |stretches| {
                let at = stretches.partition_point(|s| s.seq <= from).saturating_sub(1);
                stretches.get(at).map(|_| at..at + 1)
            });
            match self.tried(segment, found)? {
                Tried::Done(true) => return Ok(true),
                Tried::Moved => {}
                Tried::Done(false) | Tried::Gone => from = segment.end_seq(),
            }
        }
    }

    /// Reads the stretches that `choose` names. Says whether there were any.
    fn block_in(
        &self,
        segment: &Segment,
        block: &mut Block,
        choose: impl FnOnce(&[Stretch]) -> Option<Range<usize>>,
    ) -> io::Result<bool> {
        let plan = self.with_index(segment, |index| {
            let stretches = index.stretches();
            let chosen = choose(stretches)?;
            Some(Plan {
                end: stretches.get(chosen.end).copied(),
                frames: index.frames(),
                stretches: stretches[chosen].to_vec(),
            })
        })?;
        let Some(plan) = plan else { return Ok(false) };
        let (Some(first), Some(last)) = (plan.stretches.first(), plan.stretches.last()) else {
            return Ok(false);
        };
        block.salt = segment.header.salt;
        block.first_seq = first.seq;
        block.end_seq = plan.end.map_or(segment.end_seq(), |s| s.seq);
        block.buf.clear();
        let file = self.dir.read(&segment.name())?;
        let Some(frames) = plan.frames else {
            let end = plan.end.map_or(segment.len(), |s| s.pos);
            let len = usize::try_from(end.saturating_sub(first.pos)).unwrap_or(usize::MAX);
            block.buf.resize(len, 0);
            let read = file.read_at(&mut block.buf, first.pos)?;
            block.buf.truncate(read);
            return Ok(true);
        };
        let mut decoder = None;
        for frame in frames.iter().skip_while(|f| f.plain_pos < first.pos) {
            if frame.plain_pos > last.pos {
                break;
            }
            // One that is damaged is a gap.
            frame.read(&file, &mut decoder, &mut block.buf)?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests;
