//! Reads lines back, from any number on, while the writer goes on and retention removes old segments.
//!
//! A reader holds nothing but the list that it took: a segment that is gone when it is opened was removed or compressed,
//! and the new list is taken. What the reader has seen before, and the ring, are not its business.

use super::{Segment, Shared, Tried, segment::Kind};
use crate::batch::{Batch, Style};
use roost_wire::{clock::Millis, node_api::Source};
use std::{io, sync::Arc};

/// Bytes after which lines read back begin a new batch: any number gives the same lines.
const BATCH: usize = 64 << 10;

/// Lines that follow each other without a gap.
#[derive(Debug)]
pub(crate) struct Lines {
    pub(crate) batches: Vec<Arc<Batch>>,
    /// The number to go on with.
    pub(crate) next: u64,
}

impl Shared {
    /// The first lines from `from` on that there are, below `limit`: at most about `max_bytes`, and up to the next
    /// gap. If there are none, `next` is `limit`.
    pub(crate) fn lines(&self, from: u64, limit: u64, max_bytes: usize, style: &Style) -> io::Result<Lines> {
        let mut out = Builder::new(style);
        let mut from = from;
        let mut segments = self.segments();
        while !(from..limit).is_empty() {
            let at = segments.partition_point(|s| s.end_seq() <= from);
            let Some(segment) = segments.get(at) else { break };
            if from < segment.first_seq() {
                if !out.is_empty() {
                    break;
                }
                from = segment.first_seq();
                continue;
            }
            let taken = self.lines_of(segment, from, limit, max_bytes, &mut out);
            match self.tried(segment, taken)? {
                Tried::Moved => segments = self.segments(),
                Tried::Done(true) => break,
                // Where lines are missing at its end, the next segment's first line stops it.
                Tried::Done(false) | Tried::Gone => from = segment.end_seq(),
            }
        }
        let next = if out.is_empty() { limit } else { out.next };
        Ok(Lines {
            batches: out.finish(),
            next,
        })
    }

    /// Takes the lines of one segment. Says whether to stop there.
    fn lines_of(
        &self,
        segment: &Segment,
        from: u64,
        limit: u64,
        max_bytes: usize,
        out: &mut Builder<'_>,
    ) -> io::Result<bool> {
        let limit = limit.min(segment.end_seq());
        let Some(stretch) = self.with_index(segment, |index| index.stretch_of(from))? else {
            return Ok(false);
        };
        let mut scanner = self.scan(segment, Some(stretch))?;
        while let Some(found) = scanner.next()? {
            let Kind::Line { source, .. } = found.meta.kind else {
                continue;
            };
            let seq = found.meta.seq;
            if seq < from {
                continue;
            }
            if seq >= limit {
                break;
            }
            if out.bytes >= max_bytes || (!out.is_empty() && seq != out.next) {
                return Ok(true);
            }
            out.push(source, seq, found.bytes);
        }
        Ok(false)
    }

    /// The first line whose time is at least `time`; `None` if there is none.
    pub(crate) fn seq_at(&self, time: Millis) -> io::Result<Option<u64>> {
        let mut from = 0;
        loop {
            let segments = self.segments();
            let at = segments.partition_point(|s| s.first_seq() < from);
            let Some(segment) = segments.get(at) else {
                return Ok(None);
            };
            let found = self.seq_in(segment, time);
            match self.tried(segment, found)? {
                Tried::Done(Some(seq)) => return Ok(Some(seq)),
                Tried::Moved => {}
                Tried::Done(None) | Tried::Gone => from = segment.first_seq() + 1,
            }
        }
    }

    fn seq_in(&self, segment: &Segment, time: Millis) -> io::Result<Option<u64>> {
        if self.times(segment)?.1 < time {
            return Ok(None);
        }
        let Some(stretch) = self.with_index(segment, |index| index.first_reaching(time))? else {
            return Ok(None);
        };
        let mut scanner = self.scan(segment, Some(stretch))?;
        while let Some(found) = scanner.next()? {
            let is_line = matches!(found.meta.kind, Kind::Line { .. });
            if is_line && found.meta.time >= time && found.meta.seq < segment.end_seq() {
                return Ok(Some(found.meta.seq));
            }
        }
        Ok(None)
    }
}

/// Makes batches of records: each of one source, without a gap, of about [`BATCH`] bytes.
struct Builder<'a> {
    style: &'a Style,
    done: Vec<Arc<Batch>>,
    source: Source,
    first_seq: u64,
    buf: Vec<u8>,
    starts: Vec<u32>,
    /// The number after the last line.
    next: u64,
    /// Of all batches.
    bytes: usize,
}

impl<'a> Builder<'a> {
    fn new(style: &'a Style) -> Self {
        Self {
            style,
            done: Vec::new(),
            source: Source::Output,
            first_seq: 0,
            buf: Vec::new(),
            starts: Vec::new(),
            next: 0,
            bytes: 0,
        }
    }

    fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn push(&mut self, source: Source, seq: u64, record: &[u8]) {
        if source != self.source || self.buf.len() >= BATCH {
            self.cut();
        }
        if self.starts.is_empty() {
            (self.source, self.first_seq) = (source, seq);
        }
        self.starts.push(self.buf.len() as u32);
        self.buf.extend_from_slice(record);
        self.bytes += record.len();
        self.next = seq + 1;
    }

    fn cut(&mut self) {
        if self.starts.is_empty() {
            return;
        }
        let buf = std::mem::take(&mut self.buf).into();
        let starts = std::mem::take(&mut self.starts);
        let batch = Batch::new(buf, starts, self.source, self.first_seq, self.style.clone());
        self.done.push(Arc::new(batch));
    }

    fn finish(mut self) -> Vec<Arc<Batch>> {
        self.cut();
        self.done
    }
}
