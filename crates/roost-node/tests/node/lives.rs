//! A node that ends, and a keeper that is killed.

use super::house::{House, echo_server, kill_all, path, until};
use super::panel::{Panel, shell};
use std::time::Duration;
use uuid::Uuid;

pub async fn the_next_node_takes_up_the_programs_of_the_last() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let counts = "i=0; while :; do i=$((i+1)); echo tick $i; sleep 0.01; done";
    house.create(&panel, uuid, shell(uuid, counts, |_| {})).await;
    let wished = echo_server(&house, &panel).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "tick 20").await;
    let pid = house.get(&path(uuid, "")).await["roost"]["pid"].clone();
    let wished_pid = house.get(&path(wished, "")).await["roost"]["pid"]
        .as_u64()
        .unwrap();
    let dir = house.end().await;

    // Its keeper is gone when the node comes back: the server is started again, for it was running.
    let keeper = parent_of(wished_pid);
    kill(keeper);
    kill(wished_pid);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let house = House::start_in(dir, &panel).await;
    house.until_state(uuid, "running").await;
    assert_eq!(house.get(&path(uuid, "")).await["roost"]["pid"], pid);
    until("the wished server", async || {
        house
            .texts(wished)
            .await
            .iter()
            .filter(|line| *line == "up")
            .count()
            == 2
    })
    .await;
    let ticks: Vec<u64> = house
        .texts(uuid)
        .await
        .iter()
        .filter_map(|line| line.strip_prefix("tick ")?.parse().ok())
        .collect();
    assert_eq!(
        ticks,
        (1..=ticks.len() as u64).collect::<Vec<_>>(),
        "no line lost, none doubled"
    );
    kill_all(&house).await;
    house.end().await;
}

/// A program's keeper.
fn parent_of(pid: u64) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let behind_name = stat.rsplit(')').next().unwrap();
    behind_name.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn kill(pid: u64) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
}

pub async fn a_killed_keeper_takes_its_program_with_it() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let stubborn = "trap '' HUP; echo up; while :; do sleep 0.1; done";
    house.create(&panel, uuid, shell(uuid, stubborn, |_| {})).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "up").await;
    let pid = house.get(&path(uuid, "")).await["roost"]["pid"].as_u64().unwrap();
    kill(parent_of(pid));
    house.until_text(uuid, "keeper").await;
    until("the second start", async || {
        house
            .texts(uuid)
            .await
            .iter()
            .filter(|line| *line == "up")
            .count()
            == 2
    })
    .await;
    if rustix::process::geteuid().is_root() {
        // Its new parent may take its time to bury it.
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        assert!(stat.is_empty() || stat.contains(") Z "), "{stat}");
    } else {
        kill(pid);
    }
    kill_all(&house).await;
    house.end().await;
}
