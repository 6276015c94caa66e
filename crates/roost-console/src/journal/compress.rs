//! Compresses closed segments, one at a time, on whichever thread has nothing better to do.
//!
//! ```text
//!   N.log ──read──> draft ──sync──> N.zlog ──sync names──> list of segments ──> N.log is removed
//! ```
//!
//! Readers who took the list before go on with the old file, or find it gone and take the new list. Killed or cut at any
//! point, there is N.log or N.zlog or both, and both say the same. The writer never waits for this, but for erasing and
//! closing, which tell it to stop. When is the caller's business.

use super::{
    Journal, Segment, Shared,
    files::LogFile,
    frames::{FRAME, Table},
    lock,
    segment::Form,
};
use std::{
    io,
    sync::Arc,
    sync::atomic::Ordering::{Acquire, Release},
};
use zstd::bulk::Compressor;

/// A file that is not whole yet. Left behind by a kill, it is removed at the next opening.
pub(super) const DRAFT: &str = "compress.new";
const LEVEL: i32 = 3;

/// One closed segment to be compressed.
#[derive(Debug)]
#[must_use]
pub struct CompressJob {
    shared: Arc<Shared>,
    segment: Arc<Segment>,
}

/// What a [`CompressJob`] came to, in bytes of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressed {
    /// Before.
    pub from: u64,
    /// After.
    pub to: u64,
}

impl CompressJob {
    /// Blocks on the disk. `None` where there was no need any more, or something more urgent. After an error the segment
    /// is as before.
    pub fn run(self) -> io::Result<Option<Compressed>> {
        let _alone = lock(&self.shared.upkeep);
        if !self.is_wanted() {
            return Ok(None);
        }
        let dir = &self.shared.dir;
        dir.remove(DRAFT)?;
        let made = dir.create(DRAFT).and_then(|file| self.write(&file));
        match made {
            Ok(Some(new)) => self.put_in_place(&Arc::new(new)),
            Ok(None) => dir.remove(DRAFT).map(|()| None),
            Err(e) => {
                dir.remove(DRAFT)?;
                Err(e)
            }
        }
    }

    /// The segment is still there, and nobody waits for us.
    fn is_wanted(&self) -> bool {
        !self.shared.hurry.load(Acquire) && self.shared.holds(&self.segment)
    }

    /// Writes the draft; `None` if something else is more urgent.
    fn write(&self, file: &LogFile) -> io::Result<Option<Segment>> {
        let mut header = self.segment.header;
        header.form = Form::Frames;
        file.write_all_at(&header.encode(), 0)?;
        let mut table = Table::new(self.segment.end_seq());
        let mut compressor = Compressor::new(LEVEL)?;
        let mut plain = Vec::with_capacity(FRAME);
        let mut flush = |plain: &mut Vec<u8>, table: &mut Table| {
            let packed = compressor.compress(plain)?;
            file.write_all_at(&packed, table.frames_end())?;
            table.push(&packed, plain, header.salt);
            plain.clear();
            io::Result::Ok(())
        };
        let mut scanner = self.shared.scan(&self.segment, None)?;
        while let Some(found) = scanner.next()? {
            if !plain.is_empty() && plain.len() + found.bytes.len() > FRAME {
                flush(&mut plain, &mut table)?;
                if self.shared.hurry.load(Acquire) {
                    return Ok(None);
                }
            }
            plain.extend_from_slice(found.bytes);
        }
        if !plain.is_empty() {
            flush(&mut plain, &mut table)?;
        }
        let end = table.encode();
        file.write_all_at(&end, table.frames_end())?;
        file.sync()?;
        let len = table.frames_end() + end.len() as u64;
        let index = table.into_index();
        Ok(Some(Segment::new(
            header,
            len,
            self.segment.end_seq(),
            Some(index),
        )))
    }

    /// Gives the draft its name and its place, unless there is no need any more.
    fn put_in_place(&self, new: &Arc<Segment>) -> io::Result<Option<Compressed>> {
        let (dir, old) = (&self.shared.dir, &self.segment);
        if !self.is_wanted() {
            return dir.remove(DRAFT).map(|()| None);
        }
        dir.rename(DRAFT, &new.name())?;
        if let Err(e) = dir.sync() {
            dir.remove(&new.name())?;
            return Err(e);
        }
        new.durable.store(true, Release);
        let is_placed = self.shared.exchange(old, Some(Arc::clone(new)));
        // If it was not, retention was faster.
        dir.remove(&if is_placed { old.name() } else { new.name() })?;
        Ok(is_placed.then(|| Compressed {
            from: old.len(),
            to: new.len(),
        }))
    }
}

impl Journal {
    /// The oldest closed segment that is not compressed.
    pub(crate) fn compress_job(&self) -> Option<CompressJob> {
        let segments = self.shared.segments();
        let (_, closed) = segments.split_last()?;
        let segment = closed.iter().find(|s| s.header.form == Form::Plain)?;
        Some(CompressJob {
            shared: Arc::clone(&self.shared),
            segment: Arc::clone(segment),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;
    use roost_wire::node_api::Source;

    #[test]
    fn what_went_while_it_was_compressed_gets_no_new_name() {
        let home = tempfile::tempdir().unwrap();
        let limits = Limits {
            journal_bytes: 1 << 30,
            journal_age: 10,
            disk_free_percent: 0,
            ring_bytes: 0,
        };
        let (mut writer, console, _) = crate::open(&home.path().join("journal"), "Roost", limits, 0).unwrap();
        writer.make_small(64, 200);
        for n in 0..6 {
            writer.notice(Source::Daemon, "one of some lines", n).unwrap();
        }
        writer.sync().unwrap();
        let job = writer.compress_job().unwrap();
        let dir = &console.journal.dir;
        let new = job.write(&dir.create(DRAFT).unwrap()).unwrap().unwrap();
        writer.enforce_limits(100).unwrap();
        let changes = dir.tape.len();
        assert_eq!(job.put_in_place(&Arc::new(new)).unwrap(), None);
        assert_eq!(dir.tape.len(), changes + 1, "the draft is removed, no more");
        assert!(!dir.names().unwrap().iter().any(|name| name == DRAFT));
    }
}
