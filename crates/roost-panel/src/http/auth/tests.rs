//! Logging in and out, and what holds an attacker up.

use crate::testing::{ADDRESS, PASSWORD, START, on_both_databases};
use http::Method;
use serde_json::json;

fn login(user: &str, password: &str) -> serde_json::Value {
    json!({"user": user, "password": password})
}

on_both_databases! {
    async fn a_login_sets_a_cookie_that_says_who_one_is(world: &World) {
        world.user("Ada", true).await;
        let answer = world.post("/api/auth/login", &login("ada", PASSWORD)).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body["user"]["name"], "Ada");
        assert_eq!(answer.header("cache-control"), "no-store");
        let cookie = answer.header("set-cookie").to_owned();
        for part in ["; Path=/", "; HttpOnly", "; SameSite=Lax", "; Secure"] {
            assert!(cookie.contains(part), "{cookie}");
        }
        let cookie = answer.cookie().unwrap();
        assert_eq!(cookie.len(), 43);
        let me = world.get("/api/auth/me").cookie(&cookie).send().await;
        assert_eq!(me.body["name"], "Ada");
        assert_eq!(me.body["admin"], true);
        assert_eq!(world.events().await, ["user:create", "auth:success"]);
    }

    async fn without_https_the_cookie_is_not_secure(world: &World) {
        world.user("ada", false).await;
        let plain = world.with(|o| o.public_url = None).await;
        let call = || world.post("/api/auth/login", &login("ada", PASSWORD)).to(&plain);
        assert!(!call().send().await.header("set-cookie").contains("Secure"));
        let proxied = call().from("10.0.0.9").header("x-forwarded-proto", "https").send().await;
        assert!(proxied.header("set-cookie").contains("; Secure"));
        let made_up = call().header("x-forwarded-proto", "https").send().await;
        assert!(!made_up.header("set-cookie").contains("Secure"));
    }

    async fn an_e_mail_logs_in_as_well_and_any_content_type_does(world: &World) {
        let new = json!({"name": "ada", "email": "Ada@Example.com", "password": PASSWORD});
        assert_eq!(world.post("/api/admin/users", &new).cli().send().await.status, 200);
        let body = login("ada@example.COM", PASSWORD).to_string();
        let answer = world.call(Method::POST, "/api/auth/login").raw(body).send().await;
        assert_eq!(answer.status, 200);
        for bad in ["", "{", "[]", r#"{"user":"ada"}"#, r#"{"user":1,"password":"x"}"#] {
            let answer = world.call(Method::POST, "/api/auth/login").raw(bad).send().await;
            assert_eq!(answer.status, 400, "{bad}");
            assert_eq!(answer.body["status"], 400);
        }
        let long = world.call(Method::POST, "/api/auth/login").raw("x".repeat(70_000)).send().await;
        assert_eq!(long.status, 413);
    }

    async fn wrong_passwords_and_unknown_names_are_told_the_same(world: &World) {
        world.user("ada", true).await;
        let wrong = world.post("/api/auth/login", &login("ada", "wrong password")).send().await;
        let unknown = world.post("/api/auth/login", &login("eve", "wrong password")).send().await;
        assert_eq!(wrong.status, 401);
        assert_eq!(wrong.text, unknown.text);
        let cli = world.post("/api/auth/login", &login("cli", "wrong password")).send().await;
        assert_eq!(cli.text, wrong.text);
        let rows = world.audit().await;
        assert_eq!(rows[1]["event"], "auth:fail");
        assert_eq!(rows[1]["user"], "ada");
        assert_eq!(rows[1]["address"], ADDRESS);
        assert_eq!(rows[2]["user"], serde_json::Value::Null);
        assert!(!serde_json::to_string(&rows).unwrap().contains("wrong password"));
    }

    async fn a_session_ends_by_logout_by_time_and_by_a_new_password(world: &World) {
        world.user("ada", true).await;
        let (first, second) = (world.log_in("ada").await, world.log_in("ada").await);
        let out = world.call(Method::POST, "/api/auth/logout").cookie(&first).send().await;
        assert_eq!(out.status, 204);
        assert!(out.header("set-cookie").contains("Max-Age=0"));
        let me = |cookie: &str| world.get("/api/auth/me").cookie(cookie);
        assert_eq!(me(&first).send().await.status, 401);
        let day = 24 * 3600 * 1000;
        world.clock.advance(29 * day);
        assert_eq!(me(&second).send().await.status, 200);
        world.clock.advance(29 * day);
        assert_eq!(me(&second).send().await.status, 200);
        world.clock.advance(31 * day);
        assert_eq!(me(&second).send().await.status, 401);
        let third = world.log_in("ada").await;
        let new = json!({"password": "another password"});
        let set = world.call(Method::PUT, "/api/admin/users/ada/password").json(&new).cli().send().await;
        assert_eq!(set.status, 204);
        assert_eq!(me(&third).send().await.status, 401);
    }

    async fn a_bad_key_never_falls_back_to_the_cookie(world: &World) {
        world.user("ada", true).await;
        let (cookie, key) = (world.log_in("ada").await, world.key("ada").await);
        let me = || world.get("/api/auth/me");
        assert_eq!(me().cookie(&cookie).send().await.status, 200);
        assert_eq!(me().bearer(&key).send().await.status, 200);
        assert_eq!(me().cookie(&cookie).bearer("ptlc_wrong").send().await.status, 401);
        assert_eq!(me().cookie(&cookie).header("authorization", "Basic x").send().await.status, 401);
        let nobody = me().send().await;
        assert_eq!(nobody.status, 401);
        assert_eq!(nobody.message(), "Unauthenticated.");
        assert_eq!(nobody.body["errors"][0]["status"], "401");
    }

    async fn a_foreign_page_changes_nothing(world: &World) {
        world.user("ada", true).await;
        let cookie = world.log_in("ada").await;
        let attempt = |name: &'static str, value: &str| {
            world.call(Method::POST, "/api/auth/login").cookie(&cookie).header(name, value).json(&login("ada", PASSWORD))
        };
        for origin in ["https://evil.example", "https://panel.example.com.evil.example", "null", "https://panel.example.com:8443"] {
            let answer = attempt("origin", origin).send().await;
            assert_eq!(answer.status, 403, "{origin}");
            assert!(answer.message().contains(origin), "{}", answer.message());
        }
        assert_eq!(attempt("sec-fetch-site", "cross-site").send().await.status, 403);
        for origin in ["https://panel.example.com", "http://panel.example.com", "https://app.example.com/"] {
            assert_eq!(attempt("origin", origin).send().await.status, 200, "{origin}");
        }
        let local = attempt("origin", "http://127.0.0.1:8080").header("host", "localhost:8080").send().await;
        assert_eq!(local.status, 200);
        let other_port = attempt("origin", "http://127.0.0.1:9090").header("host", "localhost:8080").send().await;
        assert_eq!(other_port.status, 403);
        // A key is no cookie: no page sends it by itself.
        let key = world.key("ada").await;
        let by_key = world.call(Method::POST, "/api/auth/logout").bearer(&key).header("origin", "https://evil.example");
        assert_eq!(by_key.send().await.status, 204);
    }

    async fn guessing_grows_slow_at_one_address_and_nowhere_else(world: &World) {
        world.user("ada", true).await;
        let wrong = || world.post("/api/auth/login", &login("ada", "wrong password"));
        for _ in 0..5 {
            assert_eq!(wrong().send().await.status, 401);
        }
        let slow = world.post("/api/auth/login", &login("ada", PASSWORD)).send().await;
        assert_eq!(slow.status, 429);
        assert_eq!(slow.header("retry-after"), "1");
        assert_eq!(slow.body["retry_after"], 1);
        let elsewhere = world.post("/api/auth/login", &login("ada", PASSWORD)).from("192.0.2.77").send().await;
        assert_eq!(elsewhere.status, 200);
        world.clock.advance(1_000);
        assert_eq!(wrong().send().await.status, 401);
        assert_eq!(wrong().send().await.header("retry-after"), "2");
        world.clock.advance(2_000);
        assert_eq!(world.post("/api/auth/login", &login("ada", PASSWORD)).send().await.status, 200);
        assert_eq!(wrong().send().await.status, 401);
    }

    async fn callers_at_the_same_time_do_not_slip_through(world: &World) {
        world.user("ada", true).await;
        let calls = (0..64).map(|_| world.post("/api/auth/login", &login("ada", "wrong password")).send());
        let answers = futures_util::future::join_all(calls).await;
        let passed = answers.iter().filter(|a| a.status == 401).count();
        let refused = answers.iter().filter(|a| a.status == 429).count();
        assert_eq!((passed, refused), (5, 59));
    }

    async fn an_address_has_an_allowance_for_all_accounts_together(world: &World) {
        world.user("ada", true).await;
        let try_name = |n: i64| world.post("/api/auth/login", &login(&format!("user{n}"), "wrong password"));
        for n in 0..30 {
            assert_eq!(try_name(n).send().await.status, 401, "{n}");
        }
        let refused = try_name(31).send().await;
        assert_eq!(refused.status, 429);
        assert_eq!(refused.header("retry-after"), "600");
        // A made-up forwarded address gives no new one.
        let made_up = try_name(32).header("x-forwarded-for", "203.0.113.5").send().await;
        assert_eq!(made_up.status, 429);
        let proxied = try_name(33).from("10.0.0.9").header("x-forwarded-for", "203.0.113.5").send().await;
        assert_eq!(proxied.status, 401);
        world.clock.advance(600_000);
        assert_eq!(try_name(34).send().await.status, 401);
    }

    async fn sessions_of_one_user_are_bounded(world: &World) {
        world.user("ada", true).await;
        let oldest = world.log_in("ada").await;
        for _ in 0..50 {
            world.clock.advance(1);
            world.log_in("ada").await;
        }
        assert_eq!(world.get("/api/auth/me").cookie(&oldest).send().await.status, 401);
        assert!(world.clock.now() > START);
    }
}

use roost_wire::clock::Clock as _;
