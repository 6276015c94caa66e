//! Many servers on one node, and the node is killed.

use crate::{Told, is_long};
use anyhow::ensure;
use roost_world::{
    Roost,
    chatter::{assert_each_once, numbers},
};
use serde_json::Value;
use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

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

#[test]
fn many_servers_outlive_their_node_and_lose_no_line() -> Told {
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
    for _ in 0..2 {
        roost.kill()?;
        std::thread::sleep(Duration::from_secs(1));
        roost.up()?;
        let after = pids(&roost, servers)?;
        ensure!(after == before, "servers were started anew");
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
