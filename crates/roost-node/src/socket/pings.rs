//! Whether a viewer of `roost.v1` is still there: a ping now and then, and the end of one that says nothing behind it.
//!
//! Who died behind a proxy is noticed by nobody else, since the proxy goes on taking bytes. Classic viewers are never
//! pinged, since some existing clients do not answer and one ends at a ping: what keeps their connections open is the
//! session's business.

use super::{Ended, shard::Shard, viewer::Viewer};
use roost_wire::{close::Close, frame};
use std::time::{Duration, Instant};

/// What one viewer was asked, and whether it was heard since.
#[derive(Debug)]
pub(super) struct Pings {
    /// The latest one; before the first, when the viewer came.
    at: Instant,
    /// The first one since which nothing has come.
    silent_since: Option<Instant>,
    /// Pongs that may still come.
    out: u8,
}

impl Pings {
    /// For a viewer that comes now.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            at: now,
            silent_since: None,
            out: 0,
        }
    }

    /// Something has come from the viewer, whatever it is.
    pub(super) fn heard(&mut self) {
        self.silent_since = None;
    }

    /// A pong has come: whether it answers a ping. Each ping pays for one, so that a flood of pongs stays a flood.
    pub(super) fn is_answer(&mut self) -> bool {
        let is_one = self.out > 0;
        self.out = self.out.saturating_sub(1);
        is_one
    }

    fn sent(&mut self, now: Instant) {
        self.at = now;
        self.silent_since.get_or_insert(now);
        self.out = self.out.saturating_add(1);
    }

    fn is_due(&self, every: Duration, now: Instant) -> bool {
        now.saturating_duration_since(self.at) >= every
    }

    fn is_silent(&self, patience: Duration, now: Instant) -> bool {
        self.silent_since
            .is_some_and(|since| now.saturating_duration_since(since) >= patience)
    }

    /// What waits for the viewer may hide the ping from it: it gets the whole time again.
    fn wait_anew(&mut self, now: Instant) {
        self.silent_since = self.silent_since.map(|_| now);
    }
}

impl Shard {
    /// Called a few times a second for every viewer with a token.
    pub(super) fn ping(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        if !viewer.is_v1 {
            return Ok(());
        }
        let (every, patience) = (self.hub.settings.ping, self.hub.settings.pong);
        if viewer.has_backlog() {
            // How long that may last has a deadline of its own.
            viewer.pings.wait_anew(self.now);
            return Ok(());
        }
        if viewer.pings.is_silent(patience, self.now) {
            // Where this thread was held up, the answer lies in the socket.
            self.readable(viewer)?;
            if viewer.pings.is_silent(patience, self.now) {
                return Err(Ended::By(Close::Silent));
            }
        }
        if viewer.is_let_in() && viewer.pings.is_due(every, self.now) {
            let mut ping = Vec::with_capacity(2);
            frame::push(&mut ping, frame::PING, &[]);
            // No output to a page in a browser, which does not see pings: it is still owed its `stats`.
            let last_output = viewer.last_output;
            viewer.send(ping, self.now)?;
            viewer.last_output = last_output;
            viewer.pings.sent(self.now);
        }
        Ok(())
    }
}
