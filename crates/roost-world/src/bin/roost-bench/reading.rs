//! Live viewers beside one who reads all of a long history.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use crate::report::{check, reached};
use anyhow::ensure;
use roost_world::bench::{
    Seen,
    reader::{self, Progress},
    stage::Stage,
    swarm::Swarm,
};
use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// Bytes of a line.
const LINE: u64 = 250;
const VIEWERS: usize = 30;
/// Lines of a step in which the history is written, so that what is closed can be compressed before retention looks.
const STEP: u64 = 64 * 1024;
/// How much worse the others' 99th percentile may be.
const BAR: f64 = 1.2;

/// 30 viewers at 1,000 lines/s: alone, beside a reader within the default limit of messages, beside one that no limit
/// holds, and alone again. The two times alone are one measurement: what the machine itself does is in both.
pub async fn beside(history: u64, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let limits = "messages_per_second=100000,messages_at_once=100000";
    let stage = Stage::with_limits(limits, &format!("--size {}", LINE - 1), VIEWERS).await?;
    write_history(&stage, history, wrong)?;
    places_and_search(&stage, history).await?;
    let mut swarm = stage.swarm(VIEWERS)?;
    let mut alone = watch(&mut swarm, time, "before the reader", wrong)?;
    let mut readers = Vec::new();
    for pause in [reader::WITHIN_THE_LIMIT, Duration::ZERO] {
        let progress = Arc::new(Progress::default());
        let reading = {
            let (progress, target) = (Arc::clone(&progress), stage.first()?.clone());
            tokio::spawn(async move { reader::read(&target, pause, &progress).await })
        };
        let begun = Instant::now();
        let watching;
        (swarm, watching) = {
            let mut faults = Vec::new();
            let task = tokio::task::spawn_blocking(move || {
                let seen = watch(&mut swarm, time, "beside the reader", &mut faults);
                (swarm, seen, faults)
            });
            let (swarm, seen, faults) = task.await?;
            wrong.extend(faults);
            (swarm, seen?)
        };
        let took = begun.elapsed().as_secs_f64();
        progress.stop.store(true, Ordering::Relaxed);
        reading.await??;
        readers.push((pause, watching, progress, took));
    }
    alone.add(watch(&mut swarm, time, "after the reader", wrong)?);
    let p99_alone = alone.latency_ms(0.99);
    for (pause, seen, progress, took) in readers {
        let p99 = seen.latency_ms(0.99);
        let who = if pause.is_zero() { "no limit" } else { "20 pages/s" };
        println!(
            "30 viewers at 1000 lines/s beside one who reads {} MiB of history ({who}): p99 {p99:.2} ms, alone {p99_alone:.2}: \
             {:.2}x (bar: {BAR}){}",
            history >> 20,
            p99 / p99_alone,
            reached(p99 <= BAR * p99_alone)
        );
        println!(
            "  the reader: {} pages, {:.0} MiB/s on the wire, {} times from end to beginning",
            progress.pages.load(Ordering::Relaxed),
            progress.bytes.load(Ordering::Relaxed) as f64 / f64::from(1 << 20) / took,
            progress.rounds.load(Ordering::Relaxed)
        );
    }
    Ok(())
}

/// How soon a page from anywhere comes, and how fast a text is looked for that is nowhere.
async fn places_and_search(stage: &Stage, history: u64) -> anyhow::Result<()> {
    /// Milliseconds, and uncompressed MB/s.
    const BARS: (f64, f64) = (50.0, 300.0);
    let (target, lines) = (stage.first()?, history / LINE);
    // Each place once: what was read before is in nobody's memory but the kernel's.
    let mut took = reader::places(target, (1..20).map(|part| part * lines / 20)).await?;
    took.sort_unstable();
    let longest = took.last().map_or(f64::NAN, |time| time.as_secs_f64() * 1e3);
    let median = took[took.len() / 2].as_secs_f64() * 1e3;
    println!(
        "a page from 19 places in {} MiB of history: median {median:.1} ms, longest {longest:.1} (bar: {}){}",
        history >> 20,
        BARS.0,
        reached(longest <= BARS.0)
    );
    let (time, found) = reader::search(target, "No Such Word").await?;
    ensure!(found == 0, "{found} lines were found that are not there");
    let speed = history as f64 / 1e6 / time.as_secs_f64();
    println!(
        "search of all of it, without regard to case: {speed:.0} MB/s on one thread (bar: {}){}",
        BARS.1,
        reached(speed >= BARS.1)
    );
    Ok(())
}

fn write_history(stage: &Stage, history: u64, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let mut writer = stage.swarm(1)?;
    let mut left = history / LINE;
    while left > 0 {
        let lines = left.min(STEP);
        writer.command(&format!("burst {lines}"))?;
        let seen = writer.watch_until(Duration::from_secs(120), lines)?;
        check("the history of the reader", &seen, lines, wrong);
        left -= lines;
    }
    Ok(())
}

/// One measurement of lines at 1,000 a second.
pub fn watch(swarm: &mut Swarm, time: Duration, what: &str, wrong: &mut Vec<String>) -> anyhow::Result<Seen> {
    swarm.command("rate 1000")?;
    swarm.watch(Duration::from_secs(1))?;
    let (seen, due) = swarm.watch_exactly(time, Duration::from_secs(10))?;
    check(what, &seen, due, wrong);
    Ok(seen)
}
