//! The disk under the panel's database is full to the last byte, and then there is room again.

use crate::{
    node_client::stub::obedient,
    testing::{PASSWORD, World, scene::Scene, small_disk::SmallDisk},
};
use serde_json::{Value, json};

const COMMAND: &str = "/api/client/servers/lobby/command";
const WEBSOCKET: &str = "/api/client/servers/lobby/websocket";
const FULL: &str = "The disk of the panel's database is full: make room on it, then try again.";
const HOUR: i64 = 60 * 60 * 1000;

/// Commands are typed until there is no room for one's audit row; gives how many went through.
async fn type_until_refused(scene: &Scene<'_>) -> usize {
    for sent in 0..5000 {
        let answer = scene
            .post("olive", COMMAND, &json!({"command": "say hi"}))
            .send()
            .await;
        if answer.status != 204 {
            assert_eq!((answer.status.as_u16(), answer.message()), (507, FULL));
            return sent;
        }
    }
    panic!("the disk is full, and everything is written");
}

fn commands(seen: &[crate::node_client::stub::Seen]) -> usize {
    seen.iter().filter(|s| s.path.ends_with("/commands")).count()
}

fn count(rows: &[Value], event: &str) -> usize {
    rows.iter().filter(|row| row["event"] == event).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_changes_stops_no_reader_and_is_over_once_there_is_room() {
    let disk = SmallDisk::new();
    let world = World::sqlite_in(disk.path()).await;
    let scene = Scene::new(&world).await;
    scene.node.answers(obedient);
    let session = world.log_in("olive").await;
    let login = json!({"user": "olive", "password": PASSWORD});
    let second =
        json!({"name": "Second", "settings": {"owner": "olive", "node": "one", "command": ["./second"]}});

    for _ in 0..2 {
        scene.node.take_seen();
        disk.fill();
        let sent = type_until_refused(&scene).await;
        assert_eq!(
            commands(&scene.node.take_seen()),
            sent,
            "what has no audit row is not done"
        );
        for _ in 0..3 {
            let refused = [
                scene
                    .post("olive", COMMAND, &json!({"command": "say hi"}))
                    .send()
                    .await,
                world.post("/api/auth/login", &login).send().await,
                world.post("/api/admin/servers", &second).cli().send().await,
            ];
            for answer in refused {
                assert_eq!((answer.status.as_u16(), answer.message()), (507, FULL));
            }
        }
        // By then the key's use and the session's longer life are due to be noted.
        world.clock.advance(2 * HOUR);
        let issued = count(&world.audit().await, "server:websocket.credentials");
        for path in ["/api/client", "/api/client/servers/lobby", WEBSOCKET] {
            assert_eq!(scene.get("olive", path).send().await.status, 200, "{path}");
            assert_eq!(
                world.get(path).cookie(&session).send().await.status,
                200,
                "{path}"
            );
        }
        assert_eq!(scene.get("eve", WEBSOCKET).send().await.status, 404);
        assert_eq!(
            count(&world.audit().await, "server:websocket.credentials"),
            issued
        );

        disk.make_room();
        let answer = scene
            .post("olive", COMMAND, &json!({"command": "say hi"}))
            .send()
            .await;
        assert_eq!(answer.status, 204, "{answer:?}");
        world.log_in("olive").await;
        let made = world.post("/api/admin/servers", &second).cli().send().await;
        assert_eq!(made.status, 200, "{made:?}");
        let rows = world.audit().await;
        let kept: Vec<_> = rows
            .iter()
            .rev()
            .filter(|r| r["event"].as_str().unwrap().contains(":websocket."))
            .take(3)
            .collect();
        assert_eq!(
            count(&rows, "server:websocket.credentials"),
            issued + 2,
            "kept, and written by now"
        );
        assert_eq!(
            (&kept[0]["event"], &kept[0]["user"]),
            (&json!("server:websocket.refused"), &json!("eve"))
        );
    }
}
