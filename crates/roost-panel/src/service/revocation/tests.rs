//! Access that ends reaches the nodes, whatever stands in between.

use crate::{
    node_client::stub::{Answer, Seen, StubNode, obedient, system},
    testing::{on_both_databases, scene::Scene},
};
use http::Method;
use roost_wire::token::token_id;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// What the node was told within `patience`: the calls that end access.
async fn told(node: &StubNode, least: usize, patience: Duration) -> Vec<Seen> {
    let began = Instant::now();
    let mut found: Vec<Seen> = Vec::new();
    while found.len() < least && began.elapsed() < patience {
        tokio::time::sleep(Duration::from_millis(10)).await;
        let ends = |s: &Seen| s.path.ends_with("/deauthorize-user") || s.path.ends_with("/ws/deny");
        found.extend(node.take_seen().into_iter().filter(ends));
    }
    assert!(
        found.len() >= least,
        "the node was told {} of {least} things",
        found.len()
    );
    found
}

const SECOND: Duration = Duration::from_secs(1);

fn stock(seen: &Seen) -> Answer {
    match seen.path.as_str() {
        "/api/system" => Answer::json(200, &system(false)),
        "/api/deauthorize-user" => Answer::text(404, "text/plain", "404 page not found"),
        _ => obedient(seen),
    }
}

