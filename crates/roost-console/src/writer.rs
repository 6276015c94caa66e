//! The one that appends: bytes, notices and events become lines in the journal, and then entries in the ring.
//!
//! Each call either writes and publishes everything that it was asked to, or changes nothing and says why. Reading
//! keepers, deciding when a partial line is due and when to sync is the pump's business. What an installer says has a
//! stream of its own: [`installer`].

mod installer;

use crate::{
    Limits, Position, Recovery,
    batch::{Batch, Style},
    console::{Console, Lost},
    journal::{self, Journal, compress::CompressJob, files::is_full, staged::Staged, sync::SyncJob},
    ring::{Entry, Event, Ring},
    split::{SOFT_CAP, Splitter},
};
use bytes::Bytes;
use roost_wire::{clock::Millis, encoding::Encoding, node_api::Source};
use std::{
    io,
    path::Path,
    sync::{Arc, RwLock, atomic::Ordering},
};
use uuid::Uuid;

/// A longer chunk becomes several batches of about this size.
const BATCH: usize = 64 * 1024;

const NO_ROOM: &str = "The disk is full: this console's history could not be brought in order when the node took it up. That is done as soon as there is room; free some space.";

/// The one owner that appends. Everything returns after write(2) and after the ring holds it.
#[derive(Debug)]
pub struct Writer {
    journal: Journal,
    splitter: Splitter,
    /// The installer's output, which is no part of a run's stream.
    installer: Splitter,
    run: Option<Uuid>,
    /// Bytes of the run's stream that were taken: journaled, or pending in the splitter.
    received: u64,
    limits: Limits,
    console: Arc<Console>,
}

pub(crate) fn open(
    dir: &Path,
    app: &str,
    limits: Limits,
    now: Millis,
    boot: Uuid,
) -> io::Result<(Writer, Arc<Console>, Recovery)> {
    let opened = journal::recovery::open(dir, journal::retention::segment_bytes(&limits), boot)?;
    let journal = opened.journal;
    let console = Arc::new(Console {
        ring: Ring::new(limits.ring_bytes, journal.next_seq()),
        journal: Arc::clone(&journal.shared),
        style: RwLock::new(Style {
            app: app.into(),
            encoding: Encoding::Utf8,
        }),
        run_first_seq: opened.run_first_seq.into(),
        lost: Lost::default(),
    });
    let mut writer = Writer {
        splitter: Splitter::new(SOFT_CAP, opened.open),
        installer: Splitter::new(SOFT_CAP, false),
        run: opened.run.map(|(run, _)| run),
        received: opened.run.map_or(0, |(_, offset)| offset),
        journal,
        limits,
        console: Arc::clone(&console),
    };
    let mut notes = opened.notes;
    let state = writer.state();
    let no_room = match writer.journal.enforce(&limits, now, state, true) {
        Err(e) if is_full(&e) => true,
        result => {
            notes.extend(result?);
            writer.journal.is_behind()
        }
    };
    if no_room {
        notes.push(NO_ROOM.to_owned());
    }
    Ok((writer, console, Recovery { notes }))
}

impl Writer {
    /// The side that readers share.
    pub fn console(&self) -> &Arc<Console> {
        &self.console
    }

    /// Offsets belong to this run from now on and begin at 0. A line of the run before that had not ended ends here.
    pub fn begin_run(&mut self, run: Uuid, now: Millis) -> io::Result<()> {
        self.begin_run_at(run, 0, now)
    }

    /// The same for a stream whose bytes before `offset` are in the journal already, from another source.
    pub fn begin_run_at(&mut self, run: Uuid, offset: u64, now: Millis) -> io::Result<()> {
        let mut staged = self.stage(now, 1, SOFT_CAP)?;
        self.stage_last(&mut staged);
        staged.run(run, offset);
        self.publish(staged)?;
        self.splitter.reset();
        self.run = Some(run);
        self.console
            .run_first_seq
            .store(self.journal.next_seq(), Ordering::Relaxed);
        self.received = offset;
        Ok(())
    }

    /// The stream of this run has broken off: what is pending is shown, and what can't be shown yet (the beginning of
    /// a character, a `\r`) is forgotten, so that what follows can come from elsewhere, by [`Self::recovered`].
    pub fn break_off(&mut self, now: Millis) -> io::Result<()> {
        self.flush_partial(now)?;
        self.received = self.journaled();
        self.splitter.forget_pending();
        Ok(())
    }

    /// Output of this run that came another way than by its stream, after [`Self::break_off`]. `time` is when the
    /// server said it.
    pub fn recovered(&mut self, bytes: &[u8], time: Millis) -> io::Result<()> {
        for chunk in bytes.chunks(BATCH) {
            self.chunk(chunk, time)?;
        }
        Ok(())
    }

