//! Writes audit rows of many callers with one commit, since a commit costs a write to the disk and a row does not.
//!
//! ```text
//!   callers ── bounded queue ── at most 2 ms for more ── one INSERT, one COMMIT ── all callers told
//! ```
//!
//! What a row says, and when one is written, is not its business.

use super::{AuditEntry, Database, Result, StoreError, audit};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long the first row of a batch waits for others at most.
const WINDOW: Duration = Duration::from_millis(2);
/// Rows in one commit.
const BATCH: usize = 256;
/// Rows that may wait; further callers wait for a place.
const QUEUE: usize = 1024;

type Waiting = (AuditEntry, oneshot::Sender<Result<()>>);

/// Hands rows to the task that writes them. The task ends when the last of these is dropped.
#[derive(Debug, Clone)]
pub(super) struct AuditWriter(mpsc::Sender<Waiting>);

impl AuditWriter {
    pub(super) fn start(db: Database) -> Self {
        let (send, receive) = mpsc::channel(QUEUE);
        tokio::spawn(run(db, receive));
        Self(send)
    }

    pub(super) async fn write(&self, entry: AuditEntry) -> Result<()> {
        let (done, answer) = oneshot::channel();
        self.0.send((entry, done)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }
}

async fn run(db: Database, mut queue: mpsc::Receiver<Waiting>) {
    let mut waiting: Vec<Waiting> = Vec::with_capacity(BATCH);
    // As many callers as last time are likely to come again: once they are here, waiting on gives nothing more. A
    // caller that is alone does not wait at all.
    let mut expected = 1;
    while let Some(first) = queue.recv().await {
        waiting.push(first);
        let window = tokio::time::Instant::now() + WINDOW;
        while waiting.len() < BATCH {
            if let Ok(next) = queue.try_recv() {
                waiting.push(next);
            } else if waiting.len() >= expected {
                break;
            } else if let Ok(Some(next)) = tokio::time::timeout_at(window, queue.recv()).await {
                waiting.push(next);
            } else {
                break;
            }
        }
        expected = waiting.len();
        let (entries, callers): (Vec<_>, Vec<_>) = waiting.drain(..).unzip();
        if audit::write_batch(&db, &entries).await.is_ok() {
            for caller in callers {
                drop(caller.send(Ok(())));
            }
            continue;
        }
        // One row that the engine refuses must not take the others with it: each is tried alone.
        for (entry, caller) in entries.iter().zip(callers) {
            let written = audit::write_batch(&db, std::slice::from_ref(entry)).await;
            drop(caller.send(written));
        }
    }
}
