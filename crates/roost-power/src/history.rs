//! What is remembered of a server's crashes, and what follows from it: how long the pause before the next start is, and
//! when there is none any more.
//!
//! What counts as a crash is the rule's business.

use roost_wire::clock::Millis;
use serde::{Deserialize, Serialize};

/// Milliseconds before the first start after a crash. Each further one waits twice as long.
pub const PAUSE_FIRST_MS: u64 = 1000;
/// The longest pause, in milliseconds.
pub const PAUSE_MAX_MS: u64 = 300_000;
/// A run of so many milliseconds was no failure to start: the next pause is the first one again.
pub const UP_LONG_ENOUGH_MS: i64 = 600_000;
/// Starts within [`RESTARTS_WINDOW_MS`] after which the next crash is followed by none.
pub const RESTARTS_MAX: usize = 10;
/// Milliseconds in which starts are counted.
pub const RESTARTS_WINDOW_MS: i64 = 3_600_000;

/// See the module. Written down with the power state: a node that starts anew goes on counting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// When the program last came to live.
    pub up_since: Option<Millis>,
    /// When the server was last started again by the rule of stock daemons.
    pub last_crash: Option<Millis>,
    /// When it was started again by its policy, oldest first; [`RESTARTS_MAX`] at most.
    restarts: Vec<Millis>,
    /// Starts since a run was long enough.
    streak: u32,
}

/// A start that follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Next {
    /// Milliseconds until then.
    pub pause_ms: u64,
    /// Which one it is within the window, from 1.
    pub attempt: usize,
}

impl History {
    /// Counts a start that is to follow an end at `now`; `None` if there were too many.
    pub fn next(&mut self, now: Millis) -> Option<Next> {
        // What lies in the future was noted before the clock was set back.
        self.restarts
            .retain(|at| (0..RESTARTS_WINDOW_MS).contains(&(now - at)));
        let was_up = self.up_since.take().map(|since| now - since);
        if was_up.is_some_and(|ms| ms >= UP_LONG_ENOUGH_MS) {
            self.streak = 0;
        }
        if self.restarts.len() >= RESTARTS_MAX {
            return None;
        }
        let doubled = 1_u64.checked_shl(self.streak).unwrap_or(u64::MAX);
        self.streak = self.streak.saturating_add(1);
        self.restarts.push(now);
        Some(Next {
            pause_ms: PAUSE_FIRST_MS.saturating_mul(doubled).min(PAUSE_MAX_MS),
            attempt: self.restarts.len(),
        })
    }

    /// Somebody took matters in hand: counting begins anew. What stock daemons remember stays.
    pub fn forget_restarts(&mut self) {
        self.restarts.clear();
        self.streak = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pause(history: &mut History, now: Millis) -> Option<u64> {
        history.next(now).map(|next| next.pause_ms)
    }

    #[test]
    fn pauses_double_up_to_five_minutes_and_ten_starts_an_hour_are_enough() {
        let mut history = History::default();
        let mut now = 0;
        let mut pauses = Vec::new();
        while let Some(next) = history.next(now) {
            assert_eq!(next.attempt, pauses.len() + 1);
            pauses.push(next.pause_ms / 1000);
            now += next.pause_ms.cast_signed();
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(pause(&mut history, RESTARTS_WINDOW_MS - 1), None);
        assert_eq!(
            pause(&mut history, RESTARTS_WINDOW_MS),
            Some(300_000),
            "the first is an hour old"
        );
    }

    #[test]
    fn a_run_that_was_long_enough_begins_with_a_short_pause_again() {
        let mut history = History::default();
        for pause_ms in [1000, 2000, 4000] {
            assert_eq!(pause(&mut history, 0), Some(pause_ms));
        }
        history.up_since = Some(0);
        assert_eq!(pause(&mut history, UP_LONG_ENOUGH_MS - 1), Some(8000));
        history.up_since = Some(UP_LONG_ENOUGH_MS);
        let next = history.next(2 * UP_LONG_ENOUGH_MS).unwrap();
        assert_eq!((next.pause_ms, next.attempt), (1000, 5), "the hour still counts");
    }

    #[test]
    fn somebody_who_starts_it_by_hand_begins_anew() {
        let mut history = History::default();
        while history.next(0).is_some() {}
        history.forget_restarts();
        assert_eq!(
            history.next(1),
            Some(Next {
                pause_ms: 1000,
                attempt: 1
            })
        );
    }

    proptest! {
        /// However servers crash and clocks jump: never more starts in an hour than the limit, and no pause out of range.
        #[test]
        fn no_order_of_crashes_defeats_the_limit(steps in prop::collection::vec((-100_000_i64..2_000_000, any::<bool>()), 0..200)) {
            let mut history = History::default();
            let mut now: Millis = 10_000_000;
            let mut started: Vec<Millis> = Vec::new();
            for (step, came_up) in steps {
                if came_up {
                    history.up_since = Some(now);
                }
                now += step;
                if let Some(next) = history.next(now) {
                    prop_assert!((PAUSE_FIRST_MS..=PAUSE_MAX_MS).contains(&next.pause_ms));
                    prop_assert!((1..=RESTARTS_MAX).contains(&next.attempt));
                    started.push(now);
                }
                prop_assert!(history.restarts.len() <= RESTARTS_MAX);
                if step >= 0 && started.windows(2).all(|pair| pair[0] <= pair[1]) {
                    let within = started.iter().filter(|at| now - **at < RESTARTS_WINDOW_MS).count();
                    prop_assert!(within <= RESTARTS_MAX, "{} within an hour", within);
                }
            }
        }
    }
}
