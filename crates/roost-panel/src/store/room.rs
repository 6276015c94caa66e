//! A full disk under the database: how the engines say it, and one line in the log when it begins and when it ends.
//!
//! ```text
//!   a statement or commit fails for want of room ─► Room::told    ─► said in the log, at most once a minute
//!   something was written                        ─► Room::written ─► after that: said that there is room again
//! ```
//!
//! Nothing is held back meanwhile: each write is tried, so that the first one after there is room succeeds.

use super::StoreError;
use sqlx::error::DatabaseError;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// A disk that is just full lets one write through and not the next: so often it is said in the log at most.
const SAID_EVERY: Duration = Duration::from_secs(60);

/// SQLite's result codes for it: `SQLITE_FULL`, and `SQLITE_IOERR_SHMSIZE` where the WAL's index can't grow.
const SQLITE: [&str; 2] = ["13", "4874"];
/// PostgreSQL's `disk_full`.
const POSTGRES: &str = "53100";

/// Whether the engine failed for want of room on its disk.
pub(super) fn is_disk_full(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    code == POSTGRES || SQLITE.contains(&&*code)
}

/// Remembers what the log says of the disk.
#[derive(Debug, Clone, Default)]
pub(super) struct Room(Arc<Mutex<Said>>);

#[derive(Debug, Default)]
struct Said {
    is_full: bool,
    at: Option<Instant>,
}

impl Room {
    /// A write failed with this. Gives it back.
    pub(super) fn told(&self, error: impl Into<StoreError>) -> StoreError {
        let error = error.into();
        if matches!(error, StoreError::DiskFull) {
            let mut said = self.said();
            if !said.is_full && said.at.is_none_or(|at| at.elapsed() >= SAID_EVERY) {
                (said.is_full, said.at) = (true, Some(Instant::now()));
                tracing::error!(
                    "the disk of the panel's database is full: changes and sign-ins are refused until there is room on it"
                );
            }
        }
        error
    }

    /// Something was written.
    pub(super) fn written(&self) {
        if std::mem::take(&mut self.said().is_full) {
            tracing::info!("the disk of the panel's database has room again");
        }
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
