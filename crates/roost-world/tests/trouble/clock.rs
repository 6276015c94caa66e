//! The machine's clock jumps, back and forth, for the node and its panel. (A keeper gets none of the node's environment,
//! so that its clock goes on as it was: the journal meets times that do not follow each other.)

use crate::Told;
use anyhow::{Context, ensure};
use roost_world::{
    Roost,
    chatter::{assert_each_once, numbers},
    follower::follow,
    http::Person,
};
use std::{collections::BTreeSet, path::Path, time::Duration};

/// Where Debian has it; `./test` installs it.
const FAKETIME: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_jumps_costs_no_line() -> Told {
    let library = FAKETIME
        .into_iter()
        .find(|path| Path::new(path).exists())
        .context("libfaketime is missing: apt-get install faketime")?;
    let folder = tempfile::tempdir()?;
    let offset = folder.path().join("offset");
    std::fs::write(&offset, "+0")?;
    let roost = Roost::start_in(
        &["--no-demo"],
        &[
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", &offset.to_string_lossy()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ],
    )?;
    let program = roost.chatter("--rate 500");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    roost.json(&[
        "server",
        "create",
        "marks",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let follower = tokio::spawn(follow(
        admin.clone(),
        "busy".to_owned(),
        "said the end".to_owned(),
        Duration::from_secs(60),
    ));
    for jump in ["-7200", "+18000", "+0"] {
        tokio::time::sleep(Duration::from_secs(2)).await;
        std::fs::write(&offset, jump)?;
        roost.json(&["server", "restart", "marks"])?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    roost.json(&["server", "send", "busy", "say the end"])?;
    let followed = tokio::time::timeout(Duration::from_secs(30), follower)
        .await
        .context("the viewer did not get to the end")???;
    ensure!(followed.lines.len() > 2500, "only {} lines", followed.lines.len());
    followed.assert_whole()?;
    let numbers = numbers(&roost, "busy")?;
    ensure!(numbers.len() > 3000, "only {} lines", numbers.len());
    assert_each_once(&numbers)?;
    // What the node says itself has the times that its clock showed, in the order in which it was said.
    let lines = roost.json_lines(&["server", "logs", "marks", "--all"])?;
    let hours: BTreeSet<&str> = lines
        .iter()
        .filter_map(|line| line["time"].as_str()?.get(..13))
        .collect();
    ensure!(hours.len() >= 3, "only the hours {hours:?}");
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["seq"].as_u64()).collect();
    ensure!(
        numbers.iter().copied().eq(1..=lines.len() as u64),
        "numbers {numbers:?}"
    );
    Ok(())
}
