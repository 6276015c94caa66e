//! What a power cut could still take, and how to make it last, on whichever thread may wait for a disk.
//!
//! When to sync is not its business.

use super::{Journal, files::Dir};
use std::{fs::File, io, sync::Arc};

/// Written, not yet safe from a power cut.
#[derive(Debug, Default)]
pub(super) struct Unsynced {
    /// The active segment has new records.
    pub(super) data: bool,
    /// Names have changed.
    pub(super) names: bool,
    /// Segments that were closed since.
    closed: Vec<Arc<File>>,
}

impl Unsynced {
    /// After opening, where a segment may have been made.
    pub(super) fn after_open(made: bool) -> Self {
        Self {
            data: made,
            names: made,
            closed: Vec::new(),
        }
    }

    pub(super) fn rolled(&mut self, closed: Arc<File>) {
        self.closed.push(closed);
        self.names = true;
        self.data = true;
    }
}

/// Files to be synced. It holds them open, and nothing else of the journal.
#[derive(Debug)]
#[must_use]
pub struct SyncJob {
    files: Vec<Arc<File>>,
    dir: Option<std::os::fd::OwnedFd>,
}

impl SyncJob {
    /// Blocks until all of it is on the disk. After an error the caller must assume that a power cut loses it.
    pub fn run(self) -> io::Result<()> {
        for file in self.files {
            rustix::fs::fdatasync(&*file)?;
        }
        if let Some(dir) = self.dir {
            rustix::fs::fsync(dir)?;
        }
        Ok(())
    }
}

impl Journal {
    /// What is to be synced, if anything was written since the last time.
    pub(crate) fn sync_job(&mut self) -> io::Result<Option<SyncJob>> {
        let Unsynced { data, names, closed } = std::mem::take(&mut self.unsynced);
        if !data && !names {
            return Ok(None);
        }
        let mut files = closed;
        files.push(Arc::clone(&self.file));
        let dir = names.then(|| Dir::duplicate(&self.shared.dir)).transpose()?;
        Ok(Some(SyncJob { files, dir }))
    }
}
