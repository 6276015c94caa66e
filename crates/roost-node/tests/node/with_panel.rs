//! The panel that is away, comes back, or says a thing twice.

use super::house::{ECHO, House, kill_all, until};
use super::panel::{Panel, shell};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

/// A panel that makes a server while the node comes up lists it and asks for it, in any order.
pub async fn a_server_that_is_listed_and_asked_for_is_made_once() {
    let panel = Panel::start().await;
    let uuids: Vec<Uuid> = (0..20).map(|_| Uuid::new_v4()).collect();
    for uuid in &uuids {
        panel.set(*uuid, shell(*uuid, ECHO, |_| {}));
    }
    let house = House::start(&panel).await;
    let asked = uuids.iter().map(|uuid| {
        let body = json!({"uuid": uuid, "start_on_completion": true, "skip_scripts": true});
        house.send("POST", "/api/servers", body)
    });
    for (status, body) in futures_util::future::join_all(asked).await {
        assert_eq!(status, 202, "{body}");
    }
    for uuid in &uuids {
        house.until_text(*uuid, "up").await;
    }
    // Asked for again it stays as it is.
    let body = json!({"uuid": uuids[0], "start_on_completion": true, "skip_scripts": true});
    assert_eq!(house.send("POST", "/api/servers", body).await.0, 202);
    let starts = house.texts(uuids[0]).await;
    assert_eq!(
        starts.iter().filter(|line| *line == "up").count(),
        1,
        "{starts:?}"
    );
    kill_all(&house).await;
    house.end().await;
}

pub async fn a_node_starts_without_its_panel() {
    let mut panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    house.create(&panel, uuid, shell(uuid, ECHO, |_| {})).await;
    let dir = house.end().await;
    panel.away().await;
    let began = Instant::now();
    let house = House::start_in(dir, &panel).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(house.state(uuid).await, "offline");
    assert_eq!(house.power(uuid, "start").await, 202);
    house.until_text(uuid, "up").await;
    let late = Uuid::new_v4();
    panel.set(late, shell(late, ECHO, |_| {}));
    panel.back().await;
    until("the panel's new server", async || {
        house.node.servers().get(late).is_some()
    })
    .await;
    until("the second reset", async || {
        panel.known.lock().unwrap().resets == 2
    })
    .await;
    assert!(
        panel
            .known
            .lock()
            .unwrap()
            .pages_asked
            .iter()
            .all(|page| page == "0")
    );
    kill_all(&house).await;
    house.end().await;
}

pub async fn audit_rows_wait_for_a_panel_that_is_away() {
    let mut panel = Panel::start().await;
    let house = House::start(&panel).await;
    let server = Uuid::new_v4();
    let record = |house: &House, event: &str| {
        house
            .node
            .recorder()
            .record(server, event, &Default::default(), json!({"n": 1}));
    };
    let began = Instant::now();
    record(&house, "server:console.command");
    until("the first row", async || {
        panel.rows("server:console.command").len() == 1
    })
    .await;
    assert!(began.elapsed() < Duration::from_secs(1));
    panel.away().await;
    for _ in 0..250 {
        record(&house, "server:power.start");
    }
    let dir = house.end().await;
    panel.back().await;
    let house = House::start_in(dir, &panel).await;
    until("the rows of the last node", async || {
        panel.rows("server:power.start").len() == 250
    })
    .await;
    let ids: std::collections::BTreeSet<String> = panel
        .rows("server:power.start")
        .iter()
        .map(|row| row["id"].to_string())
        .collect();
    assert_eq!(ids.len(), 250);
    // A row that the panel can't take does not keep the others back.
    panel.known.lock().unwrap().refuse_event = Some("server:odd".to_owned());
    record(&house, "server:power.stop");
    record(&house, "server:odd");
    record(&house, "server:power.stop");
    until("the good rows", async || {
        panel.rows("server:power.stop").len() == 2
    })
    .await;
    house.end().await;
}
