//! Nodes: added, shown, given a new secret, removed.

use crate::{
    node_client::stub::{Answer, StubNode, obedient, system},
    testing::on_both_databases,
};
use http::Method;
use serde_json::{Value, json};

on_both_databases! {
    async fn a_node_is_added_with_a_secret_of_its_own(world: &World) {
        let new = json!({"name": "far", "address": "https://node.example.com:8443/"});
        let made = world.post("/api/admin/nodes", &new).cli().send().await;
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(made.body["address"], "https://node.example.com:8443");
        assert_eq!(made.body["token_id"].as_str().unwrap().len(), 16);
        assert_eq!(made.body.get("token"), None);
        assert_eq!(world.post("/api/admin/nodes", &new).cli().send().await.status, 409);
        let hidden = world.get("/api/admin/nodes/far").cli().send().await;
        assert_eq!(hidden.body.get("token"), None);
        let shown = world.get("/api/admin/nodes/far?reveal=true").cli().send().await;
        let token = shown.body["token"].as_str().unwrap().to_owned();
        assert!(token.len() == 64 && token.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(world.events().await, ["node:create", "node:token.reveal"]);
        assert!(!serde_json::to_string(&world.audit().await).unwrap().contains(&token));
        let bad = json!({"name": "other", "address": "http://user:pw@node"});
        let refused = world.post("/api/admin/nodes", &bad).cli().send().await;
        assert_eq!(refused.status, 422);
        assert!(refused.message().starts_with("address:"));
    }

    async fn a_config_boots_a_stock_daemon(world: &World) {
        let new = json!({"name": "far", "address": "https://node.example.com:8443"});
        world.post("/api/admin/nodes", &new).cli().send().await;
        let shown = world.get("/api/admin/nodes/far?reveal=true").cli().send().await;
        let config = world.get("/api/admin/nodes/far/config?reveal=true").cli().send().await;
        let has = |line: &str| assert!(config.text.lines().any(|l| l == line), "{line}\n{}", config.text);
        has(&format!("uuid: {}", shown.body["uuid"]));
        has(&format!("token_id: {}", shown.body["token_id"]));
        has(&format!("token: {}", shown.body["token"]));
        has("  port: 8443");
        has("    enabled: true");
        has("remote: \"https://panel.example.com\"");
        has("  - \"https://panel.example.com\"");
        has("  - \"https://app.example.com\"");
        assert!(!config.text.contains("public address"), "it is known");
        let hidden = world.get("/api/admin/nodes/far/config").cli().send().await;
        assert!(!hidden.text.contains(shown.body["token"].as_str().unwrap()));
    }

    async fn without_a_public_url_a_config_names_where_the_panel_listens(world: &World) {
        let new = json!({"name": "far", "address": "https://node.example.com:8443"});
        world.post("/api/admin/nodes", &new).cli().send().await;
        let panel = world.with(|options| {
            options.public_url = None;
            options.own_url = Some("https://127.0.0.1:8443".to_owned());
        }).await;
        let config = world.get("/api/admin/nodes/far/config").to(&panel).cli().send().await.text;
        let has = |line: &str| assert!(config.lines().any(|l| l == line), "{line}\n{config}");
        has("remote: \"https://127.0.0.1:8443\"");
        // People are told `localhost`, and stock daemons compare texts.
        has("  - \"https://127.0.0.1:8443\"");
        has("  - \"https://localhost:8443\"");
        has("  - \"https://[::1]:8443\"");
        assert!(config.contains("`url` in roost.toml"));
    }

    async fn a_rotation_says_what_kind_of_node_took_it(world: &World) {
        let stub = StubNode::start().await;
        world.node("near", &stub).await;
        let rotate = || world.post("/api/admin/nodes/near/rotate", &json!({})).cli();
        let refused = rotate().send().await.body;
        assert_eq!((&refused["reachable"], &refused["is_roost"]), (&json!(false), &Value::Null));
        let taking = stub.clone();
        stub.answers(move |seen| match seen.path.as_str() {
            "/api/update" => {
                taking.expects(seen.body["token"].as_str().unwrap());
                Answer::json(200, &json!({"applied": true}))
            }
            "/api/system" => Answer::json(200, &system(false)),
            _ => obedient(seen),
        });
        let taken = rotate().send().await.body;
        assert_eq!((&taken["reachable"], &taken["is_roost"]), (&json!(true), &json!(false)));
    }

    async fn a_new_secret_takes_the_place_of_the_old_one_without_a_gap(world: &World) {
        let stub = StubNode::start().await;
        world.node("near", &stub).await;
        let app = world.panel.app();
        let row = || async { app.store.node_by_name("near").await.unwrap().unwrap() };
        let old = crate::service::nodes::secret(app, &row().await).unwrap();
        // The stub knows only its first secret: it is told, and does not take it.
        let rotated = world.post("/api/admin/nodes/near/rotate", &json!({})).cli().send().await;
        assert_eq!(rotated.status, 200, "{rotated:?}");
        assert_eq!(rotated.body["reachable"], false);
        let told = stub.take_seen();
        let update = told.iter().find(|s| s.path == "/api/update").unwrap();
        let new = update.body["token"].as_str().unwrap().to_owned();
        assert_ne!(new, *old);
        // The panel goes on with the old one, and takes both from the node.
        assert_eq!(crate::service::nodes::secret(app, &row().await).unwrap(), old);
        let token_id = row().await.token_id;
        let check = |secret: String| {
            let token_id = token_id.clone();
            async move { crate::service::nodes::authenticate(app, &token_id, &secret).await.unwrap().is_some() }
        };
        assert!(check(old.to_string()).await);
        assert!(!check("wrong".to_owned()).await);
        // Once the node shows the new one, that is what the panel uses.
        assert!(check(new.clone()).await);
        assert_eq!(*crate::service::nodes::secret(app, &row().await).unwrap(), *new);
        assert!(check(old.to_string()).await);
        world.clock.advance(900_000);
        assert!(!check(old.to_string()).await);
        assert!(check(new).await);
    }

    async fn a_node_with_servers_stays_unless_forced(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        world.server("Lobby", json!({"command": ["./run"]})).await;
        let remove = |force: bool| world.call(Method::DELETE, &format!("/api/admin/nodes/near?force={force}")).cli();
        let refused = remove(false).send().await;
        assert_eq!(refused.status, 409);
        assert!(refused.message().contains("lobby"));
        assert_eq!(remove(true).send().await.status, 204);
        let server = world.get("/api/admin/servers/lobby").cli().send().await;
        assert_eq!(server.body["node"], Value::Null);
        assert_eq!(server.body["state"], Value::Null);
        // It can be given another one.
        let other = StubNode::start().await;
        world.node("other", &other).await;
        let patch = json!({"node": "other"});
        let moved = world.call(Method::PATCH, "/api/admin/servers/lobby").json(&patch).cli().send().await;
        assert_eq!(moved.body["node"], "other", "{moved:?}");
        assert!(other.take_seen().iter().any(|s| s.method == "POST" && s.path == "/api/servers"));
    }

    async fn the_node_inside_roost_up_is_made_once(world: &World) {
        let first = world.panel.local_node().await.unwrap();
        let second = world.panel.local_node().await.unwrap();
        assert_eq!((first.uuid, &first.token), (second.uuid, &second.token));
        let shown = world.get("/api/admin/nodes/local").cli().send().await;
        assert_eq!(shown.body["address"], "");
        assert_eq!(shown.body["reachable"], false);
        let up = world.with(|o| {
            o.local_listen = "127.0.0.1:9999".parse().ok();
            o.own_url = Some("http://127.0.0.1:9999".to_owned());
            o.public_url = None;
        }).await;
        let shown = world.get("/api/admin/nodes/local").cli().to(&up).send().await;
        assert_eq!(shown.body["address"], "http://127.0.0.1:9999", "where the panel is");
    }
}
