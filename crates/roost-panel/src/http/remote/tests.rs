//! What nodes ask, and what they can't reach.

use crate::{
    store::ServerRow,
    testing::{START, World, on_both_databases, scene::Scene},
};
use http::Method;
use roost_wire::{clock::rfc3339, id::ServerRef};
use serde_json::{Value, json};
use uuid::Uuid;

/// A server that belongs to another node, or to none.
async fn foreign_server(scene: &Scene<'_>) -> Uuid {
    let app = scene.world.panel.app();
    let own = app
        .store
        .server(&ServerRef::Uuid(scene.server))
        .await
        .unwrap()
        .unwrap();
    let made = json!({"name": "two", "address": "https://two.example.com"});
    assert_eq!(
        scene
            .world
            .post("/api/admin/nodes", &made)
            .cli()
            .send()
            .await
            .status,
        200
    );
    let two = app.store.node_by_name("two").await.unwrap().unwrap();
    let other = ServerRow {
        uuid: Uuid::from_u128(0xf00d_0000_0000_4000_8000_0000_0000_0001),
        identifier: "other".to_owned(),
        node: Some(two.uuid),
        ..own
    };
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_server(&other).await.unwrap();
    tx.commit().await.unwrap();
    other.uuid
}

fn routes(server: Uuid) -> Vec<(Method, String)> {
    let of = |rest: &str| format!("/api/remote/servers/{server}{rest}");
    vec![
        (Method::GET, of("")),
        (Method::GET, of("/install")),
        (Method::POST, of("/install")),
        (Method::POST, of("/container/status")),
        (Method::POST, of("/transfer/success")),
        (Method::GET, of("/transfer/failure")),
        (Method::POST, of("/archive")),
    ]
}

fn row(server: Uuid, event: &str, more: &Value) -> Value {
    let mut row = json!({"user": null, "server": server, "event": event, "metadata": {}, "ip": "203.0.113.9",
                         "timestamp": rfc3339(START - 1_000)});
    for (name, value) in more.as_object().into_iter().flatten() {
        row[name] = value.clone();
    }
    row
}

async fn send(scene: &Scene<'_>, rows: &[Value]) -> u16 {
    let call = scene.world.post("/api/remote/activity", &json!({"data": rows}));
    scene.as_node(call).send().await.status.as_u16()
}

async fn reported(world: &World, event: &str) -> Vec<Value> {
    world
        .audit()
        .await
        .into_iter()
        .filter(|r| r["event"] == event)
        .collect()
}

