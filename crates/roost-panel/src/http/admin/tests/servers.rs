//! Servers and grants.

use crate::{
    node_client::stub::{Answer, StubNode, detail, obedient},
    testing::on_both_databases,
};
use http::Method;
use serde_json::{Value, json};

on_both_databases! {
    async fn a_server_is_made_and_its_node_takes_it_on(world: &World) {
        let stub = StubNode::start().await;
        stub.answers(|seen| match seen.path.as_str() {
            "/api/system" => Answer::json(200, &system(true)),
            path if path.starts_with("/api/servers/") => {
                let mut answer = detail("running");
                answer["roost"] = json!({"pid": 42, "uid": 700007, "directory": "/data/x", "starts_again_at": "2026-11-24T08:20:04Z", "not_enforced": ["The memory limit is not enforced."]});
                Answer::json(200, &answer)
            }
            _ => obedient(seen),
        });
        world.user("ada", true).await;
        world.node("near", &stub).await;
        let new = json!({"name": "My Server!", "settings": {"command": ["./run", "a b"], "memory": 512,
            "ports": [{"ip": "0.0.0.0", "port": 25565}], "stop": "^C", "env": {"EMPTY": ""}}, "start": true});
        let made = world.post("/api/admin/servers", &new).cli().send().await;
        assert_eq!(made.status, 200, "{made:?}");
        let body = &made.body;
        assert_eq!(body["identifier"], "my-server");
        assert_eq!(body["owner"], "ada");
        assert_eq!(body["node"], "near");
        assert_eq!(body["runtime"], "process");
        assert_eq!(body["stop_timeout"], 600);
        assert_eq!((&body["state"], &body["pid"]), (&json!("running"), &json!(42)));
        assert_eq!((&body["uid"], &body["directory"]), (&json!(700007), &json!("/data/x")));
        assert_eq!((&body["starts_again_at"], &body["dir"]), (&json!("2026-11-24T08:20:04Z"), &Value::Null));
        assert_eq!(body["warnings"], json!(["The memory limit is not enforced."]));
        assert_eq!(body["env"], json!({"EMPTY": ""}));
        let told = stub.take_seen();
        let create = told.iter().find(|s| s.path == "/api/servers").unwrap();
        assert_eq!(create.body, json!({"uuid": body["uuid"], "start_on_completion": true, "skip_scripts": true}));
        assert_eq!(uuid::Uuid::parse_str(body["uuid"].as_str().unwrap()).unwrap().get_version_num(), 4);
        for (name, identifier) in [("my server", "my-server-2"), ("My  Server", "my-server-3")] {
            assert_eq!(world.server(name, json!({"command": ["x"]})).await["identifier"], identifier);
        }
        let taken = json!({"name": "x", "identifier": "my-server", "settings": {"command": ["x"]}});
        assert_eq!(world.post("/api/admin/servers", &taken).cli().send().await.status, 409);
        let list = world.get("/api/admin/servers").cli().send().await;
        assert_eq!(list.body.as_array().unwrap().len(), 3);
        assert!(list.body.as_array().unwrap().iter().all(|s| s["state"] == "running"));
        let by_short = format!("/api/admin/servers/{}", &body["uuid"].as_str().unwrap()[..8]);
        assert_eq!(world.get(&by_short).cli().send().await.body["identifier"], "my-server");
        assert_eq!(world.get("/api/admin/servers/nothing").cli().send().await.status, 404);
    }

    async fn a_stop_for_which_the_machine_does_not_wait_is_warned_of(world: &World) {
        let stub = StubNode::start().await;
        stub.answers(|seen| match seen.path.as_str() {
            "/api/system" => Answer::json(200, &system(true)),
            path if path.starts_with("/api/servers/") => Answer::json(200, &detail("offline")),
            _ => obedient(seen),
        });
        world.user("ada", true).await;
        world.node("near", &stub).await;
        let made = world.server("slow", json!({"command": ["x"], "stop_timeout": 601})).await;
        assert!(made["warnings"][0].as_str().is_some_and(|text| text.contains("601 s") && text.contains("TimeoutStopSec")), "{made}");
        let set = async |secs: u32| {
            let patch = json!({"stop_timeout": secs});
            world.call(Method::PATCH, "/api/admin/servers/slow").json(&patch).cli().send().await
        };
        assert_eq!(set(600).await.body["warnings"], json!([]));
        assert_eq!(set(900).await.body["warnings"].as_array().map(Vec::len), Some(1));
        // Nobody can be asked, and the setting is taken all the same.
        stub.answers(|_| Answer::empty(500));
        assert_eq!(set(1200).await.body["stop_timeout"], 1200);
    }

    async fn wrong_settings_are_named(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        for (settings, field) in [
            (json!({}), "command"),
            (json!({"command": [""]}), "command"),
            (json!({"command": ["x"], "memory": -1}), "memory"),
            (json!({"command": ["x"], "cpu": 99999999}), "cpu"),
            (json!({"command": ["x"], "ports": [{"ip": "home", "port": 1}]}), "ports"),
            (json!({"command": ["x"], "ports": [{"ip": "::", "port": 0}]}), "ports"),
            (json!({"command": ["x"], "ports": [{"ip": "::", "port": 1}, {"ip": "::", "port": 1}]}), "ports"),
            (json!({"command": ["x"], "ports": [{"ip": "::", "port": 70000}]}), "70000"),
            (json!({"command": ["x"], "env": {"1A": "x"}}), "env"),
            (json!({"command": ["x"], "stop": "^NONSENSE"}), "stop"),
            (json!({"command": ["x"], "stop_timeout": 0}), "stop_timeout"),
            (json!({"command": ["x"], "dir": "games"}), "dir"),
            (json!({"command": ["x"], "chown": true}), "chown"),
            (json!({"command": ["x"], "chown": true, "dir": ""}), "chown"),
            (json!({"command": ["x"], "dir": "/srv/../etc"}), "dir"),
            (json!({"command": ["x"], "done": "a\nb"}), "done"),
            (json!({"image": "a b"}), "image"),
            (json!({"command": ["x"], "owner": "nobody"}), "nobody"),
            (json!({"command": ["x"], "node": "nowhere"}), "nowhere"),
            (json!({"command": ["x"], "colour": "red"}), "colour"),
        ] {
            let new = json!({"name": "x", "settings": settings});
            let answer = world.post("/api/admin/servers", &new).cli().send().await;
            assert!(answer.status == 422 || answer.status == 404, "{settings} {answer:?}");
            assert!(answer.message().contains(field), "{settings}: {}", answer.message());
        }
        let bad_name = json!({"name": " ", "settings": {"command": ["x"]}});
        assert_eq!(world.post("/api/admin/servers", &bad_name).cli().send().await.status, 422);
        for reserved in ["deadbeef", "DEADBEEF", "websocket", "9dd24623-4a8e-44c7-b0cc-131caba3c220"] {
            let new = json!({"name": reserved, "settings": {"command": ["x"]}});
            let answer = world.post("/api/admin/servers", &new).cli().send().await;
            assert!(answer.status == 422 && answer.message().starts_with("name"), "{answer:?}");
        }
        let bad_identifier = json!({"name": "x", "identifier": "deadbeef", "settings": {"command": ["x"]}});
        assert_eq!(world.post("/api/admin/servers", &bad_identifier).cli().send().await.status, 422);
        assert_eq!(world.get("/api/admin/servers").cli().send().await.body, json!([]));
    }

    async fn a_stock_node_needs_an_image(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        stub.answers(|seen| match seen.path.as_str() {
            "/api/system" => Answer::json(200, &system(false)),
            _ => obedient(seen),
        });
        let process = json!({"name": "x", "settings": {"command": ["x"]}});
        let refused = world.post("/api/admin/servers", &process).cli().send().await;
        assert_eq!(refused.status, 422);
        assert!(refused.message().contains("--image is needed on a node that is not Roost"));
        let docker = json!({"name": "x", "settings": {"image": "debian:12", "command": ["sh"]}});
        let made = world.post("/api/admin/servers", &docker).cli().send().await;
        assert_eq!(made.body["runtime"], "docker", "{made:?}");
        assert!(made.body["warnings"][0].as_str().unwrap().contains("STARTUP"));
    }

    async fn nothing_is_left_of_a_server_that_its_node_refuses(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        stub.answers(|seen| match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", "/api/system") => Answer::json(200, &system(true)),
            ("POST", "/api/servers") => Answer::json(422, &json!({"error": "/srv/x is not writable: chown it"})),
            _ => obedient(seen),
        });
        let new = json!({"name": "x", "settings": {"command": ["x"], "dir": "/srv/x"}});
        let refused = world.post("/api/admin/servers", &new).cli().send().await;
        assert_eq!(refused.status, 422);
        assert!(refused.message().contains("chown it"), "{refused:?}");
        stub.answers(|seen| match seen.path.as_str() {
            "/api/system" => Answer::json(200, &system(true)),
            _ => Answer::json(500, &json!({"error": "no"})),
        });
        let failed = world.post("/api/admin/servers", &new).cli().send().await;
        assert_eq!(failed.status, 502);
        assert_eq!(world.get("/api/admin/servers").cli().send().await.body, json!([]));
        assert_eq!(world.events().await[2..], ["server:create", "server:delete", "server:create", "server:delete"]);
    }

    async fn settings_change_and_the_node_hears_of_it(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.user("ben", false).await;
        world.node("near", &stub).await;
        world.server("Lobby", json!({"command": ["./run"], "done": "up", "env": {"KEY": "hunter2"}})).await;
        stub.take_seen();
        let change = |patch: &Value| {
            world.call(Method::PATCH, "/api/admin/servers/lobby").json(patch).cli()
        };
        let changed = change(&json!({"memory": 256, "done": "", "owner": "ben"})).send().await;
        assert_eq!(changed.status, 200, "{changed:?}");
        assert_eq!((&changed.body["memory"], &changed.body["done"]), (&json!(256), &Value::Null));
        assert_eq!(changed.body["owner"], "ben");
        assert_eq!(changed.body["command"], json!(["./run"]));
        assert!(stub.take_seen().iter().any(|s| s.path.ends_with("/sync")));
        assert_eq!(change(&json!({"memory": -5})).send().await.status, 422);
        assert_eq!(change(&json!({"image": "debian:12"})).send().await.body["runtime"], "docker");
        assert_eq!(change(&json!({"image": ""})).send().await.body["runtime"], "process");
        let audit = serde_json::to_string(&world.audit().await).unwrap();
        assert!(audit.contains("server:settings.update") && !audit.contains("hunter2"));
        // A node that is away hears of it later; the change stands.
        stub.answers(|_| Answer::json(500, &json!({})));
        let later = change(&json!({"memory": 128})).send().await;
        assert_eq!((later.status.as_u16(), &later.body["memory"]), (200, &json!(128)));
        assert!(later.body["warnings"][0].as_str().unwrap().contains("does not know of it yet"));
    }

    async fn a_node_says_whether_a_directory_can_be_given(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        let new = json!({"name": "Lobby", "settings": {"command": ["./run"], "dir": "/srv/a", "chown": true}});
        let made = world.post("/api/admin/servers", &new).cli().send().await;
        assert_eq!((made.status.as_u16(), &made.body["dir"]), (200, &json!("/srv/a")), "{made:?}");
        let told = stub.take_seen();
        let create = told.iter().find(|s| s.path == "/api/servers").unwrap();
        assert_eq!(create.body["chown"], true);
        let change = |patch: &Value| {
            world.call(Method::PATCH, "/api/admin/servers/lobby").json(patch).cli()
        };
        assert_eq!(change(&json!({"dir": "/srv/b", "chown": true})).send().await.status, 200);
        let asked = |told: Vec<crate::node_client::stub::Seen>| {
            told.into_iter().find(|s| s.path.ends_with("/directory")).map(|s| s.body)
        };
        assert_eq!(asked(stub.take_seen()), Some(json!({"dir": "/srv/b", "chown": true})));
        assert_eq!(change(&json!({"memory": 64})).send().await.status, 200);
        assert_eq!(change(&json!({"dir": ""})).send().await.status, 200);
        assert_eq!(asked(stub.take_seen()), None, "there is no directory to look at");
        assert_eq!(change(&json!({"dir": "/srv/b"})).send().await.status, 200);
        assert_eq!(asked(stub.take_seen()), Some(json!({"dir": "/srv/b", "chown": false})));
        // What the node refuses is not kept.
        stub.answers(|seen| match seen.path.rsplit('/').next() {
            Some("directory") => Answer::json(422, &json!({"error": "/srv/c is used by server b"})),
            _ => obedient(seen),
        });
        let refused = change(&json!({"dir": "/srv/c"})).send().await;
        assert_eq!((refused.status.as_u16(), refused.message()), (422, "/srv/c is used by server b"));
        let shown = world.get("/api/admin/servers/lobby").cli().send().await;
        assert_eq!(shown.body["dir"], "/srv/b");
        // An older node has no such question; one that is away looks before the next start, but then gives nothing away.
        stub.answers(|seen| match seen.path.rsplit('/').next() {
            Some("directory") => Answer::json(404, &json!({"error": "not found"})),
            _ => obedient(seen),
        });
        assert_eq!(change(&json!({"dir": "/srv/d"})).send().await.body["dir"], "/srv/d");
        stub.answers(|_| Answer::json(500, &json!({})));
        assert_eq!(change(&json!({"dir": "/srv/e"})).send().await.body["dir"], "/srv/e");
        let away = change(&json!({"dir": "/srv/f", "chown": true})).send().await;
        assert_eq!(away.status, 502, "{away:?}");
        assert!(away.message().contains("near"), "{away:?}");
    }

    async fn a_server_is_suspended_and_deleted(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.node("near", &stub).await;
        world.server("Lobby", json!({"command": ["./run"]})).await;
        let suspended = world.post("/api/admin/servers/lobby/suspend", &json!({})).cli().send().await;
        assert_eq!(suspended.body["suspended"], true);
        assert!(stub.take_seen().iter().any(|s| s.path.ends_with("/sync")));
        let back = world.post("/api/admin/servers/lobby/unsuspend", &json!({})).cli().send().await;
        assert_eq!(back.body["suspended"], false);
        let owner = world.call(Method::DELETE, "/api/admin/users/ada").cli().send().await;
        assert_eq!(owner.status, 409);
        assert!(owner.message().contains("lobby"));
        let delete = |query: &str| world.call(Method::DELETE, &format!("/api/admin/servers/lobby{query}")).cli();
        stub.answers(|_| Answer::json(500, &json!({})));
        let away = delete("").send().await;
        assert_eq!(away.status, 502);
        assert!(away.message().contains("near"));
        assert_eq!(delete("?force=true").send().await.status, 204);
        assert_eq!(delete("").send().await.status, 404);
        assert_eq!(
            world.events().await[2..],
            ["server:create", "server:suspend", "server:unsuspend", "server:delete"]
        );
    }

    async fn grants_are_exactly_what_is_named(world: &World) {
        let stub = StubNode::start().await;
        world.user("ada", true).await;
        world.user("Ben", false).await;
        world.node("near", &stub).await;
        world.server("Lobby", json!({"command": ["./run"]})).await;
        let path = "/api/admin/servers/lobby/grants/ben";
        let put = |names: &[&str]| world.call(Method::PUT, path).json(&json!({"permissions": names})).cli();
        let granted = put(&["control.start", "control.start"]).send().await;
        assert_eq!(granted.status, 200, "{granted:?}");
        assert_eq!(granted.body["permissions"], json!(["control.start"]));
        assert_eq!((&granted.body["user"], &granted.body["since"]), (&json!("Ben"), &json!("2026-11-24T08:20:00.000Z")));
        let unknown = put(&["control.start", "*", "admin.websocket.errors"]).send().await;
        assert_eq!(unknown.status, 422);
        assert!(unknown.message().contains("`*`, `admin.websocket.errors`"));
        assert_eq!(put(&[]).send().await.status, 422);
        world.clock.advance(5_000);
        // The history still begins at the first grant, and the consoles opened under it end.
        let more = put(&["control.start", "websocket.connect"]).send().await;
        assert_eq!(more.body["since"], "2026-11-24T08:20:00.000Z");
        assert_eq!(more.body["permissions"], json!(["websocket.connect", "control.start"]));
        let owner = world.call(Method::PUT, "/api/admin/servers/lobby/grants/ada");
        let owner = owner.json(&json!({"permissions": ["control.start"]})).cli().send().await;
        assert_eq!(owner.status, 409);
        let revoke = || world.call(Method::DELETE, path).cli();
        assert_eq!(revoke().send().await.status, 204);
        assert_eq!(revoke().send().await.status, 404);
        assert_eq!(world.get("/api/admin/servers/lobby/grants").cli().send().await.body, json!([]));
        assert_eq!(
            world.events().await[4..],
            ["server:subuser.create", "server:subuser.update", "server:subuser.delete"]
        );
    }
}

fn system(is_roost: bool) -> Value {
    let mut info = json!({"architecture": "amd64", "cpu_count": 2, "kernel_version": "6", "os": "linux", "version": "1.11.13"});
    if is_roost {
        info["roost"] = json!("0.1.0");
    }
    info
}
