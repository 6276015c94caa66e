//! `./bench`: the figures of this machine, each beside its bar and, where there is one, beside the floor of the same run.
#![expect(clippy::print_stdout, reason = "printing is its business")]

mod contained;
mod fan_out;
mod reading;
mod report;
mod scenes;
mod stalled;

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
    // `--only NAME`: that figure alone; rows of the first table by their viewers, the others by the names below.
    let only = std::env::args().skip_while(|a| a != "--only").nth(1);
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let mut wrong = Vec::new();
    for row in &fan_out::rows() {
        if wanted(&row.viewers.to_string()) {
            fan_out::run(row, time, &mut wrong).await?;
        }
    }
    println!();
    let size = |full: usize, short_form: usize| if short { short_form } else { full };
    if wanted("viewers") {
        scenes::many_viewers(size(10_000, 2_000), time, &mut wrong).await?;
    }
    if wanted("servers") {
        scenes::many_servers(size(300, 60), time, &mut wrong).await?;
    }
    if wanted("reader") {
        reading::beside(size(1 << 30, 128 << 20) as u64, time, &mut wrong).await?;
    }
    if wanted("stalled") {
        stalled::beside(time, &mut wrong).await?;
    }
    if wanted("silent") {
        scenes::silent(size(200, 40), time).await?;
    }
    if wanted("burst") {
        scenes::burst(size(200_000, 100_000) as u64, &mut wrong).await?;
    }
    if wanted("kill") {
        scenes::killed(size(10, 2)).await?;
    }
    if wanted("idle") {
        scenes::idle(size(1800, 400)).await?;
    }
    if wanted("ready") {
        scenes::ready()?;
    }
    // Last, because they need root and Docker's daemon.
    if wanted("container") {
        contained::burst(size(200_000, 100_000) as u64).await?;
        contained::killed(size(10, 2)).await?;
    }
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
