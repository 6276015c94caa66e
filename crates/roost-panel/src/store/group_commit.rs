//! Writes audit rows of many callers with one commit, since a commit costs a write to the disk and a row does not.
//!
//! ```text
//!   callers ── bounded queue ── at most 2 ms for more ── one INSERT, one COMMIT ── all callers told
//!                                                            └ disk full: rows of what is done already are kept, bounded,
//!                                                              and written as soon as there is room
//! ```
//!
//! What a row says, and when one is written, is not its business.

use super::{AuditEntry, Database, Result, StoreError, audit, room::Room};
use std::time::Duration;
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout_at},
};

/// How long the first row of a batch waits for others at most.
const WINDOW: Duration = Duration::from_millis(2);
/// Rows in one commit.
const BATCH: usize = 256;
/// Rows that may wait; further callers wait for a place.
const QUEUE: usize = 1024;
/// Rows that are kept while the disk is full.
const KEPT: usize = 256;
/// How often kept rows are tried again, where no other row comes.
const TRIED_AGAIN: Duration = Duration::from_secs(2);

/// A row, and who waits for it.
struct Waiting {
    entry: AuditEntry,
    may_be_kept: bool,
    done: oneshot::Sender<Result<()>>,
}

/// Hands rows to the task that writes them. The task ends when the last of these is dropped.
#[derive(Debug, Clone)]
pub(super) struct AuditWriter(mpsc::Sender<Waiting>);

impl AuditWriter {
    pub(super) fn start(db: Database, room: Room) -> Self {
        let (send, receive) = mpsc::channel(QUEUE);
        let writer = Writer {
            db,
            room,
            kept: Vec::new(),
        };
        tokio::spawn(writer.run(receive));
        Self(send)
    }

    pub(super) async fn write(&self, entry: AuditEntry) -> Result<()> {
        self.send(entry, false).await
    }

    /// The same; where the disk is full, the row may be written later.
    pub(super) async fn write_or_keep(&self, entry: AuditEntry) -> Result<()> {
        self.send(entry, true).await
    }

    async fn send(&self, entry: AuditEntry, may_be_kept: bool) -> Result<()> {
        let (done, answer) = oneshot::channel();
        let waiting = Waiting {
            entry,
            may_be_kept,
            done,
        };
        self.0.send(waiting).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

struct Writer {
    db: Database,
    room: Room,
    kept: Vec<AuditEntry>,
}

impl Writer {
    async fn run(mut self, mut queue: mpsc::Receiver<Waiting>) {
        let mut waiting: Vec<Waiting> = Vec::with_capacity(BATCH);
        // As many callers as last time are likely to come again: once they are here, waiting on gives nothing more. A
        // caller that is alone does not wait at all.
        let mut expected = 1;
        while let Some(first) = self.next(&mut queue).await {
            waiting.push(first);
            let window = Instant::now() + WINDOW;
            while waiting.len() < BATCH {
                if let Ok(next) = queue.try_recv() {
                    waiting.push(next);
                } else if waiting.len() >= expected {
                    break;
                } else if let Ok(Some(next)) = timeout_at(window, queue.recv()).await {
                    waiting.push(next);
                } else {
                    break;
                }
            }
            expected = waiting.len();
            self.write(&mut waiting).await;
        }
        self.write_kept().await;
    }

    /// The next row; kept ones are tried while none comes.
    async fn next(&mut self, queue: &mut mpsc::Receiver<Waiting>) -> Option<Waiting> {
        while !self.kept.is_empty() {
            match timeout_at(Instant::now() + TRIED_AGAIN, queue.recv()).await {
                Ok(next) => return next,
                Err(_) => self.write_kept().await,
            }
        }
        queue.recv().await
    }

    /// Writes a batch and tells its callers.
    async fn write(&mut self, waiting: &mut Vec<Waiting>) {
        // In the order in which things happened.
        self.write_kept().await;
        let (entries, callers): (Vec<_>, Vec<_>) = waiting
            .drain(..)
            .map(|w| (w.entry, (w.may_be_kept, w.done)))
            .unzip();
        let written = audit::write_batch(&self.db, &self.room, &entries).await;
        let is_full = matches!(written, Err(StoreError::DiskFull));
        for (entry, (may_be_kept, done)) in entries.into_iter().zip(callers) {
            let told = match written {
                Ok(()) => Ok(()),
                Err(_) if is_full => self.keep(entry, may_be_kept),
                // One row that the engine refuses must not take the others with it: each is tried alone.
                Err(_) => audit::write_batch(&self.db, &self.room, std::slice::from_ref(&entry)).await,
            };
            drop(done.send(told));
        }
    }

    fn keep(&mut self, entry: AuditEntry, may_be_kept: bool) -> Result<()> {
        if !may_be_kept || self.kept.len() >= KEPT {
            return Err(StoreError::DiskFull);
        }
        // In the log as well: should the panel end before there is room, the row is not gone without a trace.
        tracing::warn!(
            event = %entry.event,
            user = entry.user.as_ref().map(|(_, name)| name),
            server = entry.server.as_ref().map(|(_, name)| name),
            address = entry.address,
            "the disk is full: this audit row is kept in memory until there is room"
        );
        self.kept.push(entry);
        Ok(())
    }

    async fn write_kept(&mut self) {
        if self.kept.is_empty() {
            return;
        }
        match audit::write_batch(&self.db, &self.room, &self.kept).await {
            Ok(()) => self.kept.clear(),
            Err(StoreError::Engine(error)) if error.as_database_error().is_some() => {
                let rows = self.kept.len();
                self.kept.clear();
                tracing::error!(%error, rows, "the database refuses the audit rows that were kept while the disk was full");
            }
            // Full still, or closed, or busy for long.
            Err(_) => {}
        }
    }
}
