//! The view throttle, where an operator has set one: a viewer is shown so many lines an interval, and is told how many
//! more there were.
//!
//! Roost has none by default. The journal gets everything in any case, and what a viewer asks for (history, a resume, a
//! page) is shown whole: only lines that come in while it watches are left out. How lines reach it is the delivery's
//! business.

use super::{Ended, shard::Shard, viewer::Viewer};
use roost_wire::v1::Reason;
use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

/// `throttles` of the node's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewThrottle {
    /// Lines that a viewer is shown an interval.
    pub lines: u64,
    /// The interval.
    pub interval: Duration,
}

/// What a viewer was shown in this interval, and what not since it was told.
#[derive(Debug)]
pub(super) struct Shown {
    begun: Instant,
    lines: u64,
    /// First line that was left out, and how many; 0: none.
    left_out: (u64, u64),
}

impl Viewer {
    /// History is on its way: lines before this number are shown whole, those too that were left out.
    pub(super) fn asks_for_all_before(&mut self, seq: u64) {
        self.whole_to = self.whole_to.max(seq);
        self.shown = None;
    }

    /// Of the lines from `from` on and before `to`, those before this number are shown now. The others are counted.
    fn take_lines(&mut self, throttle: ViewThrottle, from: u64, to: u64, now: Instant) -> u64 {
        let whole_to = self.whole_to;
        let shown = self.shown.get_or_insert_with(|| {
            Box::new(Shown {
                begun: now,
                lines: 0,
                left_out: (0, 0),
            })
        });
        if now.saturating_duration_since(shown.begun) >= throttle.interval {
            (shown.begun, shown.lines) = (now, 0);
        }
        let first = from.max(whole_to);
        let end = to
            .min(first + throttle.lines.saturating_sub(shown.lines))
            .max(from);
        shown.lines += end.saturating_sub(first);
        if end < to {
            if shown.left_out.1 == 0 {
                shown.left_out.0 = end;
            }
            shown.left_out.1 += to - end;
        }
        end
    }

    /// Lines were left out, and not told of yet.
    fn is_owed_a_count(&self) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.left_out.1 > 0)
    }
}

impl Shard {
    /// Where a viewer's lines end, of those from `from` on and before `to` that came in; `None`: they are all shown.
    /// What was left out before is told first, so that the viewer sees it in its place.
    pub(super) fn throttle(&mut self, viewer: &mut Viewer, from: u64, to: u64) -> Result<Option<u64>, Ended> {
        let Some(throttle) = self.hub.settings.throttle else {
            return Ok(None);
        };
        if to <= from {
            return Ok(None);
        }
        self.tell_left_out(viewer)?;
        // Until it was told, lines behind those that are missing would hide that they are.
        if viewer.is_owed_a_count() {
            if let Some(shown) = &mut viewer.shown {
                shown.left_out.1 += to - from;
            }
            self.count_left_out(to - from);
            return Ok(Some(from));
        }
        let end = viewer.take_lines(throttle, from, to, self.now);
        self.count_left_out(to - end);
        Ok((end < to).then_some(end))
    }

    fn count_left_out(&self, lines: u64) {
        self.hub.counters.throttled.fetch_add(lines, Ordering::Relaxed);
    }

    /// Says how many lines were left out, once the interval is over.
    pub(super) fn tell_left_out(&mut self, viewer: &mut Viewer) -> Result<(), Ended> {
        let Some(throttle) = self.hub.settings.throttle else {
            return Ok(());
        };
        let Some(shown) = &mut viewer.shown else {
            return Ok(());
        };
        let is_over = self.now.saturating_duration_since(shown.begun) >= throttle.interval;
        if !is_over || shown.left_out.1 == 0 {
            return Ok(());
        }
        let (from, lines) = std::mem::take(&mut shown.left_out);
        let sentence = format!(
            "{lines} lines are not shown here: more than {} came in {} ms, which is this node's view throttle. The \
             history has them.",
            throttle.lines,
            throttle.interval.as_millis()
        );
        self.tell_gap(viewer, from, lines, Reason::Throttle, &sentence)?;
        self.send_status(viewer)
    }
}
