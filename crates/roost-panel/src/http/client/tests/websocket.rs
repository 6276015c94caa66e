//! Credentials, row by row as the page and its table say.

use crate::{
    node_client::stub::{Answer, detail, obedient, system},
    testing::{START, on_both_databases, scene::Scene},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::Method;
use roost_wire::{client_api::UNAVAILABLE, clock::ManualClock, id::ServerRef, token};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const PATH: &str = "/api/client/servers/lobby/websocket";

fn payload(token: &Value) -> Value {
    let part = token.as_str().expect("a token").split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

on_both_databases! {
    async fn the_owner_gets_token_and_socket_by_every_name_of_the_server(world: &World) {
        let scene = Scene::new(world).await;
        let session = world.log_in("olive").await;
        let uuid = scene.server;
        let short = &uuid.simple().to_string()[..8];
        for name in ["lobby".to_owned(), uuid.to_string(), short.to_owned(), short.to_uppercase()] {
            let path = format!("/api/client/servers/{name}/websocket");
            // As in the page's curl: a cookie and no Origin.
            let answer = world.get(&path).cookie(&session).send().await;
            assert_eq!(answer.status, 200, "{name} {answer:?}");
            assert_eq!(answer.header("cache-control"), "no-store");
            assert_eq!(answer.body["socket"], format!("wss://node.example.com:8080/api/servers/{uuid}/ws"));
            assert_eq!(answer.body["data"]["token"], answer.body["token"]);
            assert_eq!(answer.body["data"]["socket"], answer.body["socket"]);
            let claims = payload(&answer.body["token"]);
            assert_eq!(claims["permissions"], json!(["*"]));
            assert_eq!(claims["iat"], START / 1000);
            assert_eq!(claims["exp"], START / 1000 + 900);
            assert_eq!(claims["server"]["uuid"], uuid.to_string());
            assert_eq!(claims["iss"], "https://panel.example.com");
            let user = claims["user"]["id"].as_str().unwrap().to_owned();
            assert_eq!(claims["identifiedBy"], format!("{user}:{uuid}"));
            let text = answer.body["token"].as_str().unwrap();
            token::verify(text, &[&scene.secret], uuid, &ManualClock::at(START)).unwrap();
        }
        assert_eq!(scene.node.take_seen().len(), 1, "one answer of the node served all");
        let rows = world.audit().await;
        let issued: Vec<_> = rows.iter().filter(|r| r["event"] == "server:websocket.credentials").collect();
        assert_eq!(issued.len(), 4);
        assert_eq!((&issued[0]["user"], &issued[0]["server"], &issued[0]["via"]), (&json!("olive"), &json!("lobby"), &json!("session")));
        let text = serde_json::to_string(&rows).unwrap();
        assert!(!text.contains("eyJ"), "no token in the audit");
    }

    async fn after_a_change_a_stock_daemon_gets_a_token_that_it_takes(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(|seen| match seen.path.as_str() {
            "/api/system" => Answer::json(200, &system(false)),
            "/api/deauthorize-user" => Answer::text(404, "text/plain", "404 page not found"),
            _ => obedient(seen),
        });
        scene.grant_sam(&["websocket.connect"]).await;
        let first = scene.get("sam", PATH).send().await;
        assert_eq!(payload(&first.body["token"])["iat"], START / 1000);
        scene.node.take_seen();
        scene.grant_sam(&["websocket.connect", "control.console"]).await;
        let second = scene.get("sam", PATH).send().await;
        let told = scene.node.take_seen().iter().any(|s| s.path.ends_with("/ws/deny"));
        assert!(told, "a token from before that would be refused with the old ones");
        // The daemon knows a token's age in whole seconds: one of the same second is an old one.
        assert_eq!(payload(&second.body["token"])["iat"], START / 1000 + 1);
        let other = scene.get("olive", PATH).send().await;
        assert_eq!(payload(&other.body["token"])["iat"], START / 1000, "nobody else waits");
    }

    async fn programs_are_told_which_origin_the_node_takes(world: &World) {
        let scene = Scene::new(world).await;
        let answer = scene.get("olive", PATH).send().await;
        assert_eq!(answer.header("roost-origin"), "https://panel.example.com");
        let no_url = world.with(|options| {
            options.public_url = None;
            options.own_url = Some("https://127.0.0.1:8443".to_owned());
        }).await;
        let answer = scene.get("olive", PATH).to(&no_url).header("host", "10.0.0.5:8080").send().await;
        assert_eq!(answer.header("roost-origin"), "http://10.0.0.5:8080");
        let answer = world.get(PATH).to(&no_url).cli().send().await;
        assert_eq!(answer.header("roost-origin"), "https://127.0.0.1:8443");
    }

    async fn a_token_is_as_old_as_the_rights_in_it(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["websocket.connect"]).await;
        let clock = world.clock.clone();
        scene.node.answers(move |_| {
            // The node takes its time; meanwhile his rights may end.
            clock.advance(700);
            let mut detail = detail("running");
            detail["roost"] = json!({});
            Answer::json(200, &detail)
        });
        let answer = scene.get("sam", PATH).send().await;
        assert_eq!(payload(&answer.body["token"])["issued_ms"], START, "{answer:?}");
    }

    async fn each_role_gets_its_rights_and_no_more(world: &World) {
        let scene = Scene::new(world).await;
        let rights = async |who: &str| {
            let answer = scene.get(who, PATH).send().await;
            assert_eq!(answer.status, 200, "{answer:?}");
            payload(&answer.body["token"])
        };
        let admin = ["*", "admin.websocket.errors", "admin.websocket.install", "admin.websocket.transfer"];
        assert_eq!(rights("root").await["permissions"], json!(admin));
        world.clock.advance(5_000);
        scene.grant_sam(&["websocket.connect", "control.start"]).await;
        let sam = rights("sam").await;
        assert_eq!(sam["permissions"], json!(["control.start", "websocket.connect"]));
        assert_eq!(sam["history_from"], START + 5_000);
        assert_eq!(sam["credential"], scene.key("sam")[..16]);
        scene.grant_sam(&["websocket.connect", "console.history"]).await;
        assert_eq!(rights("sam").await.get("history_from"), None);
        let all = roost_wire::permission::grantable();
        scene.grant_sam(&all.iter().map(String::as_str).collect::<Vec<_>>()).await;
        assert_eq!(rights("sam").await["permissions"], json!(["*"]));
        scene.grant_sam(&["websocket.connect"]).await;
        let full = world.with(|o| o.token_permissions_full = true).await;
        let answer = scene.get("sam", PATH).to(&full).send().await;
        assert_eq!(payload(&answer.body["token"])["permissions"], json!(["*"]));
    }

    async fn without_a_name_there_is_no_server(world: &World) {
        let scene = Scene::new(world).await;
        for path in ["/api/client/servers//websocket", "/api/client/servers/%20/websocket", "/api/client/servers/a%2fb/websocket",
                     "/api/client/servers/%2e%2e/websocket", "/api/client/servers/No%00/websocket"] {
            let answer = scene.get("olive", path).send().await;
            assert_eq!(answer.status, 400, "{path}");
            assert_eq!(answer.body["status"], 400);
            assert_eq!(answer.message(), "Missing server identifier");
            assert_eq!(answer.body["errors"][0]["status"], "400");
        }
    }

    async fn nobody_and_a_bad_session_are_401(world: &World) {
        let _scene = Scene::new(world).await;
        let calls = [
            world.get(PATH),
            world.get(PATH).cookie("your-session-token"),
            world.get(PATH).bearer("ptlc_wrong"),
            world.get("/api/client/servers//websocket"),
            world.get("/api/client/servers/nothing/websocket"),
        ];
        for call in calls {
            let answer = call.send().await;
            assert_eq!(answer.status, 401);
            assert_eq!(answer.body["status"], 401);
            assert_eq!(answer.body["errors"][0]["code"], "AuthenticationException");
        }
    }

    async fn access_without_the_right_is_403(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["control.start"]).await;
        let answer = scene.get("sam", PATH).send().await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (403, &json!(403)));
        assert!(answer.message().contains("websocket.connect"));
        assert_eq!(world.events().await.last().unwrap(), "server:websocket.refused");
        assert!(scene.node.take_seen().is_empty(), "the node is not asked for somebody who may not know");
    }

    async fn a_foreign_server_and_none_are_told_alike(world: &World) {
        let scene = Scene::new(world).await;
        let foreign = scene.get("eve", PATH).send().await;
        let missing = scene.get("eve", "/api/client/servers/nothing/websocket").send().await;
        let by_uuid = scene.get("eve", &format!("/api/client/servers/{}/websocket", scene.server)).send().await;
        assert_eq!(foreign.status, 404);
        assert_eq!((&foreign.text, &by_uuid.text), (&missing.text, &missing.text));
        assert_eq!(foreign.body["status"], 404);
        let rows = world.audit().await;
        let refused: Vec<_> = rows.iter().filter(|r| r["event"] == "server:websocket.refused").collect();
        assert_eq!(refused.len(), 2, "what was there and refused");
        assert_eq!((&refused[0]["user"], &refused[0]["server"]), (&json!("eve"), &json!("lobby")));
    }

    async fn a_suspended_server_is_for_administrators(world: &World) {
        let scene = Scene::new(world).await;
        scene.suspend().await;
        let answer = scene.get("olive", PATH).send().await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (409, &json!(409)));
        assert_eq!(answer.body["errors"][0]["code"], "ServerStateConflictException");
        assert_eq!(scene.get("root", PATH).send().await.status, 200);
    }

    async fn a_server_without_a_node_is_500_in_the_pages_words(world: &World) {
        let scene = Scene::new(world).await;
        let removed = world.call(Method::DELETE, "/api/admin/nodes/one?force=true").cli().send().await;
        assert!(removed.status.is_success(), "{removed:?}");
        let answer = scene.get("olive", PATH).send().await;
        assert_eq!((answer.status.as_u16(), &answer.body["status"]), (500, &json!(500)));
        assert_eq!(answer.message(), "Node not available: Server has no resolved Wings node");
    }

    async fn a_node_that_does_not_know_the_server_is_an_answer(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(|_| Answer::json(404, &json!({"error": format!("not\u{1b}[2J here\n{}", "x".repeat(500))})));
        let answer = scene.get("olive", PATH).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(answer.body["unavailable"], true);
        assert_eq!(answer.body["message"], UNAVAILABLE);
        let found = &answer.body["diagnostics"];
        let error = found["error"].as_str().unwrap();
        assert!(error.starts_with("404: not [2J here x") && error.chars().count() == 200, "{error}");
        assert_eq!(found["serverUuid"], scene.server.to_string());
        assert_eq!((&found["serverIdentifier"], &found["nodeId"]), (&json!("lobby"), &json!(scene.node_uuid)));
        assert_eq!(found["serverStatus"], Value::Null);
        assert!(answer.body.get("token").is_none());
        assert!(!world.events().await.contains(&"server:websocket.credentials".to_owned()));
    }

    async fn the_last_known_state_is_told_of_a_server_that_is_gone(world: &World) {
        let scene = Scene::new(world).await;
        assert_eq!(scene.get("olive", "/api/client/servers/lobby/resources").send().await.status, 200);
        scene.node.answers(|_| Answer::json(404, &json!({"error": "The requested resource does not exist on this instance"})));
        tokio::time::sleep(Duration::from_millis(2_050)).await;
        let answer = scene.get("olive", PATH).send().await;
        assert_eq!(answer.body["diagnostics"]["error"], "404: The requested resource does not exist on this instance");
        assert_eq!(answer.body["diagnostics"]["serverStatus"], "running");
    }

    async fn what_is_wrong_with_a_node_is_502_with_the_reason(world: &World) {
        let scene = Scene::new(world).await;
        let ask = async |expected: &str| {
            let began = Instant::now();
            let answer = scene.get("olive", PATH).send().await;
            assert!(began.elapsed() < Duration::from_millis(2_200), "{expected}: {:?}", began.elapsed());
            assert_eq!((answer.status.as_u16(), &answer.body["status"]), (502, &json!(502)), "{expected}");
            assert_eq!(answer.message(), format!("Failed to prepare websocket session: {expected}"));
            assert!(answer.body.get("detail").is_none(), "details are for administrators");
            // A failure serves for a moment only.
            tokio::time::sleep(Duration::from_millis(260)).await;
        };
        scene.node.answers(|_| Answer::text(200, "application/json", "{\"nonsense\":1}"));
        ask("The node gave an answer that Roost does not understand").await;
        scene.node.answers(|_| Answer::text(200, "application/json", "[".repeat(70_000)));
        ask("The node gave an answer that Roost does not understand").await;
        scene.node.answers(|_| Answer::empty(307).header("location", "http://127.0.0.1:1/"));
        ask("The node answered with a redirect, which Roost does not follow").await;
        scene.node.answers(|_| Answer::empty(500));
        ask("The node reported an error of its own").await;
        scene.node.expects("another secret");
        ask("The node refused the panel's token").await;
        scene.node.expects(&scene.secret);
        scene.node.answers(|_| Answer::Hang);
        ask("Connection timed out").await;
        let admin = scene.get("root", PATH).send().await;
        assert_eq!(admin.message(), "Failed to prepare websocket session: Connection timed out");
        assert!(admin.body["detail"].is_string());
    }

    async fn a_node_that_is_not_there_is_502_connection_refused(world: &World) {
        let scene = Scene::new(world).await;
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut tx = world.panel.app().store.begin().await.unwrap();
        let node = scene.node_uuid.parse().unwrap();
        tx.set_node_addresses(node, "https://node.example.com", Some(&format!("http://{free}"))).await.unwrap();
        tx.commit().await.unwrap();
        let answer = scene.get("olive", PATH).send().await;
        assert_eq!(answer.status, 502);
        assert_eq!(answer.message(), "Failed to prepare websocket session: Connection refused");
        // What reads the history names the node, and to administrators its address and what to look at.
        let logs = "/api/client/servers/lobby/logs";
        let owner = scene.get("olive", logs).send().await;
        assert_eq!(owner.status, 502);
        assert!(owner.message().starts_with("The server's node one can't be asked: Connection refused. Try again"), "{owner:?}");
        assert!(!owner.message().contains(&free.to_string()), "{owner:?}");
        let admin = scene.get("root", logs).send().await;
        let told = format!("The server's node one at http://{free} can't be asked: Connection refused.");
        assert!(admin.message().starts_with(&told) && admin.message().contains("roost node show one"), "{admin:?}");
    }

    async fn many_callers_cost_the_node_one_request(world: &World) {
        let scene = Scene::new(world).await;
        let calls = (0..64).map(|_| scene.get("olive", PATH).send());
        let answers = futures_util::future::join_all(calls).await;
        assert!(answers.iter().all(|a| a.status == 200));
        assert_eq!(scene.node.take_seen().len(), 1);
        let issued = world.events().await.iter().filter(|e| *e == "server:websocket.credentials").count();
        assert_eq!(issued, 64);
    }

    async fn a_subusers_server_is_his_only_while_the_grant_lasts(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["websocket.connect"]).await;
        assert_eq!(scene.get("sam", PATH).send().await.status, 200);
        let gone = world.call(Method::DELETE, "/api/admin/servers/lobby/grants/sam").cli().send().await;
        assert!(gone.status.is_success());
        assert_eq!(scene.get("sam", PATH).send().await.status, 404);
    }

    async fn the_node_inside_the_panel_is_where_the_panel_is(world: &World) {
        let scene = Scene::new(world).await;
        let identity = world.panel.local_node().await.unwrap();
        scene.node.expects(&identity.token);
        let app = world.panel.app();
        let mut server = app.store.server(&ServerRef::Uuid(scene.server)).await.unwrap().unwrap();
        server.node = Some(identity.uuid);
        let mut tx = app.store.begin().await.unwrap();
        tx.update_server(&server).await.unwrap();
        tx.commit().await.unwrap();
        let listen = scene.node.address;
        let without_url = world.with(|o| (o.local_listen, o.public_url) = (Some(listen), None)).await;
        let tail = format!("/api/servers/{}/ws", scene.server);
        let socket = async |call: crate::testing::Call| {
            let answer = call.to(&without_url).send().await;
            assert_eq!(answer.status, 200, "{answer:?}");
            answer.body["socket"].as_str().unwrap().strip_suffix(&tail).unwrap().to_owned()
        };
        let call = || scene.get("olive", PATH);
        assert_eq!(socket(call().header("host", "192.168.1.5:8080")).await, "ws://192.168.1.5:8080");
        assert_eq!(socket(call().header("host", "[::1]:8080")).await, "ws://[::1]:8080");
        let made_up = call().header("x-forwarded-proto", "https").header("x-forwarded-host", "evil.example");
        assert_eq!(socket(made_up).await, "ws://panel.example.com", "forwarded headers of a stranger");
        let proxied = call().from("10.0.0.9").header("x-forwarded-proto", "https").header("x-forwarded-host", "roost.example");
        assert_eq!(socket(proxied).await, "wss://roost.example");
        assert_eq!(socket(world.get(PATH).cli()).await, format!("ws://{listen}"));
        let with_url = world.with(|o| o.local_listen = Some(listen)).await;
        let answer = call().to(&with_url).header("host", "localhost:8080").send().await;
        assert_eq!(answer.body["socket"], format!("wss://panel.example.com{tail}"));
        let nowhere = call().send().await;
        assert_eq!((nowhere.status.as_u16(), nowhere.message()), (500, "Node not available: Server has no resolved Wings node"));
    }
}
