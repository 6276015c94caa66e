//! A burst of 200,000 lines to one classic viewer: whole under both runtimes, and as fast as the design asks.
//!
//! A container's rate is compared with that of the engine's own attach in the same run. Where the machine has other
//! work, the rate is printed, and only that ratio counts.

use anyhow::ensure;
use roost_world::{Roost, burst, chatter, contained};

type Told = anyhow::Result<()>;

const LINES: u64 = 200_000;
/// Lines a second; a machine that is busy otherwise does several times as many.
const BAR: f64 = 40_000.0;
/// Of the engine's own attach.
const RATIO: f64 = 0.5;

#[tokio::test]
async fn a_burst_of_a_process_reaches_a_classic_viewer_whole() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "busy",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let rate = burst::rate_of(&roost, LINES).await?;
    println!("process: {LINES} lines to a classic viewer at {rate:.0} lines/s");
    ensure!(rate >= BAR, "{rate:.0} lines/s, at least {BAR} are wanted");
    Ok(())
}

#[tokio::test]
async fn a_burst_of_a_container_reaches_a_classic_viewer_whole() -> Told {
    let engine = contained::engine("{}")?;
    let floor = burst::rate_of_attach(&engine, contained::IMAGE, LINES).await?;
    let roost = contained::roost(&engine.socket(), 0)?;
    let rate = burst::rate_of(&roost, LINES).await?;
    println!("container: {LINES} lines at {rate:.0} lines/s, the engine's own attach {floor:.0}");
    ensure!(
        rate >= BAR && rate >= RATIO * floor,
        "{rate:.0} lines/s of {floor:.0} that the engine's own attach does; at least {BAR} and {RATIO} of that are wanted"
    );
    let numbers = chatter::numbers(&roost, "busy")?;
    ensure!(
        numbers.len() as u64 == LINES,
        "{} lines in the journal",
        numbers.len()
    );
    chatter::assert_each_once(&numbers)
}
