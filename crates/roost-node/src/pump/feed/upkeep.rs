//! What time asks of a feed: partial lines, acknowledgements, syncs, limits.
//!
//! A feed says when it wants to be looked after next; a silent one almost never does. Waiting for that time is the
//! thread's business.

use super::{Context, Feed, keeper::ACK_DELAY};
use crate::pump::syncer::Then;
use roost_console::Writer;
use roost_wire::{clock::Millis, node_api::Source};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Silence after which text without a line end is shown.
const PARTIAL: Duration = Duration::from_millis(50);
/// A power cut takes at most this.
const SYNC: Duration = Duration::from_secs(1);
/// Between two looks at the limits, of a server that writes and of one that is silent (whose lines grow old).
const LIMITS: Duration = Duration::from_secs(2);
const LIMITS_SILENT: Duration = Duration::from_secs(600);
/// Between two lines that say that old lines went: at the limit something goes all the time.
const LIMITS_SAID: Duration = Duration::from_secs(3600);

/// After a segment that could not be compressed.
const COMPRESS_PAUSE: Duration = Duration::from_secs(60);

/// Times of the last and the next.
#[derive(Debug)]
pub(super) struct Upkeep {
    /// The last byte of output came.
    pub(super) last_byte: Instant,
    /// The same of an installer.
    pub(super) last_installer_byte: Instant,
    /// Something written since waits for an acknowledgement.
    pub(super) ack_since: Option<Instant>,
    /// Something written since waits for a sync.
    dirty_since: Option<Instant>,
    /// The syncer is at it.
    pub(super) syncing: bool,
    sync_failed: bool,
    pub(super) limits_at: Instant,
    limits_said: Option<Instant>,
    limits_failed: bool,
    /// The compressor has a segment of this journal.
    compressing: bool,
    compress_failed: bool,
    /// After a failure: not before.
    compress_at: Instant,
}

impl Upkeep {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            last_byte: now,
            last_installer_byte: now,
            ack_since: None,
            // What a killed node wrote last was never synced.
            dirty_since: Some(now),
            syncing: false,
            sync_failed: false,
            limits_at: now + LIMITS,
            limits_said: None,
            limits_failed: false,
            compressing: false,
            compress_failed: false,
            compress_at: now,
        }
    }

    /// Something was written.
    pub(super) fn dirty(&mut self, now: Instant) {
        self.dirty_since.get_or_insert(now);
        self.limits_at = self.limits_at.min(now + LIMITS);
    }

    pub(super) fn synced(&mut self, server: Uuid, result: &io::Result<()>, now: Instant) {
        self.syncing = false;
        if let Err(error) = result
            && !self.sync_failed
        {
            tracing::error!(%server, %error, "the journal can't be synced: a power cut may take more than its last second; check the disk");
        }
        self.sync_failed = result.is_err();
        if self.sync_failed {
            self.dirty(now);
        }
    }
}

impl Feed {
    /// When it wants to be looked after.
    pub(in crate::pump) fn deadline(&self) -> Instant {
        let upkeep = &self.upkeep;
        let can_write = self.trouble.is_none();
        let partial = (can_write && self.writer.has_partial()).then(|| upkeep.last_byte + PARTIAL);
        let installer =
            (can_write && self.writer.has_installer_partial()).then(|| upkeep.last_installer_byte + PARTIAL);
        let sync = upkeep
            .dirty_since
            .filter(|_| !upkeep.syncing)
            .map(|since| since + SYNC);
        let ack = upkeep.ack_since.map(|since| since + ACK_DELAY);
        let retry = self.trouble.as_ref().map(|trouble| trouble.retry_at);
        [partial, installer, sync, ack, retry]
            .into_iter()
            .flatten()
            .fold(upkeep.limits_at, Instant::min)
    }

    /// Does what is due.
    pub(in crate::pump) fn look_after(&mut self, cx: &Context<'_>) {
        self.retry(cx);
        if self.writer.has_partial() && cx.now >= self.upkeep.last_byte + PARTIAL {
            self.show_partial(Writer::flush_partial, cx);
        }
        if self.writer.has_installer_partial() && cx.now >= self.upkeep.last_installer_byte + PARTIAL {
            self.show_partial(Writer::flush_installer, cx);
        }
        let sync_due = self
            .upkeep
            .dirty_since
            .is_some_and(|since| cx.now >= since + SYNC);
        if sync_due && !self.upkeep.syncing {
            self.sync(cx);
        }
        if cx.now >= self.upkeep.limits_at {
            self.enforce_limits(cx);
            self.compress(cx);
        }
    }

    /// Text without a line end has waited long enough.
    fn show_partial(&mut self, flush: fn(&mut Writer, Millis) -> io::Result<usize>, cx: &Context<'_>) {
        if self.trouble.is_some() {
            return;
        }
        match flush(&mut self.writer, cx.time()) {
            Ok(_) => self.wrote(cx.now),
            Err(error) => {
                self.refused(&error, cx);
            }
        }
    }

    /// Has the next closed segment compressed, if there is one.
    fn compress(&mut self, cx: &Context<'_>) {
        if self.upkeep.compressing || cx.now < self.upkeep.compress_at {
            return;
        }
        if let Some(job) = self.writer.compress_job() {
            self.upkeep.compressing = true;
            cx.compressor.compress(job, Arc::clone(cx.inbox), self.server);
        }
    }

    /// A segment was compressed, or not.
    pub(in crate::pump) fn compressed(&mut self, result: io::Result<bool>, cx: &Context<'_>) {
        self.upkeep.compressing = false;
        match result {
            Ok(true) => {
                self.upkeep.compress_failed = false;
                self.compress(cx);
            }
            // Something was more urgent: at the next look.
            Ok(false) => {}
            Err(error) => {
                self.upkeep.compress_at = cx.now + COMPRESS_PAUSE;
                if !std::mem::replace(&mut self.upkeep.compress_failed, true) {
                    tracing::warn!(server = %self.server, %error, "old console lines can't be compressed: they take more room until they can");
                }
            }
        }
    }

    /// Begins a sync. Says whether there was something to sync.
    pub(super) fn sync(&mut self, cx: &Context<'_>) -> bool {
        self.upkeep.dirty_since = None;
        match self.writer.sync_job() {
            Some(job) => {
                self.upkeep.syncing = true;
                cx.syncer.sync(job, Then::Tell(Arc::clone(cx.inbox), self.server));
                true
            }
            None => false,
        }
    }

    fn enforce_limits(&mut self, cx: &Context<'_>) {
        // A full disk is looked at often: what goes here is room for what comes.
        let pause = if self.trouble.is_some() {
            LIMITS
        } else {
            LIMITS_SILENT
        };
        self.upkeep.limits_at = cx.now + pause;
        let result = self.writer.enforce_limits(cx.time());
        if let Err(error) = &result
            && !self.upkeep.limits_failed
        {
            tracing::error!(server = %self.server, %error, "the journal can't be brought within its limits");
        }
        self.upkeep.limits_failed = result.is_err();
        if self.writer.needs_sync() {
            // What had to wait for a sync goes soon after it.
            self.upkeep.dirty(cx.now);
        }
        let Ok(Some(sentence)) = result else { return };
        let said = self.upkeep.limits_said;
        tracing::info!(server = %self.server, sentence, "old console lines were removed");
        if said.is_none_or(|at| cx.now >= at + LIMITS_SAID) {
            self.upkeep.limits_said = Some(cx.now);
            self.notice(Source::Daemon, sentence, cx);
        }
    }
}