on_both_databases! {
    async fn a_revoked_grant_is_told_within_a_second(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["websocket.connect"]).await;
        let sam = world.panel.app().store.user_by_name("sam").await.unwrap().unwrap().uuid;
        let gone = world.call(Method::DELETE, "/api/admin/servers/lobby/grants/sam").cli().send().await;
        assert!(gone.status.is_success());
        let calls = told(&scene.node, 1, SECOND).await;
        assert_eq!(calls[0].body, json!({"user": sam, "servers": [scene.server], "issued_until": world.panel.app().now()}));
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(world.panel.app().store.next_revocation().await.unwrap(), None, "told is told");
    }

    async fn a_revoked_key_ends_what_it_opened_and_nothing_else(world: &World) {
        let scene = Scene::new(world).await;
        let identifier = scene.key("sam")[..16].to_owned();
        let path = format!("/api/admin/keys/{identifier}");
        assert!(world.call(Method::DELETE, &path).cli().send().await.status.is_success());
        let calls = told(&scene.node, 1, SECOND).await;
        assert_eq!((&calls[0].body["credential"], &calls[0].body["servers"]), (&json!(identifier), &json!([])));
    }

    async fn a_node_that_was_away_is_told_when_it_is_back(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["websocket.connect"]).await;
        scene.node.answers(|_| Answer::empty(500));
        assert!(world.call(Method::DELETE, "/api/admin/servers/lobby/grants/sam").cli().send().await.status.is_success());
        tokio::time::sleep(Duration::from_millis(200)).await;
        scene.node.take_seen();
        scene.node.answers(obedient);
        // Another panel on the same store finds it there: nothing was kept in memory only.
        world.clock.advance(1_000);
        let _other = world.with(|_| ()).await;
        told(&scene.node, 1, SECOND * 3).await;
    }

    async fn a_node_that_comes_back_can_ask_what_it_has_missed(world: &World) {
        let scene = Scene::new(world).await;
        let ask = async || scene.as_node(world.get("/api/remote/revocations")).send().await;
        assert_eq!(ask().await.body, json!({"data": []}));
        scene.node.answers(|_| Answer::empty(500));
        scene.grant_sam(&["websocket.connect"]).await;
        let sam = world.panel.app().store.user_by_name("sam").await.unwrap().unwrap().uuid;
        assert!(world.call(Method::DELETE, "/api/admin/servers/lobby/grants/sam").cli().send().await.status.is_success());
        let missed = ask().await.body["data"].clone();
        assert_eq!(missed.as_array().map(Vec::len), Some(1));
        assert_eq!((&missed[0]["user"], &missed[0]["servers"]), (&json!(sam), &json!([scene.server])));
        assert!(missed[0]["issued_until"].as_i64().is_some());
        // For the node itself and nobody else.
        assert_eq!(world.get("/api/remote/revocations").send().await.status, 401);
    }

    async fn a_node_that_hangs_holds_up_no_other(world: &World) {
        let scene = Scene::new(world).await;
        let slow = StubNode::start().await;
        slow.answers(|_| Answer::Hang);
        let made = json!({"name": "slow", "address": "https://slow.example.com", "internal_address": slow.url()});
        assert_eq!(world.post("/api/admin/nodes", &made).cli().send().await.status, 200);
        let shown = world.get("/api/admin/nodes/slow?reveal=true").cli().send().await.body;
        slow.expects(shown["token"].as_str().unwrap());
        for who in ["sam", "eve", "olive"] {
            let path = format!("/api/admin/keys/{}", &scene.key(who)[..16]);
            assert!(world.call(Method::DELETE, &path).cli().send().await.status.is_success());
            told(&scene.node, 1, SECOND).await;
        }
    }

    async fn it_is_given_up_when_the_tokens_are_over(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["websocket.connect"]).await;
        scene.node.answers(|_| Answer::empty(500));
        assert!(world.call(Method::DELETE, "/api/admin/servers/lobby/grants/sam").cli().send().await.status.is_success());
        tokio::time::sleep(Duration::from_millis(200)).await;
        let store = &world.panel.app().store;
        assert!(store.next_revocation().await.unwrap().is_some());
        world.clock.advance(906_000);
        world.panel.app().revocations.wake(world.panel.app().now());
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(store.next_revocation().await.unwrap(), None);
    }

    async fn a_stock_daemon_is_told_in_its_own_words(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(stock);
        scene.grant_sam(&["websocket.connect"]).await;
        let sam = world.panel.app().store.user_by_name("sam").await.unwrap().unwrap().uuid;
        assert!(world.call(Method::DELETE, "/api/admin/servers/lobby/grants/sam").cli().send().await.status.is_success());
        let calls = told(&scene.node, 2, SECOND).await;
        let deny = calls.iter().find(|s| s.path.ends_with("/ws/deny")).unwrap();
        assert_eq!(deny.path, format!("/api/servers/{}/ws/deny", scene.server));
        assert_eq!(deny.body, json!({"jtis": [token_id(sam, scene.server, &scene.key("sam")[..16])]}));
    }

    async fn a_deleted_account_is_known_to_a_stock_daemon_by_its_keys(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(stock);
        scene.grant_sam(&["websocket.connect"]).await;
        let sam = world.panel.app().store.user_by_name("sam").await.unwrap().unwrap().uuid;
        assert!(world.call(Method::DELETE, "/api/admin/users/sam").cli().send().await.status.is_success());
        let expected = json!([token_id(sam, scene.server, &scene.key("sam")[..16])]);
        let began = Instant::now();
        let mut denied = Vec::<Value>::new();
        while !denied.contains(&expected) && began.elapsed() < SECOND {
            tokio::time::sleep(Duration::from_millis(10)).await;
            denied.extend(scene.node.take_seen().into_iter().filter(|s| s.path.ends_with("/ws/deny")).map(|s| s.body["jtis"].clone()));
        }
        assert!(denied.contains(&expected), "{denied:?}");
    }

    async fn a_suspended_servers_consoles_end_on_a_stock_daemon_too(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(stock);
        scene.suspend().await;
        let olive = world.panel.app().store.user_by_name("olive").await.unwrap().unwrap().uuid;
        let calls = told(&scene.node, 2, SECOND).await;
        let deny = calls.iter().find(|s| s.path.ends_with("/ws/deny")).unwrap();
        assert_eq!(deny.body, json!({"jtis": [token_id(olive, scene.server, &scene.key("olive")[..16])]}));
    }
}
