//! Load and figures: many viewers on one thread, the floor beside them, and the CPU of every Roost process.
//!
//! What is measured and how is in `docs/performance.md`; which rows there are is `bin/roost-bench`.

pub mod cpu;
pub mod floor;
pub mod reader;
pub mod stage;
pub mod stream;
pub mod swarm;

/// What a swarm of viewers saw in a window.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Lines that arrived, all viewers together.
    pub lines: u64,
    /// Lines that are missing or out of order, all viewers together.
    pub faults: u64,
    /// Sampled latencies in microseconds, sorted.
    pub latency_us: Vec<u64>,
}

impl Seen {
    /// Both as one measurement.
    pub fn add(&mut self, other: Self) {
        self.lines += other.lines;
        self.faults += other.faults;
        self.latency_us.extend(other.latency_us);
        self.latency_us.sort_unstable();
    }

    /// A quantile of the latency in milliseconds.
    pub fn latency_ms(&self, quantile: f64) -> f64 {
        if self.latency_us.is_empty() {
            return f64::NAN;
        }
        let at = (quantile * (self.latency_us.len() - 1) as f64).round() as usize;
        self.latency_us[at] as f64 / 1000.0
    }
}