    /// The first line of the current run; after opening, the first of its lines in the last segment.
    pub fn run_first_seq(&self) -> u64 {
        self.console.run_first_seq()
    }

    /// Where to resume the keeper's stream: everything before is in the journal, and may be forgotten by the keeper.
    pub fn position(&self) -> Option<Position> {
        let run = self.run?;
        Some(Position {
            run,
            offset: self.journaled(),
        })
    }

    /// Bytes of the run's stream that were taken: in the journal, or pending until their line ends.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of the run's stream that are in the journal.
    fn journaled(&self) -> u64 {
        self.received - self.splitter.pending() as u64
    }

    /// Appends a chunk that ends at `end_offset` of the run's stream. Returns how many lines it completed.
    ///
    /// What was taken before is left out, so that after an error the same chunk can simply be given again. Where the
    /// chunk begins later than the stream was known, the hole between is stated first.
    pub fn output(&mut self, bytes: &[u8], end_offset: u64, now: Millis) -> io::Result<usize> {
        let start = end_offset.saturating_sub(bytes.len() as u64);
        if start > self.received {
            self.hole(start, None, now)?;
        }
        let known = usize::try_from(self.received - start).unwrap_or(usize::MAX);
        let mut lines = 0;
        for chunk in bytes.get(known..).unwrap_or_default().chunks(BATCH) {
            lines += self.chunk(chunk, now)?;
        }
        Ok(lines)
    }

    fn chunk(&mut self, chunk: &[u8], now: Millis) -> io::Result<usize> {
        self.splitter.encoding = self.console.encoding();
        let bound = self.splitter.pieces_bound(chunk);
        let bytes = self.splitter.pending() + chunk.len();
        let mut staged = self.stage(now, bound, if bound == 0 { 0 } else { bytes })?;
        let mut lines = 0;
        let base = self.journaled();
        let fed = self.splitter.feed(chunk, |piece| {
            lines += usize::from(!piece.open);
            let end = base + piece.end as u64;
            staged.line(Source::Output, piece.continued, piece.open, end, piece.bytes);
        });
        self.publish(staged)?;
        self.splitter.commit(chunk, fed);
        self.received += chunk.len() as u64;
        Ok(lines)
    }

    /// Whether [`Self::flush_partial`] would show something.
    pub fn has_partial(&self) -> bool {
        self.splitter.partial().is_some()
    }

    /// Shows pending text now; the rest of its line follows as a continuation. Returns how many pieces were shown.
    pub fn flush_partial(&mut self, now: Millis) -> io::Result<usize> {
        if !self.has_partial() {
            return Ok(0);
        }
        let mut staged = self.stage(now, 1, self.splitter.pending())?;
        let base = self.journaled();
        if let Some(piece) = self.splitter.partial() {
            let end = base + piece.end as u64;
            staged.line(Source::Output, piece.continued, true, end, piece.bytes);
        }
        self.publish(staged)?;
        self.splitter.commit_partial();
        Ok(1)
    }

    /// The stream has ended: pending text becomes a whole line. Returns how many lines that were.
    pub fn end_of_stream(&mut self, now: Millis) -> io::Result<usize> {
        let mut staged = self.stage(now, 1, self.splitter.pending())?;
        let lines = self.stage_last(&mut staged);
        self.publish(staged)?;
        self.splitter.reset();
        Ok(lines)
    }

    /// A hole in the stream that nobody can fill: a daemon line says so, `lines` counts newlines lost if known.
    pub fn hole(&mut self, to_offset: u64, lines: Option<u64>, now: Millis) -> io::Result<()> {
        let bytes = to_offset.saturating_sub(self.received);
        let text = match lines {
            Some(lines) => format!("{lines} lines ({bytes} bytes) of the server's output were lost here."),
            None => format!("{bytes} bytes of the server's output were lost here."),
        };
        let mut staged = self.stage(now, 2, self.splitter.pending() + text.len())?;
        self.stage_last(&mut staged);
        staged.line(
            Source::Daemon,
            false,
            false,
            to_offset.max(self.received),
            text.as_bytes(),
        );
        self.publish(staged)?;
        self.splitter.reset();
        self.received = self.received.max(to_offset);
        let lost = &self.console.lost;
        lost.bytes.fetch_add(bytes, Ordering::Relaxed);
        lost.lines.fetch_add(lines.unwrap_or(0), Ordering::Relaxed);
        Ok(())
    }

