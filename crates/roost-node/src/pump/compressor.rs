//! One thread of low priority that compresses closed segments of journals, one at a time.
//!
//! Bounded by its callers: a feed has at most one job here. When to compress is not its business.

use super::inbox::{Inbox, Message};
use roost_console::CompressJob;
use std::{
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, mpsc},
};
use uuid::Uuid;

/// Behind everything that somebody waits for.
const NICE: i32 = 10;

struct Task {
    job: CompressJob,
    inbox: Arc<Inbox>,
    server: Uuid,
}

/// Cheap to clone; the thread ends with the last one.
#[derive(Debug, Clone)]
pub(super) struct Compressor(mpsc::Sender<Task>);

impl Compressor {
    pub(super) fn start() -> io::Result<Self> {
        let (tasks, queue) = mpsc::channel::<Task>();
        std::thread::Builder::new()
            .name("pump-compress".to_owned())
            .spawn(move || {
                // On Linux this is the thread's own; without it there is only less politeness.
                let _ = rustix::process::setpriority_process(None, NICE);
                for Task { job, inbox, server } in queue {
                    let result = catch_unwind(AssertUnwindSafe(|| job.run()))
                        .unwrap_or_else(|_| Err(io::Error::other("compressing panicked")));
                    inbox.send(Message::Compressed(server, result.map(|done| done.is_some())));
                }
            })?;
        Ok(Self(tasks))
    }

    /// Compresses on the other thread, and then tells the server's feed.
    pub(super) fn compress(&self, job: CompressJob, inbox: Arc<Inbox>, server: Uuid) {
        // A thread that is gone compresses nothing more: the journal is only larger.
        let _ = self.0.send(Task { job, inbox, server });
    }
}
