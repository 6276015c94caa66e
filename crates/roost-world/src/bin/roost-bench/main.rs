//! `./bench`: the figures of this machine, each beside its bar and, where there is one, beside the floor of the same run.
#![expect(clippy::print_stdout, reason = "printing is its business")]

mod fan_out;
mod reading;
mod report;
mod scenes;

use anyhow::ensure;
use std::time::Duration;

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
    // `--reading`: that figure alone.
    if std::env::args().any(|a| a == "--reading") {
        return reading_alone(short, time).await;
    }
    // `--viewers N`: that row alone.
    let only = std::env::args().skip_while(|a| a != "--viewers").nth(1);
    let mut wrong = Vec::new();
    for row in &fan_out::rows() {
        if only.as_ref().is_none_or(|only| *only == row.viewers.to_string()) {
            fan_out::run(row, time, &mut wrong).await?;
        }
    }
    println!();
    if only.is_some() {
        return complete(&wrong);
    }
    let size = |full: usize, short_form: usize| if short { short_form } else { full };
    scenes::many_viewers(size(10_000, 2_000), time, &mut wrong).await?;
    scenes::many_servers(size(300, 60), time, &mut wrong).await?;
    reading::beside(size(1 << 30, 128 << 20) as u64, time, &mut wrong).await?;
    scenes::burst(if short { 100_000 } else { 200_000 }, &mut wrong).await?;
    scenes::idle(if short { 400 } else { 1800 }).await?;
    scenes::ready()?;
    println!();
    complete(&wrong)
}

async fn reading_alone(short: bool, time: Duration) -> anyhow::Result<()> {
    let mut wrong = Vec::new();
    reading::beside(if short { 128 << 20 } else { 1 << 30 }, time, &mut wrong).await?;
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
