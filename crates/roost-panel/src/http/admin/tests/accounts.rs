//! Accounts, keys, and what the audit says of them.

use crate::testing::{PASSWORD, on_both_databases};
use http::Method;
use serde_json::json;

on_both_databases! {
    async fn only_administrators_come_in(world: &World) {
        world.user("ada", true).await;
        world.user("ben", false).await;
        let (ada, ben) = (world.log_in("ada").await, world.log_in("ben").await);
        for path in ["users", "keys", "nodes", "servers", "audit", "sockets", "info", "servers/x", "nodes/x"] {
            let path = format!("/api/admin/{path}");
            assert_eq!(world.get(&path).send().await.status, 401, "{path}");
            assert_eq!(world.get(&path).cookie(&ben).send().await.status, 403, "{path}");
            assert_ne!(world.get(&path).cookie(&ada).send().await.status, 403, "{path}");
        }
        let info = world.get("/api/admin/info").cookie(&ada).send().await;
        assert_eq!(info.body["has_admin"], true);
        assert_eq!(info.body["url"], "https://panel.example.com");
        assert_eq!(info.header("cache-control"), "no-store");
        assert_eq!(info.header("x-content-type-options"), "nosniff");
        assert_eq!(info.header("referrer-policy"), "no-referrer");
        assert!(info.header("content-security-policy").contains("frame-ancestors 'none'"));
    }

    async fn accounts_are_made_listed_and_removed(world: &World) {
        world.user("ada", true).await;
        let new = json!({"name": "Ben", "email": "ben@example.com", "password": PASSWORD});
        let made = world.post("/api/admin/users", &new).cli().send().await;
        assert_eq!(made.body["name"], "Ben");
        assert_eq!(made.body["created_at"], "2026-11-24T08:20:00.000Z");
        let again = json!({"name": "ben", "password": PASSWORD});
        assert_eq!(world.post("/api/admin/users", &again).cli().send().await.status, 409);
        let list = world.get("/api/admin/users").cli().send().await;
        let names: Vec<_> = list.body.as_array().unwrap().iter().map(|u| u["name"].clone()).collect();
        assert_eq!(names, ["ada", "Ben"]);
        assert!(!list.text.contains("argon2"));
        let remove = |name: &str| world.call(Method::DELETE, &format!("/api/admin/users/{name}")).cli();
        assert_eq!(remove("ben").send().await.status, 204);
        assert_eq!(remove("ben").send().await.status, 404);
        let last = remove("ada").send().await;
        assert_eq!(last.status, 409);
        assert!(last.message().contains("last administrator"));
        let rows = world.audit().await;
        assert_eq!(rows[0]["via"], "cli");
        assert_eq!(rows[0]["user"], "cli");
        assert_eq!(rows[0]["details"]["uid"], 1000);
    }

    async fn what_is_wrong_is_named(world: &World) {
        for (body, field) in [
            (json!({"name": "", "password": PASSWORD}), "name"),
            (json!({"name": "a b", "password": PASSWORD}), "name"),
            (json!({"name": "cli", "password": PASSWORD}), "name"),
            (json!({"name": "ada", "password": "short"}), "password"),
            (json!({"name": "ada", "password": PASSWORD, "email": "nobody"}), "email"),
            (json!({"name": "ada", "password": PASSWORD, "root": true}), "root"),
            (json!({"name": "ada"}), "password"),
        ] {
            let answer = world.post("/api/admin/users", &body).cli().send().await;
            assert_eq!(answer.status, 422, "{body}");
            assert!(answer.message().contains(field), "{}", answer.message());
        }
        let broken = world.call(Method::POST, "/api/admin/users").raw("{").cli().send().await;
        assert_eq!(broken.status, 400);
    }

    async fn a_key_has_the_form_that_bots_expect_and_ends_when_revoked(world: &World) {
        world.user("ada", true).await;
        let made = world.post("/api/admin/keys", &json!({"user": "ada", "description": "bot"})).cli().send().await;
        let key = made.body["key"].as_str().unwrap().to_owned();
        assert_eq!(key.len(), 48);
        let rest = key.strip_prefix("ptlc_").unwrap();
        assert!(rest.bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_eq!(made.body["identifier"], key[..16]);
        assert_eq!(world.get("/api/auth/me").bearer(&key).send().await.status, 200);
        let list = world.get("/api/admin/keys?user=ada").cli().send().await;
        assert_eq!(list.body[0]["identifier"], key[..16]);
        assert_eq!(list.body[0]["last_used_at"], "2026-11-24T08:20:00.000Z");
        assert!(!list.text.contains(&key[16..]));
        world.clock.advance(59_000);
        world.get("/api/auth/me").bearer(&key).send().await;
        let last_used = || async { world.get("/api/admin/keys").cli().send().await.body[0]["last_used_at"].clone() };
        assert_eq!(last_used().await, "2026-11-24T08:20:00.000Z");
        world.clock.advance(1_000);
        world.get("/api/auth/me").bearer(&key).send().await;
        assert_eq!(last_used().await, "2026-11-24T08:21:00.000Z");
        let revoke = || world.call(Method::DELETE, &format!("/api/admin/keys/{}", &key[..16])).cli();
        assert_eq!(revoke().send().await.status, 204);
        assert_eq!(revoke().send().await.status, 404);
        assert_eq!(world.get("/api/auth/me").bearer(&key).send().await.status, 401);
        let audit = serde_json::to_string(&world.audit().await).unwrap();
        assert!(audit.contains("user:api-key.delete") && !audit.contains(&key[16..]));
    }

    async fn the_audit_is_filtered_and_followed(world: &World) {
        world.user("ada", true).await;
        world.user("ben", false).await;
        world.clock.advance(60_000);
        world.log_in("ben").await;
        let list = |query: &str| world.get(&format!("/api/admin/audit?{query}")).cli().send();
        let newest = list("lines=1").await;
        assert_eq!(newest.body[0]["event"], "auth:success");
        assert_eq!(newest.body[0]["via"], "session");
        let by_ben = list("user=BEN").await;
        assert_eq!(by_ben.body.as_array().unwrap().len(), 1);
        // Who is gone is still found; who never was is not.
        assert_eq!(world.call(Method::DELETE, "/api/admin/users/ben").cli().send().await.status, 204);
        assert!(!list("user=ben").await.body.as_array().unwrap().is_empty());
        let nobody = uuid::Uuid::new_v4().to_string();
        for (kind, name) in [("user", "nobody"), ("server", "nowhere"), ("server", nobody.as_str())] {
            let unknown = list(&format!("{kind}={name}")).await;
            assert_eq!(unknown.status, 404, "{kind}={name}: {unknown:?}");
            assert!(unknown.message().contains(name) && unknown.message().contains(&format!("roost {kind} list")), "{unknown:?}");
            assert_eq!(list(&format!("{kind}={name}&after=1")).await.body, json!([]));
        }
        for since in ["2026-11-24T08:20:01Z", "2026-11-24T09:20:01%2B01:00", "1795508401000"] {
            let later = list(&format!("since={since}")).await;
            assert_eq!(later.body.as_array().map(Vec::len), Some(2), "{since}");
        }
        assert_eq!(list("since=yesterday").await.status, 422);
        assert_eq!(list("lines=0").await.status, 422);
        let all = list("order=asc").await;
        let first = all.body[0]["id"].as_i64().unwrap();
        // Rows come once nothing can appear before them any more; on PostgreSQL other tests' writes delay that.
        for _ in 0..200 {
            let next = list(&format!("after={first}&order=asc&lines=1")).await;
            if next.body[0]["id"].as_i64() == Some(first + 1) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        panic!("the row behind the first one never came");
    }

    async fn unknown_addresses_are_problems(world: &World) {
        let answer = world.get("/api/nothing").send().await;
        assert_eq!(answer.status, 404);
        assert_eq!(answer.body["status"], 404);
        assert_eq!(answer.body["errors"][0]["code"], "NotFoundHttpException");
        let answer = world.call(Method::PATCH, "/api/auth/login").send().await;
        assert_eq!(answer.status, 405);
        assert_eq!(answer.body["status"], 405);
    }
}
