//! The journal: one directory a server, append-only segments of checksummed records.
//!
//! ```text
//!   00000000000000000001.zlog  closed    named by the first line's number; removed from the front by retention
//!   00000000000000052731.log   closed    to be compressed
//!   00000000000000104992.log   active    the one that is written; its file stays, however empty, and keeps the number
//!   epoch                               which stream viewers see
//! ```
//!
//! [`Journal`] is the writer's side, [`Shared`] what readers see: the list of segments and how far each is written.
//! A write that failed leaves nothing behind. Where the disk is full when a journal is opened, its active segment is made
//! before the first line. Lines, rings and cursors are not its business.

pub(crate) mod blocks;
pub(crate) mod compress;
pub(crate) mod epoch;
pub(crate) mod files;
pub(crate) mod frames;
pub(crate) mod index;
pub(crate) mod read;
pub(crate) mod recovery;
pub(crate) mod retention;
pub(crate) mod scan;
pub(crate) mod segment;
pub(crate) mod staged;
pub(crate) mod sync;

#[cfg(test)]
mod fuzz;

use epoch::Epoch;
use files::{Dir, LogFile};
use frames::Table;
use index::{Index, Stretch};
use roost_wire::clock::Millis;
use scan::Scanner;
use segment::{Form, HEADER_LEN, Header};
use staged::Staged;
use std::{
    io,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Release},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};
use uuid::Uuid;

/// One file of the journal.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) header: Header,
    /// Whole, published bytes on the disk. Grows only while the segment is active.
    len: AtomicU64,
    /// The number after its last line (of a closed one: where the next segment begins).
    end_seq: AtomicU64,
    /// Smallest and largest time, where it is known without a walk over the file.
    times: Mutex<Option<(Millis, Millis)>>,
    /// Of the active segment always there; else made when first wanted.
    index: Mutex<Option<Index>>,
    /// Its header and its name are safe from a power cut.
    durable: AtomicBool,
}

impl Segment {
    fn new(header: Header, len: u64, end_seq: u64, index: Option<Index>) -> Self {
        Self {
            header,
            len: AtomicU64::new(len),
            end_seq: AtomicU64::new(end_seq),
            times: Mutex::new(None),
            index: Mutex::new(index),
            durable: AtomicBool::new(false),
        }
    }

    pub(crate) fn first_seq(&self) -> u64 {
        self.header.first_seq
    }

    pub(crate) fn end_seq(&self) -> u64 {
        self.end_seq.load(Acquire)
    }

    pub(crate) fn len(&self) -> u64 {
        self.len.load(Acquire)
    }

    /// False where the disk was full when it was to be made: it is in the list and not on the disk.
    fn is_made(&self) -> bool {
        self.len() > 0
    }

    fn has_lines(&self) -> bool {
        self.end_seq() > self.first_seq()
    }

    pub(crate) fn name(&self) -> String {
        file_name(self.first_seq(), self.header.form)
    }
}

/// A file that is not whole yet. Left behind by a kill, it is removed at the next opening.
const DRAFT: &str = "draft.new";

/// The name of the segment whose first line has this number.
fn file_name(first_seq: u64, form: Form) -> String {
    match form {
        Form::Plain => format!("{first_seq:020}.log"),
        Form::Frames => format!("{first_seq:020}.zlog"),
    }
}

/// A lock that a panic elsewhere must not make useless: what it guards is always whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of reading a segment's file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Tried<T> {
    Done(T),
    /// Removed or compressed meanwhile: the list of segments is another one now.
    Moved,
    /// Nobody here removed it: a gap like any damage.
    Gone,
}

/// What readers see.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) dir: Dir,
    /// The id in the segments; viewers see the epoch's.
    pub(crate) stream: Uuid,
    pub(crate) epoch: Epoch,
    /// Oldest first; the last one is active. Replaced as a whole, so that readers keep what they took.
    segments: RwLock<Arc<Vec<Arc<Segment>>>>,
    /// The next sync is to take everything: one failed.
    sync_everything: AtomicBool,
    syncs: sync::Syncs,
    /// Held by whoever replaces files of closed segments.
    upkeep: Mutex<()>,
    /// Somebody waits for `upkeep`, or the journal is closed: compressing stops.
    hurry: AtomicBool,
}

