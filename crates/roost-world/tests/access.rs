//! Owner, administrator, subuser, stranger: the same rules on every path, and access that ends at once.

use anyhow::{Context, ensure};
use reqwest::Method;
use roost_world::{Roost, Viewer, http::Person};
use serde_json::json;
use std::time::{Duration, Instant};

type Told = anyhow::Result<()>;

struct House {
    roost: Roost,
    admin: Person,
    owner: Person,
    sub: Person,
    stranger: Person,
}

/// `shared` belongs to `owner`; `sub` holds exactly `rights` on it.
async fn house(rights: &[&str]) -> anyhow::Result<House> {
    let roost = Roost::start()?;
    for name in ["owner", "sub", "stranger"] {
        roost.user(name, &[])?;
    }
    roost.json(&[
        "server",
        "create",
        "shared",
        "--command",
        &roost.chatter("--done up"),
        "--owner",
        "owner",
        "--start",
    ])?;
    if !rights.is_empty() {
        let mut arguments = vec!["server", "grant", "shared", "sub"];
        arguments.extend(rights);
        roost.json(&arguments)?;
    }
    let person = async |name: &str| Person::sign_in(&roost, name).await;
    let (admin, owner, sub, stranger) = (
        person("admin").await?,
        person("owner").await?,
        person("sub").await?,
        person("stranger").await?,
    );
    Ok(House {
        roost,
        admin,
        owner,
        sub,
        stranger,
    })
}

