//! Searches through consoles' whole histories: two threads of low priority that all of the node's searches share.
//!
//! ```text
//!   socket, HTTP ──ask──> waiting (32 at most, else "busy") ──> search-0, search-1 ──> a page, newest first
//! ```
//!
//! A page ends at its number of lines, at its bytes, at the history's beginning, or after a second: whoever asks goes on
//! from where it ended, behind the others that wait. So nobody holds a thread for long, and shards, pumps and the readers
//! of pages have the processor first. Who may search what, and the shape of answers, is the askers' business.

use roost_console::{Budget, Console, FoundLine, Query};
use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

const THREADS: usize = 2;
/// Searches that wait at most.
const WAITING_MAX: usize = 32;
/// Nice value of the threads: whatever else wants the processor comes first.
const NICE: i32 = 15;
/// How long a page is worked on.
const PAGE_TIME: Duration = Duration::from_secs(1);
/// Between two looks at whether the asker still wants it.
const STEP: (u64, Duration) = (8 << 20, Duration::from_millis(50));

/// Set once nobody wants the answer any more.
pub(crate) type Stop = Arc<AtomicBool>;

type Job = (Stop, Box<dyn FnOnce(&Stop) + Send>);

/// So many searches wait already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("The node is busy with other searches: try again in a few seconds.")]
pub(crate) struct Busy;

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

/// The threads and what waits for them.
pub(crate) struct Searches {
    room: Arc<Room>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Searches {
    pub(crate) fn start() -> io::Result<Self> {
        let room = Arc::new(Room::default());
        let mut threads = Vec::new();
        for number in 0..THREADS {
            let room = Arc::clone(&room);
            let builder = std::thread::Builder::new().name(format!("search-{number}"));
            threads.push(builder.spawn(move || work(&room))?);
        }
        Ok(Self {
            room,
            threads: Mutex::new(threads),
        })
    }

    /// Lets a thread do `job`, unless `stop` is set before; whoever waits for its answer then waits in vain.
    pub(crate) fn ask(&self, stop: Stop, job: impl FnOnce(&Stop) + Send + 'static) -> Result<(), Busy> {
        let mut queue = self.room.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if queue.jobs.len() >= WAITING_MAX {
            queue.jobs.retain(|(stop, _)| !stop.load(Ordering::Relaxed));
        }
        if queue.is_closed || queue.jobs.len() >= WAITING_MAX {
            return Err(Busy);
        }
        queue.jobs.push_back((stop, Box::new(job)));
        self.room.news.notify_one();
        Ok(())
    }

    /// How many jobs wait.
    pub(crate) fn waiting(&self) -> usize {
        self.room
            .queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .jobs
            .len()
    }

    /// Drops what waits and ends the threads, after the step that they are at.
    pub(crate) fn end(&self) {
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
    // Without the right to it they search at the node's own priority.
    let _ = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICE);
    loop {
        let mut queue = room.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let (stop, job) = loop {
            if queue.is_closed {
                return;
            }
            match queue.jobs.pop_front() {
                Some(job) => break job,
                None => queue = room.news.wait(queue).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(queue);
        if !stop.load(Ordering::Relaxed) && catch_unwind(AssertUnwindSafe(|| job(&stop))).is_err() {
            tracing::error!("a search panicked");
        }
    }
}

/// What one page is to hold.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) query: Query,
    /// Only lines before this number,
    pub(crate) before: u64,
    /// none before this one,
    pub(crate) floor: u64,
    /// at most so many,
    pub(crate) lines: usize,
    /// and no more after so many bytes.
    pub(crate) bytes: usize,
}

/// A page of found lines.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// Newest first.
    pub(crate) lines: Vec<T>,
    /// All that was looked for from this number on is in this page.
    pub(crate) from: u64,
    /// Where it ends: [`Wanted::before`], or the number of the next line.
    pub(crate) next: u64,
    /// Where the history begins for whoever asked.
    pub(crate) first: u64,
    /// Nothing before `from` is there to look through.
    pub(crate) is_begin: bool,
}

impl Wanted {
    /// Looks through the history until the page is full or `stop` is set: then it is `None`. `shape` makes of a line what
    /// the page keeps, and says how many bytes that is. Blocks on the disk.
    pub(crate) fn read<T>(
        &self,
        console: &Console,
        stop: &Stop,
        shape: impl FnMut(&Query, &FoundLine) -> (T, usize),
    ) -> io::Result<Option<Page<T>>> {
        catch_unwind(AssertUnwindSafe(|| self.look(console, stop, shape)))
            .unwrap_or_else(|_| Err(io::Error::other("the search failed")))
    }

    fn look<T>(
        &self,
        console: &Console,
        stop: &Stop,
        mut shape: impl FnMut(&Query, &FoundLine) -> (T, usize),
    ) -> io::Result<Option<Page<T>>> {
        let (begun, mut bytes) = (Instant::now(), 0);
        let first = self.floor.max(console.first_seq());
        let next = self.before.min(console.next_seq()).max(first);
        let mut page = Page {
            lines: Vec::new(),
            from: next,
            next,
            first,
            is_begin: false,
        };
        while page.from > first && begun.elapsed() < PAGE_TIME {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let budget = Budget {
                bytes: STEP.0,
                time: STEP.1,
                lines: self.lines - page.lines.len(),
            };
            let found = console.search(&self.query, page.from, &budget)?;
            page.from = if found.done { first } else { found.next };
            for line in found.lines.into_iter().filter(|line| line.seq >= first) {
                let seq = line.seq;
                let (shaped, size) = shape(&self.query, &line);
                page.lines.push(shaped);
                bytes += size;
                if bytes >= self.bytes || page.lines.len() >= self.lines {
                    page.from = seq;
                    page.is_begin = seq <= first;
                    return Ok(Some(page));
                }
            }
        }
        page.from = page.from.max(first);
        page.is_begin = page.from <= first;
        Ok(Some(page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn what_waits_is_bounded_and_what_nobody_wants_makes_room() {
        let searches = Searches::start().unwrap();
        let (begun, has_begun) = mpsc::channel();
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..THREADS {
            let (begun, wait) = (begun.clone(), Arc::clone(&wait));
            let job = move |_: &Stop| {
                begun.send(()).unwrap();
                let _ = wait.lock().unwrap().recv();
            };
            searches.ask(Stop::default(), job).unwrap();
            has_begun.recv_timeout(Duration::from_secs(5)).unwrap();
        }
        let unwanted = Stop::default();
        let ask_in_vain = || searches.ask(Arc::clone(&unwanted), |_| panic!("nobody wants it"));
        for _ in 0..WAITING_MAX {
            ask_in_vain().unwrap();
        }
        assert_eq!(ask_in_vain(), Err(Busy));
        unwanted.store(true, Ordering::Relaxed);
        searches
            .ask(Stop::default(), move |_| begun.send(()).unwrap())
            .unwrap();
        drop(go);
        has_begun.recv_timeout(Duration::from_secs(5)).unwrap();
        searches.end();
    }
}