on_both_databases! {
    async fn a_stock_daemon_boots(world: &World) {
        let scene = Scene::new(world).await;
        let agent = "Pterodactyl Wings/v1.11.0 (id:abc)";
        for page in ["0", "1"] {
            let path = format!("/api/remote/servers?page={page}&per_page=50");
            let answer = scene.as_node(world.get(&path)).header("user-agent", agent).send().await;
            assert_eq!(answer.status, 200, "{answer:?}");
            let expected = json!({"current_page": 1, "from": 1, "last_page": 1, "per_page": 50, "to": 1, "total": 1});
            assert_eq!(answer.body["meta"], expected);
            let server = &answer.body["data"][0];
            assert_eq!(server["uuid"], scene.server.to_string());
            assert_eq!(server["settings"]["allocations"]["mappings"], json!({"0.0.0.0": [25565, 25575]}));
            assert_eq!(server["process_configuration"]["stop"], json!({"type": "command", "value": "\u{3}"}));
            assert_eq!(server["process_configuration"]["startup"]["done"], json!(["regex:.*"]));
        }
        let past = scene.as_node(world.get("/api/remote/servers?page=9&per_page=1")).send().await.body;
        assert_eq!((&past["data"], &past["meta"]["last_page"], &past["meta"]["from"]), (&json!([]), &json!(1), &json!(0)));
        let one = scene.as_node(world.get(&format!("/api/remote/servers/{}", scene.server))).send().await;
        assert_eq!(one.body["settings"]["roost"]["command"], json!(["./lobby", "--loud"]));
        assert_eq!(one.body["settings"]["environment"]["MOTD"], "hi");
        assert_eq!(one.body["process_configuration"]["startup"]["done"], json!([]), "Roost's node knows by itself");
        let reset = scene.as_node(world.call(Method::POST, "/api/remote/servers/reset")).raw("null").send().await;
        assert_eq!((reset.status.as_u16(), reset.text.as_str()), (204, ""));
    }

    async fn the_credential_is_asked_for_in_this_order(world: &World) {
        let scene = Scene::new(world).await;
        let path = "/api/remote/servers";
        let (id, secret) = (&scene.token_id, &scene.secret);
        assert_eq!(world.get(path).send().await.status, 401);
        assert_eq!(world.get(path).header("authorization", "Basic x").send().await.status, 401);
        for malformed in [secret.clone(), format!("{id}."), format!(".{secret}"), format!("{id}.{secret}.x")] {
            assert_eq!(world.get(path).bearer(&malformed).send().await.status, 400, "{malformed}");
        }
        for wrong in [format!("{id}.wrong"), format!("wrong.{secret}"), format!("{id}.{}", &secret[1..])] {
            assert_eq!(world.get(path).bearer(&wrong).send().await.status, 403);
        }
        assert_eq!(world.get(path).bearer(scene.key("root")).send().await.status, 400, "a person's key is no node's");
        assert_eq!(scene.as_node(world.get(path)).send().await.status, 200);
        assert_eq!(scene.as_node(world.get("/api/client")).send().await.status, 401, "and a node is no person");
    }

    async fn both_secrets_hold_while_one_is_replaced(world: &World) {
        let scene = Scene::new(world).await;
        let answer = world.call(Method::POST, "/api/admin/nodes/one/rotate").cli().send().await;
        assert!(answer.status.is_success(), "{answer:?}");
        assert_eq!(scene.as_node(world.get("/api/remote/servers")).send().await.status, 200);
        world.clock.advance(16 * 60 * 1000);
        assert_eq!(scene.as_node(world.get("/api/remote/servers")).send().await.status, 403);
    }

    async fn attack_15_a_nodes_token_reaches_its_own_servers_only(world: &World) {
        let scene = Scene::new(world).await;
        let foreign = foreign_server(&scene).await;
        let missing = Uuid::from_u128(0xbad);
        let mut texts = Vec::new();
        for server in [foreign, missing] {
            for (method, path) in routes(server) {
                let answer = scene.as_node(world.call(method.clone(), &path)).json(&json!({"successful": true, "data": {"new_state": "running"}})).send().await;
                assert_eq!(answer.status, 404, "{method} {path}");
                texts.push(answer.text);
            }
            assert_eq!(send(&scene, &[row(server, "server:console.command", &json!({}))]).await, 204);
        }
        texts.dedup();
        assert_eq!(texts.len(), 1, "absent and foreign are told alike");
        assert!(reported(world, "server:console.command").await.is_empty());
        let list = scene.as_node(world.get("/api/remote/servers")).send().await.body;
        assert_eq!(list["meta"]["total"], 1);
        for (method, path) in routes(scene.server) {
            assert_eq!(world.call(method, &path).send().await.status, 401, "{path}");
        }
    }

    async fn what_roost_does_not_have_is_said_so(world: &World) {
        let scene = Scene::new(world).await;
        let sftp = scene.as_node(world.post("/api/remote/sftp/auth", &json!({"username": "a.b", "password": "x"}))).send().await;
        assert_eq!(sftp.status, 403);
        assert_eq!(world.post("/api/remote/sftp/auth", &json!({})).send().await.status, 401);
        for (path, status) in [("backups/x", 404), ("backups/x/restore", 404)] {
            let answer = scene.as_node(world.call(Method::POST, &format!("/api/remote/{path}"))).send().await;
            assert_eq!(answer.status.as_u16(), status, "{path}");
        }
        let transfer = format!("/api/remote/servers/{}/transfer/success", scene.server);
        assert_eq!(scene.as_node(world.call(Method::POST, &transfer)).send().await.status, 409);
        let script = scene.as_node(world.get(&format!("/api/remote/servers/{}/install", scene.server))).send().await;
        assert_eq!((script.status.as_u16(), &script.body["script"]), (200, &json!("")));
    }

    async fn an_install_ends_one_way_or_the_other(world: &World) {
        let scene = Scene::new(world).await;
        let path = format!("/api/remote/servers/{}/install", scene.server);
        let status = async || scene.get("olive", "/api/client/servers/lobby").send().await.body["attributes"]["status"].clone();
        let end = async |body: Value| {
            assert_eq!(scene.as_node(world.post(&path, &body)).send().await.status, 204);
        };
        end(json!({"successful": false, "reinstall": false})).await;
        assert_eq!(status().await, "install_failed");
        end(json!({"successful": true})).await;
        assert_eq!(status().await, Value::Null);
        end(json!({"successful": false, "reinstall": true})).await;
        assert_eq!(status().await, "reinstall_failed");
        assert_eq!(reported(world, "server:install.failed").await.len(), 2);
        let bad = scene.as_node(world.post(&path, &json!({"successful": "yes"}))).send().await;
        assert_eq!(bad.status, 422);
    }

    async fn rows_are_taken_once_with_their_user_time_and_address(world: &World) {
        let scene = Scene::new(world).await;
        let olive = world.panel.app().store.user_by_name("olive").await.unwrap().unwrap().uuid;
        let id = Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001);
        let own = row(scene.server, "server:console.command", &json!({"id": id, "user": olive, "metadata": {"command": "say hi"}}));
        let stock = row(scene.server, "server:power.start", &json!({"user": "", "ip": "198.51.100.7:5555", "timestamp": "2026-11-24T08:19:58.123456789Z"}));
        for _ in 0..3 {
            assert_eq!(send(&scene, &[own.clone(), stock.clone()]).await, 204);
        }
        let commands = reported(world, "server:console.command").await;
        assert_eq!(commands.len(), 1);
        let command = &commands[0];
        assert_eq!((&command["user"], &command["via"], &command["server"]), (&json!("olive"), &json!("socket"), &json!("lobby")));
        assert_eq!((&command["address"], &command["details"]["command"]), (&json!("203.0.113.9"), &json!("say hi")));
        assert_eq!(command["time"], rfc3339(START - 1_000));
        let starts = reported(world, "server:power.start").await;
        assert_eq!(starts.len(), 1);
        assert_eq!((&starts[0]["via"], &starts[0]["address"], &starts[0]["user"]), (&json!("node"), &json!("198.51.100.7"), &Value::Null));
        assert_eq!(starts[0]["time"], "2026-11-24T08:19:58.123Z");
    }

    async fn attack_17_a_node_can_not_poison_the_audit(world: &World) {
        let scene = Scene::new(world).await;
        let rows = [
            row(scene.server, "auth:success", &json!({})),
            row(scene.server, "server:<script>", &json!({})),
            row(scene.server, "server:late", &json!({"timestamp": "1970-01-01T00:00:00Z"})),
            row(scene.server, "server:early", &json!({"timestamp": "2999-01-01T00:00:00Z"})),
            row(scene.server, "server:never", &json!({"timestamp": "tomorrow", "ip": "<b>", "user": "<i>", "metadata": null})),
            row(scene.server, "server:big", &json!({"metadata": {"a": ["x".repeat(60_000)]}})),
            json!({"event": "server:broken"}),
            json!("nonsense"),
        ];
        assert_eq!(send(&scene, &rows).await, 204, "a row that can't be read does not hold up the others");
        for event in ["server:late", "server:early", "server:never"] {
            let found = reported(world, event).await;
            assert_eq!((found.len(), &found[0]["time"]), (1, &json!(rfc3339(START))), "{event}");
        }
        assert_eq!(reported(world, "server:never").await[0]["address"], Value::Null);
        assert!(reported(world, "server:big").await[0]["details"]["left_out_bytes"].is_number());
        let events = world.events().await;
        assert!(!events.iter().any(|e| e == "auth:success" || e.contains('<') || e == "server:broken"));
        let many = vec![row(scene.server, "server:many", &json!({})); 101];
        assert_eq!(send(&scene, &many).await, 413);
        let huge = vec![row(scene.server, "server:many", &json!({"metadata": {"a": "x".repeat(20_000)}})); 60];
        assert_eq!(send(&scene, &huge).await, 413);
        let fits = vec![row(scene.server, "server:long", &json!({"metadata": {"command": "x".repeat(4095)}})); 100];
        assert_eq!(send(&scene, &fits).await, 204);
        assert_eq!(scene.as_node(world.post("/api/remote/activity", &json!({"rows": []}))).send().await.status, 422);
    }

    async fn a_changed_state_is_kept_for_when_the_node_is_away(world: &World) {
        let scene = Scene::new(world).await;
        let path = format!("/api/remote/servers/{}/container/status", scene.server);
        for state in ["starting", "stopping", "exploding"] {
            let body = json!({"data": {"previous_state": "offline", "new_state": state}});
            assert_eq!(scene.as_node(world.post(&path, &body)).send().await.status, 204);
        }
        let kept = world.panel.app().store.server(&ServerRef::Uuid(scene.server)).await.unwrap().unwrap();
        assert_eq!(kept.state.map(|s| s.to_string()).as_deref(), Some("stopping"));
    }
}