impl Shared {
    /// The segments right now.
    pub(crate) fn segments(&self) -> Arc<Vec<Arc<Segment>>> {
        self.segments
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn holds(&self, segment: &Arc<Segment>) -> bool {
        self.segments().iter().any(|s| Arc::ptr_eq(s, segment))
    }

    /// Says what a file that is not there any more means; other errors stay errors.
    fn tried<T>(&self, segment: &Arc<Segment>, result: io::Result<T>) -> io::Result<Tried<T>> {
        match result {
            Ok(done) => Ok(Tried::Done(done)),
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
            Err(_) if self.holds(segment) => Ok(Tried::Gone),
            Err(_) => Ok(Tried::Moved),
        }
    }

    fn change_segments(&self, change: impl FnOnce(&mut Vec<Arc<Segment>>)) {
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut segments));
    }

    /// Puts `new` in the place of `old`. Says whether that was there still.
    fn exchange(&self, old: &Arc<Segment>, new: Option<Arc<Segment>>) -> bool {
        let mut was_there = false;
        self.change_segments(|segments| {
            if let Some(at) = segments.iter().position(|s| Arc::ptr_eq(s, old)) {
                segments.splice(at..=at, new);
                was_there = true;
            }
        });
        was_there
    }

    /// The oldest line's number (the next line's, if there is none).
    pub(crate) fn first_seq(&self) -> u64 {
        self.segments().first().map_or(1, |s| s.first_seq())
    }

    /// Bytes on disk.
    pub(crate) fn bytes(&self) -> u64 {
        self.segments().iter().map(|s| s.len()).sum()
    }

    /// Does something with a segment's index; blocks on the disk if it must be made first.
    pub(crate) fn with_index<R>(&self, segment: &Segment, f: impl FnOnce(&Index) -> R) -> io::Result<R> {
        let mut index = lock(&segment.index);
        if index.is_none() {
            let (file, salt) = (self.dir.read(&segment.name())?, segment.header.salt);
            *index = Some(match segment.header.form {
                Form::Plain => {
                    let (pos, first) = (HEADER_LEN as u64, segment.first_seq());
                    Index::build(Scanner::plain(file, salt, pos, segment.len(), first))?
                }
                Form::Frames => match Table::read(&file)? {
                    Some(table) => table.into_index(),
                    None => Table::rebuild(&file, salt, segment.end_seq())?.into_index(),
                },
            });
        }
        Ok(f(index.get_or_insert_default()))
    }

    /// A walk over a segment, from a stretch on or whole.
    pub(crate) fn scan(&self, segment: &Segment, from: Option<Stretch>) -> io::Result<Scanner> {
        let (pos, seq) = from.map_or((HEADER_LEN as u64, segment.first_seq()), |s| (s.pos, s.seq));
        let (file, salt) = (self.dir.read(&segment.name())?, segment.header.salt);
        Ok(match segment.header.form {
            Form::Plain => Scanner::plain(file, salt, pos, segment.len(), seq),
            Form::Frames => {
                let frames = self.with_index(segment, Index::frames)?.unwrap_or_default();
                Scanner::frames(file, salt, frames, pos, seq)
            }
        })
    }

    /// Smallest and largest time in a segment, or a little more.
    pub(crate) fn times(&self, segment: &Segment) -> io::Result<(Millis, Millis)> {
        if let Some(times) = *lock(&segment.times) {
            return Ok(times);
        }
        self.with_index(segment, Index::times)
    }
}

/// The writer's side.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(crate) shared: Arc<Shared>,
    active: Arc<Segment>,
    /// `None` where that is not made yet.
    file: Option<Arc<LogFile>>,
    /// The epoch could not be written yet: before it is, no line is.
    epoch_due: bool,
    /// A write failed: what it left behind may not be gone after a power cut, so nothing is written behind it.
    pub(crate) spoiled: bool,
    unsynced: sync::Unsynced,
    /// Bytes after which a segment is closed.
    pub(crate) segment_bytes: u64,
}

impl Journal {
    /// Checksums of records for the active segment start from this.
    pub(crate) fn salt(&self) -> u32 {
        self.active.header.salt
    }

    /// Closes a full segment, so that the next batch goes into a new one. `run` and `open` are the state reached.
    pub(crate) fn prepare(&mut self, run: Option<(Uuid, u64)>, open: bool) -> io::Result<()> {
        self.make_up(run, open)?;
        let is_full = self.active.len() >= self.segment_bytes;
        if self.spoiled
            && let Some(file) = &self.file
        {
            file.truncate(self.active.len())?;
        }
        match self.active.has_lines() {
            true if is_full || self.spoiled => self.roll(run, open),
            false if self.spoiled => self.begin_again(run, open),
            _ => Ok(()),
        }
    }

