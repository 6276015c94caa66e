//! Input on its way to the terminal. A program that does not read is not waited for: after two seconds the node is
//! told, and the rest of that input is dropped.

use std::{
    collections::VecDeque,
    os::fd::OwnedFd,
    time::{Duration, Instant},
};

/// How long a program may take to read.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes that may wait.
const WAITING_MAX: usize = 256 << 10;

#[derive(Debug)]
struct Input {
    id: u64,
    bytes: Vec<u8>,
    done: usize,
    since: Instant,
}

/// What waits, and what became of the rest.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    waiting: VecDeque<Input>,
    results: Vec<(u64, String)>,
}

impl Inputs {
    pub(super) fn push(&mut self, id: u64, bytes: Vec<u8>) {
        let held: usize = self.waiting.iter().map(|input| input.bytes.len()).sum();
        if held + bytes.len() > WAITING_MAX {
            self.results
                .push((id, "the program does not read its input".to_owned()));
        } else {
            self.waiting.push_back(Input {
                id,
                bytes,
                done: 0,
                since: Instant::now(),
            });
        }
    }

    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// When the first one has waited long enough.
    pub(super) fn timeout(&self) -> Option<Duration> {
        self.waiting
            .front()
            .map(|input| PATIENCE.saturating_sub(input.since.elapsed()))
    }

    /// Writes as much as the stream takes.
    pub(super) fn write(&mut self, stream: &OwnedFd, open: bool) {
        if !open {
            return self.give_up("the program has ended");
        }
        while let Some(input) = self.waiting.front_mut() {
            match rustix::io::write(stream, &input.bytes[input.done..]) {
                Ok(count) => input.done += count,
                Err(rustix::io::Errno::INTR) => continue,
                Err(rustix::io::Errno::AGAIN) => {
                    if input.since.elapsed() < PATIENCE {
                        return;
                    }
                    let id = input.id;
                    self.results
                        .push((id, "the program does not read its input".to_owned()));
                    self.waiting.pop_front();
                    continue;
                }
                Err(error) => return self.give_up(&format!("its terminal takes no input: {error}")),
            }
            if input.done == input.bytes.len() {
                self.results.push((input.id, String::new()));
                self.waiting.pop_front();
            }
        }
    }

    /// Nothing that waits will be written.
    pub(super) fn give_up(&mut self, reason: &str) {
        self.results
            .extend(self.waiting.drain(..).map(|input| (input.id, reason.to_owned())));
    }

    /// What became of inputs since the last call.
    pub(super) fn results(&mut self) -> Vec<(u64, String)> {
        std::mem::take(&mut self.results)
    }
}
