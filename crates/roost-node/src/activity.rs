//! What people did on this node's consoles, on its way to the panel's audit.
//!
//! A row is on disk when [`Recorder::record`] returns, and stays there until the panel has taken it: it survives a
//! kill of the node and a panel that is away. Rows carry ids, so that one which is sent twice is taken once. What is
//! worth a row is decided by the socket and the actor.

mod queue;
mod ship;

pub use ship::ship;

use crate::server::handle::Requester;
use queue::Queue;
use roost_wire::{
    clock::{Clock, rfc3339},
    remote::Activity,
};
use serde_json::{Map, Value};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::Notify;
use uuid::Uuid;

/// Bytes of rows that wait at most. Past it the oldest are dropped, and a row says how many.
pub const QUEUE_MAX: u64 = 64 << 20;

/// Takes rows. Cheap to clone.
#[derive(Clone)]
pub struct Recorder(Arc<Inner>);

struct Inner {
    queue: Mutex<Queue>,
    arrived: Notify,
    /// Rows went to the panel.
    taken: Notify,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorder")
    }
}

impl Recorder {
    /// Opens the queue file, or makes it.
    pub fn open(path: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        Ok(Self(Arc::new(Inner {
            queue: Mutex::new(Queue::open(path, QUEUE_MAX)?),
            arrived: Notify::new(),
            taken: Notify::new(),
            clock,
        })))
    }

    /// Records that `by` did `event` (such as `server:console.command`) on `server`. `details` is an object, or null.
    /// One write(2), no wait for the disk or the panel.
    pub fn record(&self, server: Uuid, event: &str, by: &Requester, details: Value) {
        let now = self.0.clock.now();
        let mut metadata = match details {
            Value::Object(map) => map,
            _ => Map::new(),
        };
        if let Some(credential) = &by.credential {
            metadata.insert("credential".to_owned(), credential.clone().into());
        }
        let row = Activity {
            id: Some(row_id(now)),
            user: by.user.map(|user| user.to_string()),
            server,
            event: event.to_owned(),
            metadata: Some(metadata),
            ip: by.address.map(|ip| ip.to_string()),
            timestamp: rfc3339(now),
        };
        if let Err(error) = self.with(|queue| queue.push(&row)) {
            tracing::error!(%server, event, %error, "an audit row could not be written to disk and is lost");
        }
        self.0.arrived.notify_one();
    }

    /// Waits until the panel has taken all rows, at most so long.
    pub async fn shipped(&self, patience: Duration) {
        let all_taken = async {
            loop {
                let taken = self.0.taken.notified();
                if self.with(|queue| queue.is_empty()) {
                    return;
                }
                taken.await;
            }
        };
        let _ = tokio::time::timeout(patience, all_taken).await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.0.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A UUIDv7: rows sort by time.
fn row_id(now: i64) -> Uuid {
    let secs = u64::try_from(now.div_euclid(1000)).unwrap_or(0);
    let nanos = u32::try_from(now.rem_euclid(1000)).unwrap_or(0) * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(uuid::NoContext, secs, nanos))
}
