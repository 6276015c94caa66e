//! One thread that waits for disks, so that no pump does: fdatasync of journals.
//!
//! Bounded by its callers: a feed has at most one sync under way. When to sync is not its business.

use super::inbox::{Inbox, Message};
use roost_console::SyncJob;
use std::{
    io,
    sync::{Arc, mpsc},
};
use tokio::sync::oneshot;
use uuid::Uuid;

/// Who wants to know.
#[derive(Debug)]
pub(super) enum Then {
    /// The feed of this server, over its thread's inbox.
    Tell(Arc<Inbox>, Uuid),
    /// Whoever had the server removed.
    Answer(oneshot::Sender<()>),
}

/// Cheap to clone; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct Syncer(mpsc::Sender<(SyncJob, Then)>);

impl Syncer {
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<(SyncJob, Then)>();
        std::thread::Builder::new()
            .name("pump-sync".to_owned())
            .spawn(move || {
                for (job, then) in queue {
                    let result = job.run();
                    match then {
                        Then::Tell(inbox, server) => inbox.send(Message::Synced(server, result)),
                        Then::Answer(reply) => {
                            if let Err(error) = result {
                                tracing::error!(%error, "the journal of a removed server could not be synced");
                            }
                            let _ = reply.send(());
                        }
                    }
                }
            })?;
        Ok(Self(jobs))
    }

    /// Syncs on the other thread, and then tells.
    pub(super) fn sync(&self, job: SyncJob, then: Then) {
        // The thread lives as long as there is a sender.
        if self.0.send((job, then)).is_err() {
            tracing::error!(
                "the sync thread is gone: a power cut may take more than the last second of journals"
            );
        }
    }
}
