//! What a power cut could still take, and how to make it last, on whichever thread may wait for a disk.
//!
//! ```text
//!   closed files ──> active file ──> names ──> the directory's own name
//! ```
//!
//! Bytes before names. What a killed node left unsynced is synced after the next opening too. A line that was handed
//! out and not synced may be gone after a power cut, and its number may then come again with another line, under another
//! stream id ([`super::epoch`]); every other number is used once. When to sync is not this file's business.

use super::{Journal, Segment, Shared, files::LogFile, lock, segment::Form};
use std::{
    io,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release},
    sync::{Arc, Mutex},
};

/// Written, not yet safe from a power cut.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// The active segment has new records.
    pub(super) data: bool,
    /// Names have changed.
    pub(super) names: bool,
    /// Segments that were closed since.
    closed: Vec<Arc<LogFile>>,
    /// Found at the opening: nobody knows whether they were ever synced, nor the directory's own name.
    found: Option<Vec<Arc<Segment>>>,
}

impl Unsynced {
    /// After opening.
    pub(super) fn after_open(closed: &[Arc<Segment>]) -> Self {
        Self {
            data: true,
            names: true,
            closed: Vec::new(),
            found: Some(closed.to_vec()),
        }
    }

    pub(super) fn rolled(&mut self, closed: Option<Arc<LogFile>>) {
        self.closed.extend(closed);
        self.names = true;
        self.data = true;
    }

    fn is_nothing(&self) -> bool {
        !self.data && !self.names
    }
}

/// The jobs of a journal.
#[derive(Debug, Default)]
pub(super) struct Syncs {
    /// Held by the one that runs.
    alone: Mutex<()>,
    /// Made, and not run to a good end.
    undone: AtomicUsize,
    /// One failed. The kernel says so once: what was lost by it is lost, whatever later ones say.
    failed: AtomicBool,
}

/// Files to be synced.
#[derive(Debug)]
#[must_use]
pub struct SyncJob {
    shared: Arc<Shared>,
    unsynced: Unsynced,
    active: (Arc<Segment>, Option<Arc<LogFile>>),
    /// The journal is closed: nobody else is at its files when the job is done.
    closing: bool,
}

impl SyncJob {
    /// Blocks until all of it is on the disk. After an error the caller must assume that a power cut loses it.
    pub fn run(mut self) -> io::Result<()> {
        let syncs = &self.shared.syncs;
        let alone = lock(&syncs.alone);
        if self.closing && syncs.undone.load(Acquire) > 1 {
            // What another one took and is not at yet.
            self.unsynced.names = true;
            self.unsynced.found = Some(self.shared.segments().to_vec());
        }
        let result = self.sync();
        if result.is_ok() {
            syncs.undone.fetch_sub(1, Release);
        } else {
            syncs.failed.store(true, Release);
        }
        if self.closing && !syncs.failed.load(Acquire) {
            // It may be lost: then viewers begin anew after the next boot.
            let _ = self.shared.epoch.closed().write(&self.shared.dir, false);
        }
        drop(alone);
        if self.closing {
            drop(lock(&self.shared.upkeep));
        }
        if result.is_err() {
            self.shared.sync_everything.store(true, Release);
        }
        result
    }

    fn sync(&self) -> io::Result<()> {
        let (dir, unsynced) = (&self.shared.dir, &self.unsynced);
        for segment in unsynced.found.iter().flatten() {
            if segment.header.form == Form::Frames {
                // Safe before it got its name.
                continue;
            }
            match dir.read(&segment.name()).and_then(|file| file.sync()) {
                // Removed meanwhile.
                Err(e) if e.kind() == io::ErrorKind::NotFound => {}
                result => result?,
            }
        }
        for file in &unsynced.closed {
            file.sync()?;
        }
        if let Some(file) = &self.active.1 {
            file.sync()?;
        }
        if unsynced.names {
            dir.sync()?;
        }
        if unsynced.found.is_some() {
            dir.sync_parent()?;
        }
        for segment in unsynced.found.iter().flatten().chain([&self.active.0]) {
            segment.durable.store(segment.is_made(), Release);
        }
        Ok(())
    }
}

impl Journal {
    /// Whether there is something to sync.
    pub(crate) fn needs_sync(&self) -> bool {
        !self.unsynced.is_nothing() || self.shared.sync_everything.load(Acquire)
    }

    /// Syncs everything here and now, also what an earlier job is at.
    pub(super) fn sync_all(&mut self) -> io::Result<()> {
        self.shared.sync_everything.store(true, Release);
        match self.sync_job() {
            Some(job) => job.run(),
            None => Ok(()),
        }
    }

    /// What is to be synced, if anything was written since the last time.
    pub(crate) fn sync_job(&mut self) -> Option<SyncJob> {
        let mut unsynced = std::mem::take(&mut self.unsynced);
        if self.shared.sync_everything.swap(false, Acquire) {
            unsynced.names = true;
            unsynced.found = Some(self.shared.segments().to_vec());
        }
        (!unsynced.is_nothing()).then(|| self.job(unsynced, false))
    }

    /// The last one: compressing stops for good, and is over when the job is done.
    pub(crate) fn closing_job(&mut self) -> SyncJob {
        self.shared.hurry.store(true, Release);
        let unsynced = std::mem::take(&mut self.unsynced);
        self.job(unsynced, true)
    }

    fn job(&self, unsynced: Unsynced, closing: bool) -> SyncJob {
        self.shared.syncs.undone.fetch_add(1, Relaxed);
        SyncJob {
            shared: Arc::clone(&self.shared),
            unsynced,
            active: (Arc::clone(&self.active), self.file.clone()),
            closing,
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.shared.hurry.store(true, Release);
    }
}
