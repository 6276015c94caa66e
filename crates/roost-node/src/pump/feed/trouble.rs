//! A disk that refuses: reading stops, the keeper holds the output, and every quarter of a second it is tried again.
//!
//! Of the output nothing is lost that the keeper can hold; what it can't is counted in its place. Notices wait in a bounded queue; those over the bound are counted, and the number is
//! told. Room on the disk is not its business.

use super::{Context, Feed};
use crate::pump::PumpEvent;
use roost_wire::{clock::Millis, node_api::Source};
use std::{
    collections::VecDeque,
    io,
    time::{Duration, Instant},
};

const RETRY: Duration = Duration::from_millis(250);
/// Notices that wait.
const NOTICES: usize = 256;

#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    why: String,
    pub(super) retry_at: Instant,
    notices: VecDeque<(Source, String, Millis)>,
    left_out: u64,
}

impl Trouble {
    pub(super) fn keep(&mut self, source: Source, text: String, time: Millis) {
        if self.notices.len() < NOTICES {
            self.notices.push_back((source, text, time));
        } else {
            self.left_out += 1;
        }
    }

    fn sentence(&self, now: Instant) -> String {
        let seconds = (now - self.since).as_secs_f64();
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!(" {n} notices of the daemon were left out."),
        };
        format!(
            "The console history could not be written for {seconds:.1} s ({}). The server's output was held back meanwhile and follows; where it was more than can be held back, the number of lost lines stands in their place.{left_out}",
            self.why
        )
    }
}

impl Feed {
    /// The journal did not take something.
    pub(super) fn refused(&mut self, error: &io::Error, cx: &Context<'_>) -> &mut Trouble {
        if self.trouble.is_none() {
            tracing::error!(server = %self.server, %error, "the journal can't be written: the keeper holds the output");
            self.tell(PumpEvent::DiskTrouble(format!(
                "The console history can't be written: {error}. Output is held back until it can: check the disk."
            )));
        }
        self.trouble.get_or_insert_with(|| Trouble {
            since: cx.now,
            why: error.to_string(),
            retry_at: cx.now + RETRY,
            notices: VecDeque::new(),
            left_out: 0,
        })
    }

    /// Tries again, if it is time; takes the frames that have waited once it works.
    pub(super) fn retry(&mut self, cx: &Context<'_>) {
        if self
            .trouble
            .as_ref()
            .is_none_or(|trouble| trouble.retry_at > cx.now)
        {
            return;
        }
        match self.write_what_waits(cx) {
            Ok(()) => {
                tracing::info!(server = %self.server, "the journal can be written again");
                self.trouble = None;
                self.wrote(cx.now);
                self.frames(cx);
            }
            Err(_) => {
                // Said when it began.
                if let Some(trouble) = &mut self.trouble {
                    trouble.retry_at = cx.now + RETRY;
                }
            }
        }
    }

    fn write_what_waits(&mut self, cx: &Context<'_>) -> io::Result<()> {
        self.begin_run(cx)?;
        if let Some(held) = self.held.take() {
            if let Err(error) = held.write(&mut self.writer, cx.time()) {
                self.held = Some(held);
                return Err(error);
            }
            self.taken(held, cx);
        }
        let Some(trouble) = &mut self.trouble else {
            return Ok(());
        };
        while let Some((source, text, time)) = trouble.notices.front() {
            self.writer.notice(*source, text, *time)?;
            trouble.notices.pop_front();
        }
        self.writer
            .notice(Source::Daemon, &trouble.sentence(cx.now), cx.time())
    }
}
