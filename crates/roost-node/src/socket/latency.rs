//! How long lines take from the ring to the sockets of viewers that are up to date: a histogram without locks.
//!
//! A flush is measured from the first news that it brings to the last write of its pass. Showing it is the metrics'
//! business.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Upper bounds of the buckets, in microseconds; one more bucket takes the rest.
pub const BOUNDS: [u64; 10] = [
    200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 200_000, 1_000_000,
];

/// Counts of flushes by the time that they took.
#[derive(Debug, Default)]
pub(super) struct Latency {
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// What was measured so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Latencies {
    /// Flushes within each of [`BOUNDS`] and above the one before; the last of them are above all bounds.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// All of their time, in microseconds.
    pub micros: u64,
}

impl Latency {
    pub(super) fn took(&self, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.partition_point(|bound| *bound < micros);
        self.buckets[bucket].fetch_add(1, Relaxed);
        self.micros.fetch_add(micros, Relaxed);
    }

    pub(super) fn read(&self) -> Latencies {
        Latencies {
            buckets: std::array::from_fn(|at| self.buckets[at].load(Relaxed)),
            micros: self.micros.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_falls_into_the_bucket_whose_bound_it_does_not_pass() {
        let latency = Latency::default();
        for micros in [1, 200, 201, 1_000_000, 1_000_001] {
            latency.took(Duration::from_micros(micros));
        }
        let seen = latency.read();
        assert_eq!(seen.buckets, [2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1]);
        assert_eq!(seen.micros, 2_000_403);
    }
}