    /// Something was left undone at the opening, because the disk was full.
    pub(crate) fn is_behind(&self) -> bool {
        self.epoch_due || !self.active.is_made()
    }

    /// Does it.
    fn make_up(&mut self, run: Option<(Uuid, u64)>, open: bool) -> io::Result<()> {
        if self.epoch_due {
            self.shared.epoch.write(&self.shared.dir, true)?;
            self.epoch_due = false;
        }
        match self.active.is_made() {
            true => Ok(()),
            false => self.begin_again(run, open),
        }
    }

    /// Writes a batch. After an error the journal is as before, and the same can be tried again.
    pub(crate) fn append(&mut self, staged: &Staged) -> io::Result<()> {
        let Some(file) = &self.file else {
            return Err(io::Error::other("the journal's newest file is not made yet"));
        };
        let len = self.active.len();
        if let Err(e) = file.write_all_at(staged.bytes(), len) {
            self.spoiled = true;
            // Tried again before the next write.
            let _ = file.truncate(len);
            return Err(e);
        }
        if let Some(index) = lock(&self.active.index).as_mut() {
            for (seq, pos) in staged.places() {
                index.note(seq, staged.time(), len + pos);
            }
        }
        self.active.len.store(len + staged.bytes().len() as u64, Release);
        self.active.end_seq.store(staged.next_seq(), Release);
        self.unsynced.data = true;
        Ok(())
    }

    /// Closes the active segment and begins the next. Only called where it has lines: a name is used once.
    fn roll(&mut self, run: Option<(Uuid, u64)>, open: bool) -> io::Result<()> {
        debug_assert!(self.active.has_lines());
        let before = lock(&self.active.index)
            .as_ref()
            .map_or((Millis::MIN, Millis::MAX), Index::times);
        let next = self.begin(run, open, before, false)?;
        *lock(&self.active.times) = Some(before);
        self.shared
            .change_segments(|segments| segments.push(next.0.clone()));
        let closed = self.make_active(next);
        self.unsynced.rolled(closed);
        Ok(())
    }

    /// Makes the active segment, which has no lines, anew. The stream's id may stand nowhere else, so the new file is
    /// safe before it takes the old one's name: the one time that a write waits for a sync.
    fn begin_again(&mut self, run: Option<(Uuid, u64)>, open: bool) -> io::Result<()> {
        let next = self.begin(run, open, self.active.header.before, true)?;
        self.shared.change_segments(|segments| {
            segments.pop();
            segments.push(next.0.clone());
        });
        self.make_active(next);
        self.unsynced.names = true;
        Ok(())
    }

    fn begin(
        &self,
        run: Option<(Uuid, u64)>,
        open: bool,
        before: (Millis, Millis),
        synced: bool,
    ) -> io::Result<(Arc<Segment>, LogFile)> {
        let header = Header {
            form: Form::Plain,
            salt: fresh_salt(),
            stream: self.shared.stream,
            first_seq: self.active.end_seq(),
            run,
            open,
            before,
        };
        let file = create_segment(&self.shared.dir, &header, synced)?;
        let index = Some(Index::default());
        let segment = Segment::new(header, HEADER_LEN as u64, header.first_seq, index);
        Ok((Arc::new(segment), file))
    }

    /// Returns the file of the one that was active.
    fn make_active(&mut self, (segment, file): (Arc<Segment>, LogFile)) -> Option<Arc<LogFile>> {
        self.active = segment;
        self.spoiled = false;
        self.unsynced.data = true;
        self.file.replace(Arc::new(file))
    }

    /// The number of the line to come.
    pub(crate) fn next_seq(&self) -> u64 {
        self.active.end_seq()
    }
}

/// Makes a segment with its header, which is `synced` first, under its name in one step.
fn create_segment(dir: &Dir, header: &Header, synced: bool) -> io::Result<LogFile> {
    dir.remove(DRAFT)?;
    let file = dir.create(DRAFT)?;
    let made = file
        .write_all_at(&header.encode(), 0)
        .and_then(|()| if synced { file.sync() } else { Ok(()) })
        .and_then(|()| dir.rename(DRAFT, &file_name(header.first_seq, header.form)));
    if let Err(e) = made {
        dir.remove(DRAFT)?;
        return Err(e);
    }
    Ok(file)
}

/// Random, and unknown to whoever prints lines.
fn fresh_salt() -> u32 {
    Uuid::new_v4().as_u128() as u32
}
