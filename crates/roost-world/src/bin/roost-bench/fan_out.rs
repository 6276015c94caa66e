//! One server, many viewers: the cost of a delivery and its delay, beside the floor of the same run.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use crate::report::check;
use roost_world::bench::{floor, stage::Stage};
use std::time::Duration;

/// One fan-out row.
pub struct Row {
    pub viewers: usize,
    rate: u64,
    tick: Duration,
    bar_cpu: f64,
    bar_median_ms: Option<f64>,
    bar_p99_ms: f64,
    is_tls: bool,
}

impl Row {
    fn name(&self) -> String {
        let tls = if self.is_tls { " (TLS)" } else { "" };
        format!("{} viewers x {} lines/s{tls}", self.viewers, self.rate)
    }
}

/// All of them.
pub fn rows() -> [Row; 4] {
    [
        Row {
            viewers: 1000,
            rate: 1000,
            tick: Duration::from_millis(10),
            bar_cpu: 1.5,
            bar_median_ms: None,
            bar_p99_ms: 50.0,
            is_tls: false,
        },
        Row {
            viewers: 30,
            rate: 1000,
            tick: Duration::from_micros(500),
            bar_cpu: 1.5,
            bar_median_ms: Some(0.2),
            bar_p99_ms: 1.0,
            is_tls: false,
        },
        Row {
            viewers: 1,
            rate: 1000,
            tick: Duration::from_micros(500),
            bar_cpu: f64::INFINITY,
            bar_median_ms: Some(0.15),
            bar_p99_ms: 0.5,
            is_tls: false,
        },
        Row {
            viewers: 300,
            rate: 1000,
            tick: Duration::from_millis(3),
            bar_cpu: 1.5,
            bar_median_ms: None,
            bar_p99_ms: f64::INFINITY,
            is_tls: true,
        },
    ]
}

/// Measures one row, and its floor behind it.
pub async fn run(row: &Row, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let chatter = format!("--rate {}", row.rate);
    let stage = match row.is_tls {
        true => Stage::with_tls(&chatter, row.viewers).await?,
        false => Stage::new(&chatter, row.viewers).await?,
    };
    let mut swarm = stage.swarm(row.viewers)?;
    swarm.watch(Duration::from_millis(1500))?;
    let before = stage.cpu();
    let (seen, due) = swarm.watch_exactly(time, Duration::from_secs(10))?;
    let used = stage.cpu() - before;
    drop(swarm);
    drop(stage);
    let floor = floor::measure(row.viewers, row.rate, 80, row.tick, time / 2, row.is_tls)?;
    // The program writes less than it wants where its terminal is full: then it was held back.
    let wanted = row.rate as f64 * time.as_secs_f64() * row.viewers as f64;
    let is_held_back = (due as f64) < 0.99 * wanted;
    let cpu_us = used * 1e6 / seen.lines.max(1) as f64;
    let ratio = cpu_us / floor.cpu_us;
    let (median, p99) = (seen.latency_ms(0.5), seen.latency_ms(0.99));
    println!(
        "{:<34} {:>8.1}% {:>9.2} us {:>6.2} us {:>6.2}x {:>10.2} {:>9.2}   bar: {}{}{}{}",
        row.name(),
        // Cut, not rounded: 100 % is all of them.
        (1000.0 * seen.lines as f64 / due as f64).floor() / 10.0,
        cpu_us,
        floor.cpu_us,
        ratio,
        median,
        p99,
        if row.bar_cpu.is_finite() {
            format!("{}x, ", row.bar_cpu)
        } else {
            String::new()
        },
        row.bar_median_ms
            .map(|m| format!("median {m}, "))
            .unwrap_or_default(),
        if row.bar_p99_ms.is_finite() {
            format!("p99 {} ms", row.bar_p99_ms)
        } else {
            String::new()
        },
        if is_held_back {
            "  (the server was held back: it wrote less than that)"
        } else if ratio <= row.bar_cpu
            && p99 <= row.bar_p99_ms
            && row.bar_median_ms.is_none_or(|m| median <= m)
        {
            ""
        } else {
            "  (not reached)"
        },
    );
    println!(
        "{:<34} {:>9} {:>12} {:>9} {:>7} {:>10.2} {:>9.2}",
        "  the floor's own latency",
        "",
        "",
        "",
        "",
        floor.seen.latency_ms(0.5),
        floor.seen.latency_ms(0.99)
    );
    check(&row.name(), &seen, due, wrong);
    Ok(())
}
