//! Live viewers beside some that have stopped to read.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use crate::{
    reading::watch,
    report::{check, reached},
};
use roost_world::bench::stage::Stage;
use std::time::Duration;

const GOOD: usize = 30;
const STALLED: usize = 5;
/// Lines that are more than the buffers of a socket hold, so that a stalled viewer is stalled.
const FILL: u64 = 200_000;
/// How much worse the others' 99th percentile may be.
const BAR: f64 = 1.2;

/// 30 viewers at 1,000 lines/s: alone, beside 5 that do not read, and alone again. The two times alone are one
/// measurement.
pub async fn beside(time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let stage = Stage::new("", GOOD + STALLED).await?;
    let mut good = stage.swarm(GOOD)?;
    let mut alone = watch(&mut good, time, "without stalled viewers", wrong)?;
    let stalled = stage.swarm(STALLED)?;
    good.command(&format!("burst {FILL}"))?;
    let seen = good.watch_until(Duration::from_secs(60), FILL * GOOD as u64)?;
    check("the burst that stalls", &seen, FILL * GOOD as u64, wrong);
    let beside = watch(&mut good, time, "beside stalled viewers", wrong)?;
    drop(stalled);
    alone.add(watch(&mut good, time, "after stalled viewers", wrong)?);
    let (p99, p99_alone) = (beside.latency_ms(0.99), alone.latency_ms(0.99));
    println!(
        "{GOOD} viewers at 1000 lines/s beside {STALLED} that do not read: p99 {p99:.2} ms, alone {p99_alone:.2}: {:.2}x (bar: {BAR}){}",
        p99 / p99_alone,
        reached(p99 <= BAR * p99_alone)
    );
    Ok(())
}
