//! Many servers on one node, some of them watched, and the node is killed.

use crate::{Told, is_long};
use anyhow::ensure;
use roost_world::{
    Roost,
    chatter::{assert_each_once, numbers},
    follower::follow,
    http::Person,
};
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// Longest time for a follower, who waits for the end of the story.
const PATIENCE: Duration = Duration::from_secs(300);

/// Process ids of all servers by name, once all of them run.
fn pids(roost: &Roost, servers: usize) -> anyhow::Result<HashMap<String, u64>> {
    let begun = Instant::now();
    loop {
        let list = roost.json(&["server", "list"])?;
        let list: Vec<Value> = list.as_array().cloned().unwrap_or_default();
        let running: HashMap<String, u64> = list
            .iter()
            .filter(|server| server["state"] == "running")
            .filter_map(|server| Some((server["identifier"].as_str()?.to_owned(), server["pid"].as_u64()?)))
            .collect();
        if running.len() == servers {
            return Ok(running);
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(60),
            "{} of {servers} run",
            running.len()
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Servers that somebody watches.
const WATCHED: usize = 5;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_servers_outlive_their_node_and_lose_no_line() -> Told {
    let servers = if is_long() { 300 } else { 40 };
    let mut roost = Roost::start()?;
    let program = roost.chatter("--rate 20");
    let name = |number: usize| format!("server-{number}");
    for number in 0..servers {
        roost.json(&[
            "server",
            "create",
            &name(number),
            "--command",
            &program,
            "--start",
        ])?;
    }
    let before = pids(&roost, servers)?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let watched = (0..WATCHED).map(|place| name(place * servers / WATCHED));
    let followers: Vec<_> = watched
        .map(|server| {
            let following = follow(admin.clone(), server.clone(), "said the end".to_owned(), PATIENCE);
            (server, tokio::spawn(following))
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..2 {
        roost.kill()?;
        std::thread::sleep(Duration::from_secs(1));
        roost.up()?;
        let after = pids(&roost, servers)?;
        ensure!(after == before, "servers were started anew");
    }
    for (server, follower) in followers {
        roost.json(&["server", "send", &server, "rate 0"])?;
        roost.json(&["server", "send", &server, "say the end"])?;
        let followed = follower.await??;
        followed.assert_whole()?;
        ensure!(
            followed.sockets > 2 && followed.lines.len() > 20,
            "{server}: {} lines over {} sockets",
            followed.lines.len(),
            followed.sockets
        );
    }
    for number in 0..servers {
        let numbers = numbers(&roost, &name(number))?;
        ensure!(
            numbers.len() > 20,
            "{}: only {} lines",
            name(number),
            numbers.len()
        );
        assert_each_once(&numbers)?;
    }
    Ok(())
}
