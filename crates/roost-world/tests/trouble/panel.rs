//! The panel is away for a while: consoles go on, servers can be started, what people did arrives later.

use crate::{Told, seconds};
use anyhow::ensure;
use roost_world::{Roost, Viewer, daemon::Daemon, http::Person};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Commands typed while the panel is away.
const TYPED: usize = 30;

/// A node of its own, and on it the server `game`, which writes 20 lines a second.
async fn node_with_game(roost: &Roost) -> anyhow::Result<Daemon> {
    let node = Daemon::start(roost, "far").await?;
    let program = roost.chatter("--rate 20");
    roost.json(&[
        "server",
        "create",
        "game",
        "--node",
        "far",
        "--command",
        &program,
        "--start",
    ])?;
    Ok(node)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panel_that_is_away_stops_no_console_and_gets_its_audit_later() -> Told {
    let mut roost = Roost::start()?;
    let mut node = node_with_game(&roost).await?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "game").await?;
    viewer.line(|line| line.starts_with("L20 ")).await?;
    let (token, url) = admin.credentials("game").await?;

    roost.kill()?;
    let away = Instant::now();
    for number in 0..TYPED / 2 {
        viewer
            .send("send command", &[&format!("say away {number}")])
            .await?;
        viewer.line(|line| line == format!("said away {number}")).await?;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    // Its last known settings are enough to start a server.
    viewer.send("set state", &["stop"]).await?;
    viewer.wait_for("status", |state| state == "offline").await?;
    viewer.send("set state", &["start"]).await?;
    viewer.wait_for("status", |state| state == "running").await?;
    // So are they for a node that comes back; it asks the panel for a moment, then takes a valid token.
    node.kill()?;
    node.up()?;
    let asked = Instant::now();
    let mut viewer = Viewer::open(&url).await?;
    viewer.send("auth", &[&token]).await?;
    viewer.wait_for("auth success", |_| true).await?;
    let waited = asked.elapsed();
    ensure!(
        (Duration::from_secs(3)..Duration::from_secs(10)).contains(&waited),
        "a token was taken after {waited:?}"
    );
    let log = node.log();
    ensure!(log.contains("does not say within 5 s"), "{log}");
    for number in TYPED / 2..TYPED {
        viewer
            .send("send command", &[&format!("say away {number}")])
            .await?;
        viewer.line(|line| line == format!("said away {number}")).await?;
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    let wanted = seconds(15, 600);
    tokio::time::sleep(wanted.saturating_sub(away.elapsed())).await;

    roost.up()?;
    let begun = Instant::now();
    let mut is_last_look = false;
    let typed = loop {
        let rows = roost.json_lines(&["audit", "list", "--server", "game", "--lines", "500"])?;
        let typed: Vec<String> = rows
            .iter()
            .filter(|row| row["event"] == "server:console.command")
            .filter_map(|row| command(row).filter(|text| text.starts_with("say away")))
            .collect();
        if is_last_look || begun.elapsed() > Duration::from_secs(90) {
            break typed;
        }
        // A row that came twice would come in a later batch.
        is_last_look = typed.len() >= TYPED;
        tokio::time::sleep(Duration::from_secs(if is_last_look { 3 } else { 1 })).await;
    };
    let expected: Vec<String> = (0..TYPED).map(|number| format!("say away {number}")).collect();
    let mut in_order = typed.clone();
    if in_order.first() != expected.first() {
        in_order.reverse();
    }
    ensure!(in_order == expected, "in the audit: {typed:?}");
    // And the panel hands out credentials for it again.
    let mut viewer = Viewer::join(&Person::sign_in(&roost, "admin").await?, "game").await?;
    viewer.send("send command", &["say back"]).await?;
    viewer.line(|line| line == "said back").await?;
    viewer.send("set state", &["kill"]).await?;
    viewer.wait_for("status", |state| state == "offline").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_knows_at_once_what_was_revoked_meanwhile() -> Told {
    let roost = Roost::start()?;
    let mut node = node_with_game(&roost).await?;
    let (bot, key) = Person::with_key(&roost, "admin")?;
    let (revoked, url) = bot.credentials("game").await?;
    let (kept, _) = Person::sign_in(&roost, "admin")
        .await?
        .credentials("game")
        .await?;
    node.kill()?;
    roost.json(&["key", "revoke", &key[..16]])?;
    // So long that the panel has begun to wait longer between its own tries to tell the node.
    tokio::time::sleep(Duration::from_secs(5)).await;
    node.up()?;
    let mut viewer = Viewer::open(&url).await?;
    viewer.send("auth", &[&revoked]).await?;
    viewer
        .wait_for("jwt error", |why| why.contains("denylist"))
        .await?;
    let mut viewer = Viewer::open(&url).await?;
    viewer.send("auth", &[&kept]).await?;
    viewer.wait_for("auth success", |_| true).await?;
    viewer.send("set state", &["kill"]).await?;
    viewer.wait_for("status", |state| state == "offline").await?;
    Ok(())
}

/// What was typed.
fn command(row: &Value) -> Option<String> {
    let details = row.get("details").or_else(|| row.get("metadata"))?;
    details["command"].as_str().map(str::to_owned)
}
