//! A day's worth of lines in one journal: a line in 50 ms is 1.7 million a day.

use crate::{Told, is_long};
use anyhow::{Context, ensure};
use roost_world::{
    Roost,
    chatter::{assert_each_once, numbers},
};
use std::time::{Duration, Instant};

/// Lines that are written at once.
const STEP: u64 = 60_000;

#[test]
fn a_day_of_lines_is_all_there_and_does_not_slow_the_next_start() -> Told {
    let lines = if is_long() { 1_728_000 } else { 180_000 };
    let mut roost = Roost::start()?;
    let program = roost.chatter("");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let mut written = 0;
    while written < lines {
        let step = STEP.min(lines - written);
        roost.json(&["server", "send", "busy", &format!("burst {step}")])?;
        written += step;
        let last = format!("L{written} ");
        let begun = Instant::now();
        loop {
            let tail = roost.json_lines(&["server", "logs", "busy", "--lines", "1"])?;
            if tail
                .iter()
                .any(|line| line["text"].as_str().is_some_and(|t| t.starts_with(&last)))
            {
                break;
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(60),
                "line {written} does not come"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    let numbers = numbers(&roost, "busy")?;
    ensure!(
        numbers.len() as u64 == lines,
        "{} of {lines} lines",
        numbers.len()
    );
    assert_each_once(&numbers)?;
    roost.kill()?;
    let begun = Instant::now();
    roost.up()?;
    let took = begun.elapsed();
    ensure!(took < Duration::from_secs(3), "ready after {took:?}");
    let tail = roost.json_lines(&["server", "logs", "busy", "--lines", "3"])?;
    let last = tail.last().context("no line")?["text"]
        .as_str()
        .unwrap()
        .to_owned();
    ensure!(
        last.starts_with(&format!("L{lines} ")) || last.contains("Roost"),
        "{last}"
    );
    Ok(())
}