#[tokio::test]
async fn every_route_of_a_server_follows_one_table() -> Told {
    let house = house(&["websocket.connect", "control.console"]).await?;
    let base = "/api/client/servers/shared";
    let none = json!({});
    // Route, body, then the status for owner, admin, subuser, stranger, nobody.
    let table: [(Method, &str, &serde_json::Value, [u16; 5]); 9] = [
        (Method::GET, "", &none, [200, 200, 200, 404, 401]),
        (Method::GET, "/websocket", &none, [200, 200, 200, 404, 401]),
        (Method::GET, "/resources", &none, [200, 200, 200, 404, 401]),
        (Method::GET, "/users", &none, [200, 200, 403, 404, 401]),
        (Method::GET, "/activity", &none, [200, 200, 403, 404, 401]),
        (Method::GET, "/logs?lines=5", &none, [200, 200, 200, 404, 401]),
        (
            Method::POST,
            "/command",
            &json!({"command": "say hi"}),
            [204, 204, 204, 404, 401],
        ),
        (
            Method::POST,
            "/power",
            &json!({"signal": "dance"}),
            [422, 422, 422, 404, 401],
        ),
        (
            Method::POST,
            "/power",
            &json!({"signal": "restart"}),
            [204, 204, 403, 404, 401],
        ),
    ];
    let nobody = Person::stranger(&house.roost);
    for (method, path, body, statuses) in table {
        for (person, status) in [&house.owner, &house.admin, &house.sub, &house.stranger, &nobody]
            .into_iter()
            .zip(statuses)
        {
            let body = (method == Method::POST).then_some(body);
            let answer = person
                .ask(method.clone(), &format!("{base}{path}"), body, &[])
                .await?;
            ensure!(
                answer.status == status,
                "{method} {path}: {} instead of {status}: {}",
                answer.status,
                answer.text
            );
            if path.ends_with("restart") || body.is_some_and(|b| b["signal"] == "restart") {
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
        }
    }
    for path in [
        "/api/admin/users",
        "/api/admin/servers",
        "/api/admin/audit",
        "/api/admin/sockets",
        "/api/admin/nodes",
    ] {
        for (person, status) in [(&house.admin, 200), (&house.owner, 403), (&nobody, 401)] {
            assert_eq!(person.get(path).await?.status, status, "{path}");
        }
    }
    Ok(())
}

#[tokio::test]
async fn rights_are_enforced_on_the_socket_as_over_http() -> Told {
    let house = house(&["websocket.connect"]).await?;
    let mut viewer = Viewer::join(&house.sub, "shared").await?;
    viewer.send("send command", &["say forbidden"]).await?;
    let why = viewer.wait_for("daemon message", |_| true).await?;
    ensure!(why.contains("control.console"), "{why}");
    for action in ["start", "stop", "restart", "kill"] {
        viewer.send("set state", &[action]).await?;
        let why = viewer.wait_for("daemon message", |_| true).await?;
        ensure!(why.contains("control."), "{action}: {why}");
    }
    let logs = house
        .owner
        .get("/api/client/servers/shared/logs?lines=50")
        .await?;
    ensure!(!logs.text.contains("forbidden"), "{}", logs.text);
    Ok(())
}

#[tokio::test]
async fn control_start_alone_gives_state_figures_and_its_button_only() -> Told {
    let house = house(&["control.start"]).await?;
    let base = "/api/client/servers/shared";
    assert_eq!(house.sub.get(base).await?.status, 200);
    assert_eq!(house.sub.get(&format!("{base}/resources")).await?.status, 200);
    assert_eq!(house.sub.get(&format!("{base}/websocket")).await?.status, 403);
    assert_eq!(house.sub.get(&format!("{base}/logs")).await?.status, 403);
    assert_eq!(
        house
            .sub
            .post(&format!("{base}/power"), &json!({"signal": "stop"}))
            .await?
            .status,
        403
    );
    house.roost.json(&["server", "stop", "shared"])?;
    assert_eq!(
        house
            .sub
            .post(&format!("{base}/power"), &json!({"signal": "start"}))
            .await?
            .status,
        204
    );
    Ok(())
}

#[tokio::test]
async fn a_subusers_history_begins_with_the_grant() -> Told {
    let house = house(&[]).await?;
    let base = "/api/client/servers/shared";
    let say = async |text: &str| {
        house
            .owner
            .post(
                &format!("{base}/command"),
                &json!({"command": format!("say {text}")}),
            )
            .await
    };
    say("before").await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    house
        .roost
        .json(&["server", "grant", "shared", "sub", "websocket.connect"])?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    say("after").await?;
    let mut viewer = Viewer::join(&house.sub, "shared").await?;
    viewer.send("send logs", &[]).await?;
    let first = viewer.line(|l| l.starts_with("said")).await?;
    assert_eq!(first, "said after");
    for query in ["?lines=100", "?after=0&lines=100"] {
        let page = house.sub.get(&format!("{base}/logs{query}")).await?;
        ensure!(
            page.text.contains("said after") && !page.text.contains("said before"),
            "{query}: {}",
            page.text
        );
    }
    house.roost.json(&[
        "server",
        "grant",
        "shared",
        "sub",
        "websocket.connect",
        "console.history",
    ])?;
    let page = house.sub.get(&format!("{base}/logs?lines=100")).await?;
    ensure!(page.text.contains("said before"), "{}", page.text);
    Ok(())
}

/// The socket ends within a second with this code, and its token opens nothing any more.
async fn ends_at_once(mut viewer: Viewer, token: &str, socket: &str, begun: Instant, code: u16) -> Told {
    let end = viewer.end().await?.context("closed without a code")?;
    assert_eq!(end.0, code, "{}", end.1);
    ensure!(
        begun.elapsed() < Duration::from_millis(1500),
        "it took {:?}",
        begun.elapsed()
    );
    let mut again = Viewer::open(socket).await?;
    again.send("auth", &[token]).await?;
    match again.next().await? {
        roost_world::viewer::Seen::Event(name, _) if name == "jwt error" => Ok(()),
        roost_world::viewer::Seen::Closed(Some((found, _))) if found == code => Ok(()),
        other => anyhow::bail!("the old token still opens the console: {other:?}"),
    }
}

async fn joined(person: &Person) -> anyhow::Result<(Viewer, String, String)> {
    let (token, socket) = person.credentials("shared").await?;
    let mut viewer = Viewer::open(&socket).await?;
    viewer.send("auth", &[&token]).await?;
    viewer.wait_for("status", |_| true).await?;
    Ok((viewer, token, socket))
}

#[tokio::test]
async fn row_8_revoking_ends_sockets_and_tokens() -> Told {
    let house = house(&["websocket.connect"]).await?;
    let (viewer, token, socket) = joined(&house.sub).await?;
    let mut unconcerned = Viewer::join(&house.owner, "shared").await?;
    let begun = Instant::now();
    house.roost.json(&["server", "revoke", "shared", "sub"])?;
    ends_at_once(viewer, &token, &socket, begun, 4400).await?;
    assert_eq!(house.sub.get("/api/client/servers/shared").await?.status, 404);
    unconcerned.send("send command", &["say unconcerned"]).await?;
    unconcerned.line(|l| l == "said unconcerned").await?;
    Ok(())
}

#[tokio::test]
async fn row_8_a_revoked_key_ends_only_its_own_sockets() -> Told {
    let house = house(&[]).await?;
    let (bot, key) = Person::with_key(&house.roost, "owner")?;
    let (viewer, token, socket) = joined(&bot).await?;
    let mut by_session = Viewer::join(&house.owner, "shared").await?;
    let begun = Instant::now();
    house.roost.json(&["key", "revoke", &key[..16]])?;
    ends_at_once(viewer, &token, &socket, begun, 4400).await?;
    assert_eq!(bot.get("/api/client").await?.status, 401);
    by_session.send("send command", &["say by session"]).await?;
    by_session.line(|l| l == "said by session").await?;
    Ok(())
}

#[tokio::test]
async fn row_8_suspending_and_deleting_end_sockets() -> Told {
    let house = house(&[]).await?;
    let (viewer, token, socket) = joined(&house.owner).await?;
    let begun = Instant::now();
    house.roost.json(&["server", "suspend", "shared"])?;
    ends_at_once(viewer, &token, &socket, begun, 4409).await?;
    house.roost.json(&["server", "unsuspend", "shared"])?;
    let (mut viewer, ..) = joined(&house.owner).await?;
    house.roost.json(&["server", "delete", "shared", "--yes"])?;
    assert_eq!(viewer.end().await?.map(|(code, _)| code), Some(4400));
    assert_eq!(house.owner.get("/api/client/servers/shared").await?.status, 404);
    let rows = house.roost.json_lines(&["audit", "list", "--server", "shared"])?;
    let reason = |row: &serde_json::Value| row["details"]["reason"].as_str().map(str::to_owned);
    assert!(
        rows.iter()
            .any(|row| row["event"] == "server:websocket.disconnect"
                && reason(row).as_deref() == Some("server deleted")),
        "{rows:#?}"
    );
    Ok(())
}

#[tokio::test]
async fn row_8_signing_out_ends_the_sessions_sockets() -> Told {
    let house = house(&[]).await?;
    let (viewer, token, socket) = joined(&house.owner).await?;
    let begun = Instant::now();
    let answer = house.owner.post("/api/auth/logout", &json!({})).await?;
    assert_eq!(answer.status, 204, "{}", answer.text);
    ends_at_once(viewer, &token, &socket, begun, 4400).await?;
    assert_eq!(house.owner.get("/api/auth/me").await?.status, 401);
    Ok(())
}

#[tokio::test]
async fn a_foreign_page_can_change_nothing_with_somebodys_cookie() -> Told {
    let house = house(&[]).await?;
    let path = "/api/client/servers/shared/command";
    let body = json!({"command": "say hijacked"});
    let from = async |origin: &str| {
        house
            .owner
            .ask(Method::POST, path, Some(&body), &[("origin", origin)])
            .await
    };
    for origin in [
        "https://evil.example",
        "null",
        &format!("{}.evil.example", house.roost.url()),
    ] {
        assert_eq!(from(origin).await?.status, 403, "{origin}");
    }
    for origin in [
        house.roost.url(),
        format!("http://localhost:{}", house.roost.port()),
        format!("http://[::1]:{}", house.roost.port()),
    ] {
        assert_eq!(from(&origin).await?.status, 204, "{origin}");
    }
    Ok(())
}

#[tokio::test]
async fn guessing_passwords_is_slowed_and_locks_nobody_out() -> Told {
    let house = house(&[]).await?;
    let guesser = Person::stranger(&house.roost);
    let mut slowed = false;
    for _ in 0..30 {
        let answer = guesser
            .post("/api/auth/login", &json!({"user": "owner", "password": "wrong"}))
            .await?;
        match answer.status {
            429 => {
                let wait: u64 = answer
                    .headers
                    .get("retry-after")
                    .context("no Retry-After")?
                    .to_str()?
                    .parse()?;
                ensure!(wait >= 1);
                slowed = true;
                break;
            }
            status => assert!(
                matches!(status, 400 | 401 | 403 | 422),
                "{status}: {}",
                answer.text
            ),
        }
    }
    ensure!(slowed, "30 wrong guesses were not slowed");
    assert_eq!(
        house.owner.get("/api/auth/me").await?.status,
        200,
        "the owner's session goes on"
    );
    Ok(())
}
