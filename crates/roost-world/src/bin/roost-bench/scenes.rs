//! The figures other than fan-out: many viewers, many servers, a burst, memory, readiness.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use crate::report::{check, print_killed, print_seen, reached};
use anyhow::Context;
use roost_world::{
    Roost,
    bench::{cpu, stage::Stage, swarm::PER_TOKEN},
    killed::again_and_again,
};
use std::time::{Duration, Instant};

/// Many viewers of one server.
pub async fn many_viewers(viewers: usize, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
    let stage = Stage::new("--rate 20", viewers).await?;
    let mut swarm = stage.swarm(viewers)?;
    swarm.watch(Duration::from_secs(2))?;
    let (seen, due) = swarm.watch_exactly(time, Duration::from_secs(10))?;
    let what = format!("{viewers} viewers of one server at 20 lines/s");
    print_seen(&what, &seen, due, 250.0);
    check(&what, &seen, due, wrong);
    Ok(())
}

/// Many servers with three viewers each.
pub async fn many_servers(servers: usize, time: Duration, wrong: &mut Vec<String>) -> anyhow::Result<()> {
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

/// What servers cost that say nothing and that nobody watches: the node alone, its keepers not counted.
pub async fn silent(servers: usize, time: Duration) -> anyhow::Result<()> {
    const BARS: (f64, f64) = (1.0, 60.0);
    let stage = Stage::of_many(servers, "", 0).await?;
    let pid = stage.roost.pid().context("not running")?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = cpu::seconds(pid);
    tokio::time::sleep(time).await;
    let share = 100.0 * (cpu::seconds(pid) - before) / time.as_secs_f64();
    let memory = cpu::resident_bytes(pid)? as f64 / f64::from(1 << 20);
    println!(
        "{servers} silent servers: {share:.2} % of one core, {memory:.1} MiB resident, panel included (bars: {} %, {} MiB){}",
        BARS.0,
        BARS.1,
        reached(share <= BARS.0 && memory <= BARS.1)
    );
    Ok(())
}

/// How fast one viewer gets a burst.
pub async fn burst(lines: u64, wrong: &mut Vec<String>) -> anyhow::Result<()> {
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

/// The node is killed with SIGKILL while viewers follow a server. Fails where a line or the server is lost.
pub async fn killed(kills: usize) -> anyhow::Result<()> {
    let mut roost = Roost::start()?;
    let command = roost.chatter("--rate 1000");
    roost.json(&["server", "create", "busy", "--command", &command, "--start"])?;
    print_killed("a process", kills, again_and_again(&mut roost, kills).await?);
    Ok(())
}

/// Memory of viewers that see nothing, of a keeper, and of all of it.
pub async fn idle(viewers: usize) -> anyhow::Result<()> {
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

/// The time until `roost up` can be used.
pub fn ready() -> anyhow::Result<()> {
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
