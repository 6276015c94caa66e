//! `./bench`: the figures of this machine, each beside its bar and, where there is one, beside the floor of the same run.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use anyhow::{Context, ensure};
use roost_world::{
    Roost,
    bench::{Seen, cpu, floor, stage::Stage, swarm::PER_TOKEN},
};
use std::time::{Duration, Instant};

/// One fan-out row.
struct Row {
    viewers: usize,
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

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let short = std::env::args().any(|a| a == "--short");
    let time = Duration::from_secs(if short { 4 } else { 10 });
    println!(
        "Lines of 80 bytes from a real process, through keeper and journal, to real sockets. CPU counts every Roost process.\n"
    );
    println!(
        "{:<34} {:>9} {:>12} {:>9} {:>7} {:>10} {:>9}",
        "fan-out", "delivered", "CPU/delivery", "floor", "ratio", "median ms", "p99 ms"
    );
    let rows = [
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
    ];
    // `--viewers N`: that row alone.
    let only = std::env::args().skip_while(|a| a != "--viewers").nth(1);
    let mut wrong = Vec::new();
    for row in &rows {
        if only.as_ref().is_none_or(|only| *only == row.viewers.to_string()) {
            fan_out(row, time, &mut wrong).await?;
        }
    }
    println!();
    if only.is_some() {
        return complete(&wrong);
    }
    let size = |full: usize, short_form: usize| if short { short_form } else { full };
    many_viewers(size(10_000, 2_000), time, &mut wrong).await?;
    many_servers(size(300, 60), time, &mut wrong).await?;
    burst(if short { 100_000 } else { 200_000 }, &mut wrong).await?;
    idle(if short { 400 } else { 1800 }).await?;
    ready()?;
    println!();
    complete(&wrong)
}

fn complete(wrong: &[String]) -> anyhow::Result<()> {
    ensure!(
        wrong.is_empty(),
        "lines are missing or doubled: {}",
        wrong.join("; ")
    );
    println!("Every line that was written arrived once and in order.");
    Ok(())
}

async fn fan_out(row: &Row, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
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

fn check(what: &str, seen: &Seen, due: u64, wrong: &mut Vec<String>) {
    if seen.faults > 0 || seen.lines != due {
        wrong.push(format!(
            "{what}: {} faults and {} of {due} lines",
            seen.faults, seen.lines
        ));
    }
}

fn reached(is_reached: bool) -> &'static str {
    if is_reached { "" } else { "  (not reached)" }
}

/// One line of what a swarm saw; 100 % is all of them.
fn print_seen(what: &str, seen: &Seen, due: u64, bar_p99_ms: f64) {
    let (median, p99) = (seen.latency_ms(0.5), seen.latency_ms(0.99));
    println!(
        "{what}: {:.1} % delivered, median {median:.2} ms, p99 {p99:.2} ms (bar: {bar_p99_ms}){}",
        (1000.0 * seen.lines as f64 / due as f64).floor() / 10.0,
        reached(p99 <= bar_p99_ms)
    );
}

async fn many_viewers(viewers: usize, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let stage = Stage::new("--rate 20", viewers).await?;
    let mut swarm = stage.swarm(viewers)?;
    swarm.watch(Duration::from_secs(2))?;
    let (seen, due) = swarm.watch_exactly(time, Duration::from_secs(10))?;
    let what = format!("{viewers} viewers of one server at 20 lines/s");
    print_seen(&what, &seen, due, 250.0);
    check(&what, &seen, due, wrong);
    Ok(())
}

async fn many_servers(servers: usize, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let stage = Stage::of_many(servers, "--rate 20", 3).await?;
    let mut swarm = stage.swarm(3)?;
    swarm.watch(Duration::from_secs(2))?;
    let before = stage.cpu();
    let (seen, due) = swarm.watch_exactly(time, Duration::from_secs(10))?;
    let used = stage.cpu() - before;
    let what = format!("{servers} servers at 20 lines/s with 3 viewers each");
    print_seen(&what, &seen, due, 50.0);
    println!(
        "  CPU of the node and its keepers meanwhile: {:.0} % of one core",
        100.0 * used / time.as_secs_f64()
    );
    check(&what, &seen, due, wrong);
    Ok(())
}

async fn burst(lines: u64, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let stage = Stage::new("", 1).await?;
    let mut swarm = stage.swarm(1)?;
    swarm.watch(Duration::from_millis(300))?;
    let begun = Instant::now();
    swarm.command(&format!("burst {lines}"))?;
    let seen = swarm.watch_until(Duration::from_secs(60), lines)?;
    let took = begun.elapsed().as_secs_f64();
    println!(
        "burst of {lines} lines to one viewer: {:.1} % delivered, {:.0} lines/s",
        100.0 * seen.lines as f64 / lines as f64,
        seen.lines as f64 / took
    );
    if seen.faults > 0 || seen.lines != lines {
        wrong.push(format!(
            "{} faults and {} of {lines} lines in the burst",
            seen.faults, seen.lines
        ));
    }
    Ok(())
}

async fn idle(viewers: usize) -> anyhow::Result<()> {
    // Those who warm up hold their own share of the first token.
    let stage = Stage::new("", viewers + PER_TOKEN).await?;
    let pid = stage.roost.pid().context("not running")?;
    let warm = stage.swarm(50)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = cpu::resident_bytes(pid)?;
    let swarm = stage.swarm(viewers)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let grown = cpu::resident_bytes(pid)?.saturating_sub(before);
    println!(
        "idle viewer: {:.1} KiB of memory (over {viewers}; bar: 8)",
        grown as f64 / 1024.0 / viewers as f64
    );
    let keepers = cpu::keepers(&stage.roost.data());
    for keeper in keepers {
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (private, own) = cpu::private_bytes(keeper)?;
        println!(
            "keeper: {:.2} MiB private where it is alone (bar: 2), {:.2} beside another keeper",
            mib(private),
            mib(own)
        );
    }
    println!(
        "roost up with one server and {} viewers: {:.1} MiB resident",
        viewers + 50,
        cpu::resident_bytes(pid)? as f64 / f64::from(1 << 20)
    );
    drop((swarm, warm));
    Ok(())
}

fn ready() -> anyhow::Result<()> {
    let mut roost = Roost::start()?;
    roost.terminate()?;
    let begun = Instant::now();
    roost.up()?;
    println!(
        "roost up on an existing data directory: ready in {:.2} s (bar: 1)",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
