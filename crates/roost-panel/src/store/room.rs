//! A full disk under the database: how the engines say it, and one line in the log when it begins and when it ends.
//!
//! ```text
//!   a statement or commit fails for want of room ─► Room::told   ─► first time: error in the log
//!   a commit succeeds                            ─► Room::written ─► was full: said that there is room again
//! ```
//!
//! Nothing is held back meanwhile: each write is tried, so that the first one after there is room succeeds.

use super::StoreError;
use sqlx::error::DatabaseError;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// SQLite's result codes for it: `SQLITE_FULL`, and `SQLITE_IOERR_SHMSIZE` where the WAL's index can't grow.
const SQLITE: [&str; 2] = ["13", "4874"];
/// PostgreSQL's `disk_full`.
const POSTGRES: &str = "53100";

/// Whether the engine failed for want of room on its disk.
pub(super) fn is_disk_full(error: &dyn DatabaseError) -> bool {
    let code = error.code().unwrap_or_default();
    code == POSTGRES || SQLITE.contains(&&*code)
}

/// Remembers whether the last write found room.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    is_full: Arc<AtomicBool>,
}

impl Room {
    /// A write failed with this. Gives it back.
    pub(super) fn told(&self, error: impl Into<StoreError>) -> StoreError {
        let error = error.into();
        if matches!(error, StoreError::DiskFull) && !self.is_full.swap(true, Ordering::Relaxed) {
            tracing::error!(
                "the disk of the panel's database is full: changes and sign-ins are refused until there is room on it"
            );
        }
        error
    }

    /// A write succeeded.
    pub(super) fn written(&self) {
        if self.is_full.load(Ordering::Relaxed) && self.is_full.swap(false, Ordering::Relaxed) {
            tracing::info!("the disk of the panel's database has room again");
        }
    }
}
