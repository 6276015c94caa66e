//! An upgrade with servers running: a keeper of an older build under a node of this one.

use anyhow::{Context, ensure};
use roost_world::{Roost, Viewer, http::Person};
use std::time::Duration;

type Told = anyhow::Result<()>;

#[tokio::test]
async fn a_newer_node_takes_up_an_older_keeper_without_losing_a_line() -> Told {
    let older = std::env::var_os("ROOST_OLDER")
        .context("ROOST_OLDER is to name an older build's binary: run scripts/older-keeper")?;
    let mut roost = Roost::start_of(older.into(), &["--no-demo"], &[])?;
    roost.json(&[
        "server",
        "create",
        "busy",
        "--command",
        &roost.chatter("--rate 1000"),
        "--stop",
        "stop",
        "--start",
    ])?;
    let show = |roost: &Roost| roost.json(&["server", "show", "busy"]);
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "busy").await?;
    // Whichever comes first: it has been writing since before.
    viewer.line(|l| l.starts_with('L')).await?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let pid = show(&roost)?["pid"].as_u64().context("no pid")?;
    roost.kill()?;
    // It writes on, into its keeper.
    tokio::time::sleep(Duration::from_secs(2)).await;
    roost.upgrade();
    roost.up()?;
    let after = show(&roost)?;
    ensure!(after["pid"] == pid && after["state"] == "running", "{after}");

    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "busy").await?;
    viewer.send("send command", &["rate 0"]).await?;
    viewer.send("send command", &["say typed"]).await?;
    viewer.line(|l| l == "said typed").await?;
    viewer.send("send command", &["count"]).await?;
    let counted = viewer.line(|l| l.starts_with("counted ")).await?;
    let last: u64 = counted.trim_start_matches("counted ").parse()?;
    ensure!(last > 2_500, "it did not write on: {last}");
    let logged = roost.json_lines(&["server", "logs", "busy", "--all"])?;
    let numbers: Vec<u64> = logged
        .iter()
        .filter(|line| line["source"] == "output")
        .filter_map(|line| {
            line["text"]
                .as_str()?
                .strip_prefix('L')?
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    ensure!(
        numbers.iter().copied().eq(1..=last),
        "{} of {last} lines",
        numbers.len()
    );
    for (line, next) in logged.iter().zip(logged.iter().skip(1)) {
        ensure!(
            next["seq"].as_u64() == line["seq"].as_u64().map(|seq| seq + 1),
            "{line} {next}"
        );
    }

    roost.json(&["server", "stop", "busy"])?;
    viewer.line(|l| l == "stopping").await?;
    for _ in 0..100 {
        if show(&roost)?["state"] == "offline" {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    anyhow::bail!("the server did not stop: {}", show(&roost)?)
}
