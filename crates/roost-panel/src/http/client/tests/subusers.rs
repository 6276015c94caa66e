//! Who gives access to whom.

use crate::testing::{on_both_databases, scene::Scene};
use http::Method;
use serde_json::json;

const USERS: &str = "/api/client/servers/lobby/users";

on_both_databases! {
    async fn an_owner_gives_access_and_takes_it_away(world: &World) {
        let scene = Scene::new(world).await;
        let made = scene.post("olive", USERS, &json!({"user": "sam", "permissions": ["websocket.connect"]})).send().await;
        assert_eq!(made.status, 200, "{made:?}");
        assert_eq!(made.body["object"], "server_subuser");
        assert_eq!(made.body["attributes"]["permissions"], json!(["websocket.connect"]));
        let list = scene.get("olive", USERS).send().await.body;
        assert_eq!((&list["object"], &list["data"][0]["attributes"]["username"]), (&json!("list"), &json!("sam")));
        let uuid = list["data"][0]["attributes"]["uuid"].as_str().unwrap().to_owned();
        let again = scene.post("olive", USERS, &json!({"user": "sam", "permissions": ["websocket.connect"]})).send().await;
        assert_eq!(again.status, 400);
        let one = format!("{USERS}/{uuid}");
        let changed = scene.post("olive", &one, &json!({"permissions": ["control.start"]})).send().await;
        assert_eq!(changed.body["attributes"]["permissions"], json!(["control.start"]));
        assert_eq!(scene.get("olive", &one).send().await.status, 200);
        assert_eq!(world.call(Method::DELETE, &one).bearer(scene.key("olive")).send().await.status, 204);
        assert_eq!(scene.get("olive", &one).send().await.status, 404);
        for body in [json!({"user": "nobody", "permissions": ["control.start"]}), json!({"user": "cli", "permissions": ["control.start"]})] {
            assert_eq!(scene.post("olive", USERS, &body).send().await.status, 404);
        }
        for body in [json!({"permissions": ["control.start"]}), json!({"user": "sam", "permissions": ["*"]}), json!({"user": "sam", "permissions": []}), json!({"user": "sam"})] {
            assert_eq!(scene.post("olive", USERS, &body).send().await.status, 422, "{body}");
        }
        let events = world.events().await;
        for event in ["server:subuser.create", "server:subuser.update", "server:subuser.delete"] {
            assert!(events.contains(&event.to_owned()), "{event}");
        }
    }

    async fn nobody_gives_what_he_lacks_or_changes_his_own(world: &World) {
        let scene = Scene::new(world).await;
        scene.grant_sam(&["user.create", "user.update", "user.read", "control.start"]).await;
        let give = |names: &[&str]| scene.post("sam", USERS, &json!({"user": "eve", "permissions": names}));
        let refused = give(&["control.start", "control.stop"]).send().await;
        assert_eq!(refused.status, 403);
        assert!(refused.message().contains("control.stop"), "{}", refused.message());
        assert_eq!(give(&["control.start"]).send().await.status, 200);
        let own = scene.post("sam", &format!("{USERS}/sam"), &json!({"permissions": ["user.update", "control.start"]})).send().await;
        assert_eq!(own.status, 403);
        let eve = format!("{USERS}/eve");
        assert_eq!(scene.post("sam", &eve, &json!({"permissions": ["control.stop"]})).send().await.status, 403);
        assert_eq!(world.call(Method::DELETE, &eve).bearer(scene.key("sam")).send().await.status, 403);
        assert_eq!(scene.post("eve", USERS, &json!({"user": "root", "permissions": ["control.start"]})).send().await.status, 403);
        assert_eq!(scene.get("eve", USERS).send().await.status, 403);
    }
}
