//! Two threads that read history from disk, so that a shard never waits for one.
//!
//! A viewer has at most one job here at a time; its answer goes back to its shard's inbox. How much is asked for, and
//! when, is decided by the delivery.

use super::{
    inbox::{Inbox, Post},
    page::PageWanted,
    slots::Key,
};
use roost_console::{Console, Cursor};
use roost_wire::clock::Millis;
use serde_json::Value;
use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
};
use uuid::Uuid;

const THREADS: usize = 2;
/// Live lines come first: who reads history waits where the machine is busy.
const NICE: i32 = 10;

/// What to read, and where to send it.
pub(super) struct Job {
    pub(super) console: Arc<Console>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) task: Task,
}

/// Whose lines they are.
#[derive(Debug, Clone, Copy)]
pub(super) enum For {
    /// One viewer.
    Viewer { key: Key, read: u16 },
    /// All viewers of a server that are up to date with each other.
    Group { server: Uuid, read: u64 },
}

pub(super) enum Task {
    /// Lines from the cursor on.
    Lines {
        of: For,
        cursor: Cursor,
        max_bytes: usize,
    },
    /// The first line at or after a time.
    Floor { key: Key, from: Millis },
    /// A page of lines.
    Page {
        key: Key,
        name: Option<Value>,
        wanted: PageWanted,
    },
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    is_closed: bool,
}

#[derive(Default)]
struct Room {
    queue: Mutex<Queue>,
    news: Condvar,
}

pub(super) struct HistoryPool {
    room: Arc<Room>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl HistoryPool {
    pub(super) fn start() -> io::Result<Self> {
        let room = Arc::new(Room::default());
        let mut threads = Vec::new();
        for number in 0..THREADS {
            let room = Arc::clone(&room);
            let builder = std::thread::Builder::new().name(format!("history-{number}"));
            threads.push(builder.spawn(move || work(&room))?);
        }
        Ok(Self {
            room,
            threads: Mutex::new(threads),
        })
    }

    /// Takes a job; one that comes after the end is dropped, with the viewer that it was for.
    pub(super) fn ask(&self, job: Job) {
        let mut queue = self.room.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.is_closed {
            queue.jobs.push_back(job);
            self.room.news.notify_one();
        }
    }

    /// How many jobs wait.
    pub(super) fn waiting(&self) -> usize {
        self.room
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .jobs
            .len()
    }

    /// Drops what is waiting and ends the threads, after what they are at.
    pub(super) fn end(&self) {
        let mut queue = self.room.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.is_closed = true;
        queue.jobs.clear();
        drop(queue);
        self.room.news.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            // A panic there was caught and answered already.
            let _ = thread.join();
        }
    }
}

fn work(room: &Room) {
    // Without the right to it they read at the node's own priority.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    loop {
        let mut queue = room.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let job = loop {
            if queue.is_closed {
                return;
            }
            match queue.jobs.pop_front() {
                Some(job) => break job,
                None => queue = room.news.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(queue);
        let Job { console, inbox, task } = job;
        inbox.post(match task {
            Task::Lines {
                of,
                mut cursor,
                max_bytes,
            } => {
                let result = guarded(|| {
                    console
                        .history(&mut cursor, max_bytes)
                        .map(|history| (cursor, history))
                });
                match of {
                    For::Viewer { key, read } => Post::History { key, read, result },
                    For::Group { server, read } => Post::GroupHistory { server, read, result },
                }
            }
            Task::Floor { key, from } => Post::Floor {
                key,
                from,
                result: guarded(|| console.seq_at(from)),
            },
            Task::Page { key, name, wanted } => Post::Page {
                key,
                name,
                result: guarded(|| wanted.read(&console)),
            },
        });
    }
}

/// A panic while reading one journal is an error for one viewer, not the end of a thread.
fn guarded<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(read))
        .unwrap_or_else(|_| Err(io::Error::other("the reader of the journal failed")))
}
