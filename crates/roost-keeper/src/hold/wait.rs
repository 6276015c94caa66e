//! What the keeper waits for, and until when.

use super::{Duration, Hold, Instant, LOOK, Link, Phase, PollFd, PollFlags, SILENCE, Timespec, poll};

/// What has something to say.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) signals: bool,
    pub(crate) listener: bool,
    pub(crate) source: bool,
    pub(crate) link: bool,
    pub(crate) candidate: bool,
}

impl Hold {
    /// The next moment at which something is due although nothing comes.
    fn deadline(&self, now: Instant) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Ending { since, .. } if self.killing.is_none() => Some(since + LOOK),
            Phase::Draining { silent_since, .. } => Some(silent_since + SILENCE),
            Phase::Ended { .. } if self.terminating => Some(now + Duration::from_millis(50)),
            _ => None,
        };
        let killing = self.killing.map(|(_, next)| next);
        [phase, killing, self.terminate_at, self.input.deadline(now)]
            .into_iter()
            .flatten()
            .min()
    }

    /// Waits until something happens or is due.
    pub(super) fn wait(&self) -> Ready {
        let now = Instant::now();
        let timeout = self.deadline(now).map(|at| {
            // Rounded up, or the last fraction of a millisecond would be spent in idle turns.
            let left = at.saturating_duration_since(now) + Duration::from_micros(100);
            Timespec::try_from(left).unwrap_or_default()
        });
        let read = PollFlags::IN;
        let link_flags = |link: &Link| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, link.wants_read());
            flags.set(PollFlags::OUT, link.wants_write());
            flags
        };
        let mut fds = vec![
            PollFd::new(&self.signals, read),
            PollFd::new(&self.place.listener, read),
        ];
        let (mut source_at, mut link_at, mut candidate_at) = (usize::MAX, usize::MAX, usize::MAX);
        if let Some(source) = &self.source {
            source_at = fds.len();
            let mut flags = read;
            flags.set(PollFlags::OUT, !self.input.is_empty());
            fds.push(PollFd::new(source, flags));
        }
        if let Some(link) = &self.link {
            link_at = fds.len();
            fds.push(PollFd::from_borrowed_fd(link.fd(), link_flags(link)));
        }
        if let Some(link) = &self.candidate {
            candidate_at = fds.len();
            fds.push(PollFd::from_borrowed_fd(link.fd(), read));
        }
        if poll(&mut fds, timeout.as_ref()).is_err() {
            return Ready::default();
        }
        let came = |at: usize| {
            fds.get(at).is_some_and(|fd| {
                fd.revents()
                    .intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR)
            })
        };
        Ready {
            signals: came(0),
            listener: came(1),
            source: came(source_at),
            link: came(link_at),
            candidate: came(candidate_at),
        }
    }
}
