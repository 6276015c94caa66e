//! Power, commands and lines of the journal.

use crate::{
    node_client::stub::{Answer, Seen, detail},
    testing::{START, on_both_databases, scene::Scene},
};
use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

const POWER: &str = "/api/client/servers/lobby/power";
const COMMAND: &str = "/api/client/servers/lobby/command";
const LOGS: &str = "/api/client/servers/lobby/logs";

fn line(seq: u64, source: &str, text: &str) -> Value {
    json!({"seq": seq, "time": "2026-11-24T08:20:00.000Z", "source": source, "text": text})
}

fn journal(seen: &Seen) -> Answer {
    if !seen.path.contains("/journal") {
        return Answer::json(200, &detail("offline"));
    }
    let data = [
        line(41, "output", "hi"),
        line(42, "install", "secret"),
        line(43, "daemon", "stopped"),
    ];
    Answer::json(
        200,
        &json!({"stream": Uuid::from_u128(9), "next": 43, "gap": {"lines": 40, "reason": "retention", "first": 41}, "data": data}),
    )
}

on_both_databases! {
    async fn each_power_action_takes_its_own_right(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["control.start"]).await;
        for (body, status) in [
            (json!({"signal": "start"}), 204),
            (json!({"action": "start"}), 204),
            (json!({"signal": "kill"}), 403),
            (json!({"signal": "restart"}), 403),
            (json!({"signal": "explode"}), 422),
            (json!({"signal": 7}), 422),
            (json!({}), 422),
        ] {
            let answer = scene.post("sam", POWER, &body).send().await;
            assert_eq!(answer.status.as_u16(), status, "{body} {answer:?}");
            assert_eq!(answer.text.is_empty(), status == 204);
        }
        let broken = scene.get("sam", POWER).to(&world.with(|_| ()).await).send().await;
        assert_eq!(broken.status, 405);
        let seen: Vec<_> = scene.node.take_seen().into_iter().filter(|s| s.path.ends_with("/power")).collect();
        assert_eq!(seen.len(), 2);
        assert_eq!(seen[0].body["action"], "start");
        let powers = world.events().await.iter().filter(|e| *e == "server:power.start").count();
        assert_eq!(powers, 2);
        assert_eq!(scene.post("eve", POWER, &json!({"signal": "start"})).send().await.status, 404);
        scene.suspend().await;
        assert_eq!(scene.post("olive", POWER, &json!({"signal": "start"})).send().await.status, 409);
        assert_eq!(scene.post("root", POWER, &json!({"signal": "kill"})).send().await.status, 204);
    }

    async fn a_foreign_page_gives_no_power(world: &World) {
        let scene = Scene::new(world).await;
        let session = world.log_in("olive").await;
        let call = || world.post(POWER, &json!({"signal": "kill"})).cookie(&session);
        assert_eq!(call().header("origin", "https://evil.example").send().await.status, 403);
        assert_eq!(call().header("origin", "https://panel.example.com").send().await.status, 204);
        assert_eq!(scene.node.take_seen().len(), 1);
    }

    async fn a_command_is_sent_recorded_and_told_its_place(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["control.console"]).await;
        let answer = scene.post("sam", COMMAND, &json!({"command": "say Hello from the API!"})).send().await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
        assert_eq!(answer.header("roost-stream"), Uuid::from_u128(9).to_string());
        assert_eq!(answer.header("roost-seq"), "41");
        let rows = world.audit().await;
        let row = rows.iter().find(|r| r["event"] == "server:console.command").unwrap();
        assert_eq!((&row["user"], &row["via"], &row["details"]["command"]), (&json!("sam"), &json!("key"), &json!("say Hello from the API!")));
        scene.node.take_seen();
        for (command, part) in [
            (json!("a\nop eve"), "U+000A"), (json!("\u{3}"), "U+0003"), (json!("\u{1b}[2J"), "U+001B"),
            (json!("x".repeat(4096)), "4096 bytes"), (json!(""), "empty"), (json!(7), "body"), (Value::Null, "body"),
        ] {
            let refused = scene.post("sam", COMMAND, &json!({"command": command})).send().await;
            assert_eq!(refused.status, 422, "{command}");
            assert!(refused.message().contains(part), "{}", refused.message());
        }
        assert!(scene.node.take_seen().is_empty(), "nothing of it reached the node");
        scene.grant_sam(&["control.start"]).await;
        assert_eq!(scene.post("sam", COMMAND, &json!({"command": "x"})).send().await.status, 403);
        let broken = world.call(Method::POST, COMMAND).bearer(scene.key("olive")).raw("{").send().await;
        assert_eq!(broken.status, 400);
    }

    async fn an_offline_server_takes_no_command(world: &World) {
        let scene = Scene::new(world).await;
        for (status, said) in [(502, "offline"), (417, "server is offline")] {
            scene.node.answers(move |_| Answer::json(status, &json!({"error": said})));
            let answer = scene.post("olive", COMMAND, &json!({"command": "x"})).send().await;
            assert_eq!(answer.status, 502);
            assert_eq!(answer.message(), "Server must be online in order to send commands.");
        }
        let rows = world.audit().await;
        let refused: Vec<_> = rows.iter().filter(|row| row["event"] == "server:console.refused").collect();
        assert_eq!(refused.len(), 2);
        assert_eq!(refused[0]["details"]["reason"], "Server must be online in order to send commands.");
        for (status, expected) in [(422, 422), (429, 429), (409, 409), (502, 502), (400, 409)] {
            scene.node.answers(move |_| Answer::json(status, &json!({"error": "The server is being installed."})));
            let refused = scene.post("olive", COMMAND, &json!({"command": "x"})).send().await;
            assert_eq!((refused.status.as_u16(), refused.message()), (expected, "The server is being installed."));
        }
        scene.node.answers(|_| Answer::empty(500));
        assert_eq!(scene.post("olive", COMMAND, &json!({"command": "x"})).send().await.status, 502);
    }

    async fn lines_are_read_with_the_rights_of_the_console(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(journal);
        let session = world.log_in("olive").await;
        let answer = world.get(&format!("{LOGS}?after=40&lines=10&wait=1")).cookie(&session).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((&answer.body["stream"], &answer.body["next"]), (&json!(Uuid::from_u128(9)), &json!(43)));
        assert_eq!(answer.body["gap"]["reason"], "retention");
        assert_eq!(answer.body["data"].as_array().unwrap().len(), 3);
        assert_eq!(answer.body["data"][0], line(41, "output", "hi"));
        let seen = scene.node.take_seen();
        assert!(seen[0].path.ends_with("/journal?lines=10&after=40&wait=1"), "{}", seen[0].path);
        world.clock.advance(5_000);
        scene.grant_sam(&["websocket.connect"]).await;
        let shared = scene.get("sam", LOGS).send().await;
        assert_eq!(shared.body["data"].as_array().unwrap().len(), 2, "the installer's output is not for him");
        let seen = scene.node.take_seen();
        let asked = seen.iter().find(|s| s.path.contains("/journal")).unwrap();
        assert!(asked.path.ends_with(&format!("since={}", START + 5_000)), "{}", asked.path);
        scene.node.answers(|seen| {
            if !seen.path.contains("/journal") { return Answer::json(200, &detail("offline")); }
            let page = json!({"stream": Uuid::from_u128(9), "from": 42, "next": 42, "begin": false, "end": false, "gap": null, "data": [line(42, "install", "secret")]});
            Answer::json(200, &page)
        });
        let hidden = scene.get("sam", &format!("{LOGS}?after=41&lines=1")).send().await.body;
        assert_eq!(hidden["data"], json!([]));
        assert_eq!((&hidden["from"], &hidden["next"], &hidden["begin"], &hidden["end"]), (&json!(42), &json!(42), &json!(false), &json!(false)), "he can go on");
        scene.node.take_seen();
        scene.grant_sam(&["websocket.connect", "console.history"]).await;
        scene.get("sam", LOGS).send().await;
        assert!(scene.node.take_seen().iter().all(|s| !s.path.contains("since=")));
        scene.grant_sam(&["control.console"]).await;
        assert_eq!(scene.get("sam", LOGS).send().await.status, 403);
        assert_eq!(scene.get("eve", LOGS).send().await.status, 404);
        for query in ["after=x", "after=-1", "lines=many", "wait=1.5", "stream=abc", "after=1&before=2"] {
            assert_eq!(scene.get("olive", &format!("{LOGS}?{query}")).send().await.status, 400, "{query}");
        }
        scene.suspend().await;
        assert_eq!(scene.get("olive", LOGS).send().await.status, 409);
    }

    async fn a_search_is_asked_for_within_what_its_reader_may_see(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(|seen| {
            if !seen.path.ends_with("/journal/search") {
                return Answer::json(200, &detail("offline"));
            }
            if seen.body["regex"] == "(" {
                return Answer::json(422, &json!({"error": "That is no regular expression."}));
            }
            Answer::json(200, &json!({"stream": Uuid::from_u128(9), "from": 41, "begin": true, "data": [line(41, "output", "a & b")]}))
        });
        let found = |query: &str| format!("{LOGS}/search?{query}");
        let answer = scene.get("olive", &found("text=a%20%26%20b&since=5&until=9&source=output&before=77&lines=3&case=true")).send().await;
        assert_eq!((answer.status.as_u16(), &answer.body["data"][0]["text"]), (200, &json!("a & b")), "{answer:?}");
        let seen = scene.node.take_seen();
        assert_eq!(seen[0].body, json!({
            "text": "a & b", "regex": null, "case": true, "since": 5, "until": 9, "source": "output", "before": 77, "lines": 3,
            "history_from": null, "install": true,
        }));
        world.clock.advance(5_000);
        scene.grant_sam(&["websocket.connect"]).await;
        assert_eq!(scene.get("sam", &found("regex=x")).send().await.status, 200);
        let seen = scene.node.take_seen();
        let asked = seen.iter().find(|s| s.path.ends_with("/search")).unwrap();
        assert_eq!((&asked.body["history_from"], &asked.body["install"]), (&json!(START + 5_000), &json!(false)));
        assert_eq!(scene.get("sam", &found("text=x&source=install")).send().await.status, 403);
        scene.grant_sam(&["control.console"]).await;
        assert_eq!(scene.get("sam", &found("text=x")).send().await.status, 403);
        assert_eq!(scene.get("eve", &found("text=x")).send().await.status, 404);
        for (query, status) in [("regex=(", 422), ("text=a&regex=b", 400), ("source=moon", 400), ("case=maybe", 400), ("since=x", 400)] {
            assert_eq!(scene.get("olive", &found(query)).send().await.status, status, "{query}");
        }
    }

    async fn who_loses_access_while_waiting_gets_nothing(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["websocket.connect"]).await;
        let store = world.panel.app().store.clone();
        let server = scene.server;
        let sam = store.user_by_name("sam").await.unwrap().unwrap().uuid;
        let (asked, told) = std::sync::mpsc::channel();
        scene.node.answers(move |seen| {
            let _ = asked.send(());
            std::thread::sleep(std::time::Duration::from_millis(300));
            journal(seen)
        });
        let waiting = tokio::spawn(scene.get("sam", &format!("{LOGS}?after=1&wait=5")).send());
        tokio::task::spawn_blocking(move || told.recv()).await.unwrap().unwrap();
        let mut tx = store.begin().await.unwrap();
        tx.delete_grant(server, sam).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(waiting.await.unwrap().status, 404);
    }

    async fn a_daemon_without_a_journal_says_so(world: &World) {
        let scene = Scene::new(world).await;
        scene.node.answers(|seen| {
            if seen.path.contains("/journal") { Answer::text(404, "text/plain", "404 page not found") } else { Answer::json(200, &detail("running")) }
        });
        assert_eq!(scene.get("olive", LOGS).send().await.status, 501);
        scene.node.answers(|_| Answer::json(404, &json!({"error": "unknown"})));
        tokio::time::sleep(std::time::Duration::from_millis(2_050)).await;
        assert_eq!(scene.get("olive", LOGS).send().await.status, 502);
    }
}
