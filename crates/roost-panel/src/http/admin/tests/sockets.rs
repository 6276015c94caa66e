//! Live consoles, and erasing history.

use crate::{
    node_client::stub::{Answer, StubNode, obedient},
    testing::{START, on_both_databases},
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const SOCKET: Uuid = Uuid::from_u128(500);

on_both_databases! {
    async fn administrators_see_live_consoles_and_end_one(world: &World) {
        let (near, away) = (StubNode::start().await, StubNode::start().await);
        let ada = world.user("ada", true).await;
        world.node("near", &near).await;
        let server = world.server("Lobby", json!({"command": ["./run"]})).await["uuid"].clone();
        world.node("away", &away).await;
        away.answers(|_| Answer::Hang);
        near.answers(move |seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", "/api/sockets") => Answer::json(200, &json!({"data": [
                {"id": SOCKET, "user": ada, "user_name": "old name", "server": server, "address": "192.0.2.9",
                 "since": START, "credential": "c"},
                {"id": Uuid::from_u128(501), "user": Uuid::from_u128(8), "user_name": "gone", "server": Uuid::from_u128(9),
                 "address": "192.0.2.8", "since": START + 1, "credential": null},
            ]})),
            _ => obedient(seen),
        });
        let list = world.get("/api/admin/sockets").cli().send().await;
        assert_eq!(list.body[0], json!({"id": SOCKET, "user": "ada", "server": "lobby", "address": "192.0.2.9",
            "since": "2026-11-24T08:20:00.000Z"}));
        assert_eq!(list.body[1]["user"], "gone");
        let of_one = world.get("/api/admin/sockets?server=lobby").cli().send().await;
        assert_eq!(of_one.body.as_array().unwrap().len(), 1);
        let end = |id: Uuid| world.call(Method::DELETE, &format!("/api/admin/sockets/{id}")).cli();
        assert_eq!(end(SOCKET).send().await.status, 204);
        assert!(near.take_seen().iter().any(|s| s.method == "DELETE" && s.path == format!("/api/sockets/{SOCKET}")));
        assert_eq!(end(Uuid::from_u128(1)).send().await.status, 404);
        let row = world.audit().await.pop().unwrap();
        assert_eq!((&row["event"], &row["user"], &row["server"]), (&json!("server:websocket.end"), &json!("cli"), &json!("lobby")));
        assert_eq!(row["details"]["ended_user"], "ada");
    }

    async fn another_daemon_has_no_history_to_erase(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        world.server("Lobby", json!({"command": ["./run"]})).await;
        stub.answers(|seen| match seen.path.rsplit('/').next() {
            Some("erase") => Answer::text(404, "text/plain", "404 page not found"),
            _ => obedient(seen),
        });
        let refused = world.post("/api/admin/servers/lobby/erase", &json!({"before": START})).cli().send().await;
        assert_eq!(refused.status, 409);
        assert!(refused.message().contains("keeps no journal"), "{refused:?}");
    }

    async fn history_is_erased_on_the_node(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        world.server("Lobby", json!({"command": ["./run"]})).await;
        stub.answers(|seen| match seen.path.rsplit('/').next() {
            Some("erase") => Answer::json(200, &json!({"lines": 12})),
            _ => obedient(seen),
        });
        let erased = world.post("/api/admin/servers/lobby/erase", &json!({"before": START})).cli().send().await;
        assert_eq!(erased.body, json!({"lines": 12}), "{erased:?}");
        let seen = stub.take_seen();
        assert!(seen.iter().any(|s| s.path.ends_with("/journal/erase") && s.body == json!({"before": START})));
        let row: Value = world.audit().await.pop().unwrap();
        assert_eq!(row["event"], "server:console.erase");
    }
}
