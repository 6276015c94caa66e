//! How servers end: asked, killed, crashed, suspended, deleted, all at once.

use super::house::{ECHO, House, echo_server, path, until};
use super::panel::{Panel, shell};
use serde_json::{Value, json};
use std::time::Duration;
use uuid::Uuid;

pub async fn a_program_that_ignores_its_stop_is_killed_by_the_timer() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let deaf = shell(
        uuid,
        "trap '' TERM INT; echo deaf; while :; do sleep 1; done",
        |server| {
            server["settings"]["roost"]["stop_timeout_secs"] = json!(2);
            server["process_configuration"]["stop"] = json!({"type": "signal", "value": "C"});
        },
    );
    house.create(&panel, uuid, deaf).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "deaf").await;
    assert_eq!(house.power(uuid, "stop").await, 202);
    house.until_state(uuid, "stopping").await;
    assert_eq!(
        house.power(uuid, "restart").await,
        409,
        "one thing after the other"
    );
    house.until_state(uuid, "offline").await;
    let texts = house.texts(uuid).await.join("\n");
    assert!(texts.contains("in 2 seconds, it is killed"), "{texts}");
    assert!(texts.contains("signal 9 (SIGKILL)"), "{texts}");
    assert!(panel.rows("server:crashed").is_empty());
    house.end().await;
}

pub async fn a_crash_is_told_and_followed_by_one_start() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    let crash = json!({"commands": ["crash"]});
    house.send("POST", &path(uuid, "/commands"), crash.clone()).await;
    house.until_text(uuid, "exit code 3").await;
    until("the time of the next start", async || {
        house.get(&path(uuid, "")).await["roost"]["starts_again_at"].is_string()
    })
    .await;
    let ups = async || {
        house
            .texts(uuid)
            .await
            .iter()
            .filter(|line| *line == "up")
            .count()
    };
    until("the second start", async || ups().await == 2).await;
    house.until_state(uuid, "running").await;
    assert!(house.get(&path(uuid, "")).await["roost"]["starts_again_at"].is_null());
    house.send("POST", &path(uuid, "/commands"), crash).await;
    house.until_text(uuid, "within the last 60 seconds").await;
    house.until_state(uuid, "offline").await;
    let detail = house.get(&path(uuid, "")).await;
    assert!(
        detail["roost"]["last_exit"]
            .as_str()
            .unwrap()
            .contains("exit code 3")
    );
    until("the audit", async || panel.rows("server:crashed").len() == 2).await;

    // Typing the stop command is a stop.
    assert_eq!(house.power(uuid, "start").await, 202);
    until("the third start", async || ups().await == 3).await;
    house
        .send("POST", &path(uuid, "/commands"), json!({"commands": ["stop"]}))
        .await;
    house.until_state(uuid, "offline").await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(house.state(uuid).await, "offline");
    assert_eq!(panel.rows("server:crashed").len(), 2);
    house.end().await;
}

pub async fn suspending_stops_a_server_and_keeps_it_down() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    panel.set(
        uuid,
        shell(uuid, ECHO, |server| server["settings"]["suspended"] = json!(true)),
    );
    assert_eq!(house.send("POST", &path(uuid, "/sync"), Value::Null).await.0, 204);
    house.until_state(uuid, "offline").await;
    assert_eq!(house.power(uuid, "start").await, 400);
    assert_eq!(house.get(&path(uuid, "")).await["is_suspended"], true);
    house.end().await;
}

pub async fn all_servers_are_stopped_each_its_own_way() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let first = echo_server(&house, &panel).await;
    let second = echo_server(&house, &panel).await;
    let (sender, mut progress) = tokio::sync::mpsc::channel(100);
    house
        .node
        .stop_all(roost_node::server::handle::Down::Asked, sender)
        .await;
    let mut told = Vec::new();
    while let Ok(word) = progress.try_recv() {
        told.push(word);
    }
    assert_eq!(
        told.iter()
            .filter(|(name, word)| name == "shell" && word == "offline")
            .count(),
        2,
        "{told:?}"
    );
    for uuid in [first, second] {
        assert_eq!(house.state(uuid).await, "offline");
        assert!(house.texts(uuid).await.iter().any(|line| line == "bye"));
    }
    assert_eq!(house.node.running(), 0);
    house.end().await;
}

pub async fn a_deleted_server_leaves_nothing() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    std::fs::write(house.data(uuid).join("world"), "x").unwrap();
    let pid = house.get(&path(uuid, "")).await["roost"]["pid"].as_u64().unwrap();
    assert_eq!(house.send("DELETE", &path(uuid, ""), Value::Null).await.0, 204);
    assert!(!std::path::Path::new(&format!("/proc/{pid}")).exists());
    assert!(!house.data(uuid).exists());
    for dir in ["journals", "run", "servers"] {
        let path = house.dir.path().join("node").join(dir).join(uuid.to_string());
        assert!(!path.exists(), "{}", path.display());
    }
    assert_eq!(house.send("GET", &path(uuid, ""), Value::Null).await.0, 404);
    // A directory of the operator's stays.
    let given = house.dir.path().join("given");
    std::fs::create_dir(&given).unwrap();
    std::os::unix::fs::chown(&given, Some(0), Some(0)).ok();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(&given, mode).unwrap();
    let server = shell(uuid, ECHO, |server| {
        server["settings"]["roost"]["dir"] = json!(given);
    });
    house.create(&panel, uuid, server).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "up").await;
    assert_eq!(house.send("DELETE", &path(uuid, ""), Value::Null).await.0, 204);
    assert!(given.exists());
    // One that was made for an engine that is not there.
    let server = shell(uuid, "", |server| {
        server["settings"]["container"] = json!({"image": "nowhere"});
        server["settings"]["roost"]["runtime"] = json!("docker");
    });
    house.create(&panel, uuid, server).await;
    let (status, answer) = house.send("DELETE", &path(uuid, ""), Value::Null).await;
    assert_eq!(status, 204, "{answer}");
    house.end().await;
}
