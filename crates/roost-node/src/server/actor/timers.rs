//! The deadlines of one server, and what they turn into.

use roost_power::{DONE_OVERDUE_SECS, Input, KILL_WARNING_SECS};
use roost_wire::clock::Millis;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// At most one of each.
#[derive(Debug, Default)]
pub(in crate::server) struct Timers {
    kill_warning: Option<(Instant, Uuid)>,
    kill: Option<(Instant, Uuid)>,
    done_overdue: Option<(Instant, Uuid)>,
    /// When, and what time of day that is.
    start_again: Option<(Instant, Millis)>,
}

impl Timers {
    pub(in crate::server) fn arm_kill(&mut self, now: Instant, run: Uuid, secs: u64, warn: bool) {
        let due = now + Duration::from_secs(secs);
        self.kill = Some((due, run));
        self.kill_warning = warn.then(|| (due - Duration::from_secs(KILL_WARNING_SECS.min(secs)), run));
    }

    pub(in crate::server) fn arm_done(&mut self, now: Instant, run: Uuid) {
        self.done_overdue = Some((now + Duration::from_secs(DONE_OVERDUE_SECS), run));
    }

    /// `time` is the time of day at `now`.
    pub(in crate::server) fn arm_start_again(&mut self, now: Instant, time: Millis, ms: u64) {
        let at = time.saturating_add(i64::try_from(ms).unwrap_or(i64::MAX));
        self.start_again = Some((now + Duration::from_millis(ms), at));
    }

    /// The time of day at which the server is started again.
    pub(in crate::server) fn starts_again_at(&self) -> Option<Millis> {
        self.start_again.map(|(_, at)| at)
    }

    pub(in crate::server) fn disarm(&mut self) {
        *self = Self::default();
    }

    /// They go on for the same program, whose stream has another name now.
    pub(in crate::server) fn rename(&mut self, new: Uuid) {
        let timers = [&mut self.kill_warning, &mut self.kill, &mut self.done_overdue];
        for (_, run) in timers.into_iter().flatten() {
            *run = new;
        }
    }

    /// The earliest deadline.
    pub(in crate::server) fn next(&self) -> Option<Instant> {
        [
            self.kill_warning.map(|(at, _)| at),
            self.kill.map(|(at, _)| at),
            self.done_overdue.map(|(at, _)| at),
            self.start_again.map(|(at, _)| at),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Takes one deadline that has passed.
    pub(in crate::server) fn due(&mut self, now: Instant) -> Option<Input> {
        let take = |timer: &mut Option<(Instant, Uuid)>| {
            let (at, run) = (*timer)?;
            (at <= now).then(|| {
                *timer = None;
                run
            })
        };
        if let Some(run) = take(&mut self.kill_warning) {
            return Some(Input::KillWarning { run });
        }
        if let Some(run) = take(&mut self.kill) {
            return Some(Input::KillDue { run });
        }
        if let Some(run) = take(&mut self.done_overdue) {
            return Some(Input::DoneOverdue { run });
        }
        if self.start_again.is_some_and(|(at, _)| at <= now) {
            self.start_again = None;
            return Some(Input::StartAgain);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_comes_ten_seconds_before_the_kill() {
        let (start, run) = (Instant::now(), Uuid::from_u128(1));
        let mut timers = Timers::default();
        timers.arm_kill(start, run, 600, true);
        assert_eq!(timers.next(), Some(start + Duration::from_secs(590)));
        assert_eq!(timers.due(start + Duration::from_secs(589)), None);
        assert_eq!(
            timers.due(start + Duration::from_secs(590)),
            Some(Input::KillWarning { run })
        );
        assert_eq!(timers.due(start + Duration::from_secs(599)), None);
        assert_eq!(
            timers.due(start + Duration::from_secs(600)),
            Some(Input::KillDue { run })
        );
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn when_it_is_started_again_is_told_until_then() {
        let start = Instant::now();
        let mut timers = Timers::default();
        assert_eq!(timers.starts_again_at(), None);
        timers.arm_start_again(start, 5_000, 4_000);
        assert_eq!(timers.starts_again_at(), Some(9_000));
        assert_eq!(timers.next(), Some(start + Duration::from_secs(4)));
        assert_eq!(timers.due(start + Duration::from_millis(3_999)), None);
        assert_eq!(
            timers.due(start + Duration::from_secs(4)),
            Some(Input::StartAgain)
        );
        assert_eq!((timers.starts_again_at(), timers.next()), (None, None));
        timers.arm_start_again(start, 5_000, 4_000);
        timers.disarm();
        assert_eq!(timers.starts_again_at(), None);
    }
}
