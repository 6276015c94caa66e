//! Bytes on their way to the program, and what is said of them.
//!
//! The terminal takes bytes as long as its buffer has room; a program that does not read fills it. Nothing here waits:
//! what could not be written within two seconds is given up, and said so. What may be typed is the node's rule.

use std::{
    collections::VecDeque,
    os::fd::AsFd,
    time::{Duration, Instant},
};

/// How long the terminal may take nothing.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often a full terminal is tried again, should it not wake the keeper.
const RETRY: Duration = Duration::from_millis(50);
/// Most bytes that wait, in all.
const QUEUE_MAX: usize = 256 << 10;
/// Longest line that a terminal takes while it edits lines; it drops the rest.
pub(crate) const LINE_MAX: usize = 4095;
/// Takes back an unfinished line (^U).
const KILL_LINE: u8 = 0x15;

/// Said of input that nobody takes.
pub(crate) const NOT_READ: &str = "The program does not read its input: wait until it does, or restart it.";
/// Said of input that comes too late.
pub(crate) const CLOSED: &str = "The program has ended and takes no more input.";

/// The longest line in `bytes`.
pub(crate) fn longest_line(bytes: &[u8]) -> usize {
    bytes
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .map(<[u8]>::len)
        .max()
        .unwrap_or(0)
}

/// One answer: the node's id, and a sentence that is empty when all went well.
pub(crate) type Outcome = (u64, &'static str);

#[derive(Debug, Default)]
pub(crate) struct Input {
    queue: VecDeque<(u64, Vec<u8>)>,
    /// Bytes of the first that are written.
    written: usize,
    queued: usize,
    stalled: Option<Instant>,
    /// Half a line was written and given up: it must not become part of the next.
    half_line: bool,
}

impl Input {
    /// Takes `bytes` to write; says so at once if too much waits already.
    pub(crate) fn push(&mut self, id: u64, bytes: &[u8]) -> Result<(), &'static str> {
        if self.queued + bytes.len() > QUEUE_MAX {
            return Err(NOT_READ);
        }
        self.queued += bytes.len();
        self.queue.push_back((id, bytes.to_vec()));
        Ok(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// When [`Self::write`] should be called although nothing happened.
    pub(crate) fn deadline(&self, now: Instant) -> Option<Instant> {
        self.stalled.map(|since| (since + PATIENCE).min(now + RETRY))
    }

    /// Writes what `to` takes. `edits_lines` tells whether it is a terminal that edits lines.
    pub(crate) fn write(&mut self, to: impl AsFd, edits_lines: bool, now: Instant) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        while let Some((id, bytes)) = self.queue.front() {
            if self.half_line && edits_lines {
                match rustix::io::write(&to, &[KILL_LINE]) {
                    Ok(1..) => self.half_line = false,
                    _ => return self.stall(now, outcomes),
                }
            }
            match rustix::io::write(&to, &bytes[self.written..]) {
                Ok(count) if self.written + count == bytes.len() => {
                    outcomes.push((*id, ""));
                    self.queued -= bytes.len();
                    self.queue.pop_front();
                    self.written = 0;
                    self.stalled = None;
                }
                Ok(0) | Err(rustix::io::Errno::AGAIN) => return self.stall(now, outcomes),
                Ok(count) => {
                    self.written += count;
                    self.stalled = None;
                }
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => {
                    outcomes.extend(self.give_up(CLOSED));
                    return outcomes;
                }
            }
        }
        outcomes
    }

    fn stall(&mut self, now: Instant, mut outcomes: Vec<Outcome>) -> Vec<Outcome> {
        let since = *self.stalled.get_or_insert(now);
        if now.duration_since(since) >= PATIENCE {
            outcomes.extend(self.give_up(NOT_READ));
        }
        outcomes
    }

    /// Answers all that waits with `why`.
    pub(crate) fn give_up(&mut self, why: &'static str) -> Vec<Outcome> {
        self.half_line |= self.written > 0;
        (self.written, self.queued, self.stalled) = (0, 0, None);
        self.queue.drain(..).map(|(id, _)| (id, why)).collect()
    }
}
