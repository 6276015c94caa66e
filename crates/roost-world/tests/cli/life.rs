//! Roost's own beginning and end.

use crate::Told;
use anyhow::{Context, ensure};
use roost_world::Roost;
use std::time::{Duration, Instant};

#[test]
fn up_with_demo_prints_what_a_newcomer_needs() -> Told {
    let roost = Roost::start_with(&[])?;
    ensure!(
        roost
            .log()
            .contains(&format!("http://localhost:{}", roost.port())),
        "{}",
        roost.log()
    );
    let begun = Instant::now();
    loop {
        let lines = roost.json_lines(&["server", "logs", "demo"])?;
        if lines.iter().any(|l| {
            l["text"]
                .as_str()
                .is_some_and(|t| t.contains("The lobby is open"))
        }) {
            break;
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(10),
            "the demo says nothing: {lines:?}"
        );
    }
    roost.json(&["server", "send", "demo", "tps"])?;
    Ok(())
}

#[test]
fn purge_works_right_after_down() -> Told {
    let mut roost = Roost::start()?;
    for name in ["a", "b", "c"] {
        roost.json(&[
            "server",
            "create",
            name,
            "--command",
            &roost.chatter(""),
            "--start",
        ])?;
    }
    for arguments in [&["down"][..], &["down", "--purge", "--yes"]] {
        let output = roost.cli(arguments)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{arguments:?}: {error}");
    }
    ensure!(!roost.data().exists());
    let _ = roost.kill();
    Ok(())
}

#[test]
fn purge_removes_all_that_roost_made() -> Told {
    let mut roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let pid = roost.json(&["server", "show", "x"])?["pid"]
        .as_u64()
        .context("no pid")?;
    let output = roost.cli(&["down", "--purge", "--yes"])?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        !roost.data().exists(),
        "{} is still there",
        roost.data().display()
    );
    ensure!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "the server still lives"
    );
    let _ = roost.kill();
    Ok(())
}