    /// A line of the daemon's own, or of what it says about an installation; each line of `text`, if it has several.
    pub fn notice(&mut self, source: Source, text: &str, now: Millis) -> io::Result<()> {
        let mut staged = self.stage(now, 1, text.len())?;
        let offset = self.journaled();
        for line in text.lines().chain(text.is_empty().then_some("")) {
            let mut continued = false;
            let mut rest = line;
            loop {
                let (piece, after) = rest.split_at(rest.floor_char_boundary(SOFT_CAP));
                staged.line(source, continued, !after.is_empty(), offset, piece.as_bytes());
                if after.is_empty() {
                    break;
                }
                (continued, rest) = (true, after);
            }
        }
        self.publish(staged)
    }

    /// Puts an event (a status, ...) among the lines of the ring, in its place; not in the journal.
    pub fn event(&mut self, event: Event) {
        self.console.ring.push([Entry::Event(Arc::new(event))]);
    }

    /// fdatasync if anything was written since. Blocks on the disk.
    pub fn sync(&mut self) -> io::Result<()> {
        match self.journal.sync_job() {
            Some(job) => job.run(),
            None => Ok(()),
        }
    }

    /// What [`Self::sync`] would do, for a thread that may wait for the disk; `None` if there is nothing to do.
    pub fn sync_job(&mut self) -> Option<SyncJob> {
        self.journal.sync_job()
    }

    /// Whether there is something to sync; straight after opening there always is.
    pub fn needs_sync(&self) -> bool {
        self.journal.needs_sync()
    }

    /// The next closed segment to be compressed, for a thread that has time; `None` if all are. One at a time.
    pub fn compress_job(&self) -> Option<CompressJob> {
        self.journal.compress_job()
    }

    /// Drops segments over the limits. Returns a sentence for the console if any went. Call it each second or so.
    /// Where only the newest segment would be left, it waits until that one was synced.
    pub fn enforce_limits(&mut self, now: Millis) -> io::Result<Option<String>> {
        let state = self.state();
        self.journal.enforce(&self.limits, now, state, false)
    }

    /// New limits.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
        self.journal.segment_bytes = journal::retention::segment_bytes(&limits);
        self.console.ring.set_max_bytes(limits.ring_bytes);
    }

    /// Erases lines older than `before`, from the disk and from memory. Returns how many. Blocks on the disk.
    pub fn erase_before(&mut self, before: Millis) -> io::Result<u64> {
        let (run, open) = self.state();
        let erased = self.journal.erase(before, run, open);
        self.console.ring.forget(before);
        erased
    }

    /// Ends the ring: readers get [`crate::Read::Closed`]. What is pending is not lost: the keeper sends it again. When
    /// the job was run, everything is synced and nobody writes in the directory any more.
    pub fn close(mut self) -> SyncJob {
        self.journal.closing_job()
    }

    /// For a new segment: the state that the last record left.
    fn state(&self) -> (Option<(Uuid, u64)>, bool) {
        let run = self.run.map(|run| (run, self.journaled()));
        (run, self.splitter.continued())
    }

    /// Small pieces and small segments, so that a short stream meets every seam.
    #[cfg(test)]
    pub(crate) fn make_small(&mut self, cap: usize, segment_bytes: u64) {
        self.splitter = Splitter::new(cap, self.splitter.continued());
        self.installer = Splitter::new(cap, false);
        self.journal.segment_bytes = segment_bytes;
    }

    fn stage(&mut self, now: Millis, lines: usize, bytes: usize) -> io::Result<Staged> {
        let (run, open) = self.state();
        self.journal.prepare(run, open)?;
        let next_seq = self.journal.next_seq();
        Ok(Staged::new(self.journal.salt(), next_seq, now, lines, bytes))
    }

    fn stage_last(&self, staged: &mut Staged) -> usize {
        let Some(piece) = self.splitter.last() else {
            return 0;
        };
        staged.line(Source::Output, piece.continued, false, self.received, piece.bytes);
        1
    }

    /// The journal first, then the ring.
    fn publish(&mut self, staged: Staged) -> io::Result<()> {
        if staged.is_empty() {
            return Ok(());
        }
        self.journal.append(&staged)?;
        let (buf, groups) = staged.into_parts();
        let buf = Bytes::from(buf);
        let style = self.console.style();
        let batches = groups.into_iter().map(|group| {
            let batch = Batch::new(
                buf.clone(),
                group.starts,
                group.source,
                group.first_seq,
                style.clone(),
            );
            Entry::Lines(Arc::new(batch))
        });
        self.console.ring.push(batches);
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.console.ring.close();
    }
}

#[cfg(test)]
mod tests;
