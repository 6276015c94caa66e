//! A disk that refuses: reading stops, the keeper holds the output, and every quarter of a second it is tried again.
//!
//! Of the output nothing is lost that the keeper can hold; what it can't is counted in its place. An installer's reader
//! waits with its chunk. Notices wait in a bounded queue; those over the bound are counted, and the number is told. Room
//! on the disk is not its business.

use super::{Context, Feed, Installer};
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
/// Chunks of installers that wait: one of the installer at work, and of those that were called off meanwhile.
const CHUNKS: usize = 16;

/// What waits for the disk.
#[derive(Debug)]
pub(super) enum Waiting {
    Notice(Source, String),
    Installer(Installer),
}

#[derive(Debug)]
pub(super) struct Trouble {
    since: Instant,
    why: String,
    pub(super) retry_at: Instant,
    waiting: VecDeque<(Waiting, Millis)>,
    notices: usize,
    chunks: usize,
    /// Notices.
    left_out: u64,
    /// Of installers.
    bytes_left_out: usize,
}

impl Trouble {
    pub(super) fn keep(&mut self, waiting: Waiting, time: Millis) {
        match waiting {
            Waiting::Notice(..) if self.notices == NOTICES => return self.left_out += 1,
            Waiting::Notice(..) => self.notices += 1,
            Waiting::Installer(Installer::Chunk(bytes, reply)) if self.chunks == CHUNKS => {
                self.bytes_left_out += bytes.len();
                return Installer::Chunk(bytes, reply).taken();
            }
            Waiting::Installer(Installer::Chunk(..)) => self.chunks += 1,
            Waiting::Installer(Installer::End) => {
                // Two in a row end nothing more than one.
                let last = self.waiting.back();
                if matches!(last, Some((Waiting::Installer(Installer::End), _))) {
                    return;
                }
            }
        }
        self.waiting.push_back((waiting, time));
    }

    fn sentence(&self, now: Instant) -> String {
        let seconds = (now - self.since).as_secs_f64();
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!(" {n} notices of the daemon were left out."),
        };
        let bytes_left_out = match self.bytes_left_out {
            0 => String::new(),
            n => format!(" {n} bytes of the installer's output were left out."),
        };
        format!(
            "The console history could not be written for {seconds:.1} s ({}). The server's output was held back meanwhile and follows; where it was more than can be held back, the number of lost lines stands in their place.{left_out}{bytes_left_out}",
            self.why
        )
    }
}

impl Feed {
    /// The journal did not take something.
    pub(super) fn refused(&mut self, error: &io::Error, cx: &Context<'_>) -> &mut Trouble {
        if self.trouble.is_none() {
            if let Some(link) = &mut self.link {
                link.take_inputs_for_done();
            }
            tracing::error!(server = %self.server, %error, "the journal can't be written: the keeper holds the output");
            self.tell(PumpEvent::DiskTrouble(format!(
                "The console history can't be written: {error}. Output is held back until it can: check the disk."
            )));
        }
        self.trouble.get_or_insert_with(|| Trouble {
            since: cx.now,
            why: error.to_string(),
            retry_at: cx.now + RETRY,
            waiting: VecDeque::new(),
            notices: 0,
            chunks: 0,
            left_out: 0,
            bytes_left_out: 0,
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
        while let Some((waiting, time)) = trouble.waiting.pop_front() {
            let written = match &waiting {
                Waiting::Notice(source, text) => self.writer.notice(*source, text, time),
                Waiting::Installer(said) => said.write(&mut self.writer, time).map(drop),
            };
            if let Err(error) = written {
                trouble.waiting.push_front((waiting, time));
                return Err(error);
            }
            match waiting {
                Waiting::Notice(..) => trouble.notices -= 1,
                Waiting::Installer(said) => {
                    trouble.chunks -= usize::from(said.is_chunk());
                    said.taken();
                }
            }
        }
        self.writer
            .notice(Source::Daemon, &trouble.sentence(cx.now), cx.time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::oneshot;

    #[test]
    fn what_waits_is_bounded_and_what_is_left_out_is_counted() {
        let now = Instant::now();
        let mut trouble = Trouble {
            since: now,
            why: "full".to_owned(),
            retry_at: now,
            waiting: VecDeque::new(),
            notices: 0,
            chunks: 0,
            left_out: 0,
            bytes_left_out: 0,
        };
        assert!(!trouble.sentence(now).contains("left out"));
        for _ in 0..NOTICES + 3 {
            trouble.keep(Waiting::Notice(Source::Daemon, "said".to_owned()), 1);
        }
        let mut taken = Vec::new();
        for _ in 0..CHUNKS + 2 {
            let (reply, answer) = oneshot::channel();
            taken.push(answer);
            trouble.keep(Waiting::Installer(Installer::Chunk(vec![b'x'; 10], reply)), 1);
            trouble.keep(Waiting::Installer(Installer::End), 1);
            trouble.keep(Waiting::Installer(Installer::End), 1);
        }
        assert_eq!(trouble.waiting.len(), NOTICES + 2 * CHUNKS);
        let answered: Vec<_> = taken.iter_mut().map(|answer| answer.try_recv().is_ok()).collect();
        assert_eq!(answered, [vec![false; CHUNKS], vec![true; 2]].concat());
        let said = trouble.sentence(now);
        assert!(said.contains(" 3 notices of the daemon were left out."), "{said}");
        assert!(
            said.contains(" 20 bytes of the installer's output were left out."),
            "{said}"
        );
    }
}
