//! What holds a server back: its memory, its neighbours' files.

use super::house::{House, kill_all, path};
use super::panel::{Panel, shell};
use serde_json::{Value, json};
use uuid::Uuid;

/// Directories named after a server below the control groups.
fn groups_of(uuid: Uuid) -> Vec<std::path::PathBuf> {
    let (mut look, mut found) = (vec![std::path::PathBuf::from("/sys/fs/cgroup")], Vec::new());
    while let Some(dir) = look.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                look.push(entry.path());
            }
            if entry.file_name().to_string_lossy().contains(&uuid.to_string()) {
                found.push(entry.path());
            }
        }
    }
    found
}

pub async fn a_server_that_takes_too_much_memory_is_ended_and_told_why() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let hungry = "echo up; read line; head -c 300m /dev/zero | tail -c 300m > /dev/null; exit $?";
    let limited = |server: &mut Value| {
        server["settings"]["build"]["memory_limit"] = 64.into();
        server["settings"]["build"]["cpu_limit"] = 300.into();
    };
    house.create(&panel, uuid, shell(uuid, hungry, limited)).await;
    // Known as soon as the server is there, and told again where it is started.
    let not_enforced = house.get(&path(uuid, "")).await["roost"]["not_enforced"].clone();
    house.power(uuid, "start").await;
    house.until_text(uuid, "up").await;
    let told: Vec<&str> = not_enforced
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for sentence in &told {
        house.until_text(uuid, sentence).await;
    }
    if told
        .iter()
        .any(|sentence| sentence.contains("memory limit of 64 MiB"))
    {
        println!("no control groups here: {told:?}");
        kill_all(&house).await;
        house.end().await;
        return;
    }
    assert!(!groups_of(uuid).is_empty());
    let limit = house.get(&path(uuid, "")).await["utilization"]["memory_limit_bytes"].clone();
    assert!((64 << 20..80 << 20).contains(&limit.as_u64().unwrap()), "{limit}");

    // The next life of the node knows the group.
    let dir = house.end().await;
    let house = House::start_in(dir, &panel).await;
    house.until_state(uuid, "running").await;
    let used = house.get(&path(uuid, "")).await["utilization"].clone();
    assert_eq!(used["memory_limit_bytes"], limit);
    assert!(used["memory_bytes"].as_u64().unwrap() > 0, "{used}");
    let go = json!({"commands": ["go"]});
    assert_eq!(house.send("POST", &path(uuid, "/commands"), go).await.0, 204);
    house
        .until_text(uuid, "out of memory: raise its memory limit")
        .await;
    kill_all(&house).await;
    assert_eq!(groups_of(uuid), Vec::<std::path::PathBuf>::new());
    house.end().await;
}

/// Only where the node is not root: a server of root's node has a user of its own.
pub async fn a_server_of_the_node_s_own_user_is_kept_out_of_its_files() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let secret = house.dir.path().join("node/node.lock");
    let curious = format!(
        "echo own > note; cat note; cat {} && echo read it; echo x > /var/tmp/{uuid} && echo wrote it; echo done; read line",
        secret.display()
    );
    house.create(&panel, uuid, shell(uuid, &curious, |_| {})).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "done").await;
    let texts = house.texts(uuid).await;
    assert!(texts.iter().any(|line| line == "own"), "{texts:?}");
    assert!(
        texts.iter().any(|line| line.contains("same user as Roost")),
        "{texts:?}"
    );
    if texts.iter().any(|line| line.contains("Landlock keeps it out")) {
        assert!(!texts.iter().any(|line| line == "read it"), "{texts:?}");
    } else {
        let _ = std::fs::remove_file(format!("/var/tmp/{uuid}"));
        assert!(texts.iter().any(|line| line.contains("no Landlock")), "{texts:?}");
    }
    kill_all(&house).await;
    house.end().await;
}
