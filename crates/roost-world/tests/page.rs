//! The page that Roost was asked to be, line by line, against the running binary.

use anyhow::{Context, ensure};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use roost_world::{Roost, Viewer, daemon::Daemon, http::Person, viewer::Seen};
use serde_json::{Value, json};
use std::process::Command;

type Told = anyhow::Result<()>;

/// A Roost with one server, `my-server`, that says `ready` and does what its console says.
fn with_server() -> anyhow::Result<Roost> {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "my-server",
        "--command",
        &roost.chatter("--done ready"),
        "--stop",
        "stop",
        "--start",
    ])?;
    Ok(roost)
}

fn claims(token: &str) -> anyhow::Result<(Value, Value)> {
    let parts: Vec<&str> = token.split('.').collect();
    ensure!(parts.len() == 3, "a JWT has three parts");
    let read =
        |part: &str| -> anyhow::Result<Value> { Ok(serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part)?)?) };
    Ok((read(parts[0])?, read(parts[1])?))
}

#[tokio::test]
async fn the_curl_example_works_as_printed() -> Told {
    let roost = with_server()?;
    let person = Person::sign_in(&roost, "admin").await?;
    let cookie = person.credential().context("no cookie")?.to_owned();
    let output = Command::new("curl")
        .args([
            "-s",
            "-X",
            "GET",
            &format!("{}/api/client/servers/my-server/websocket", roost.url()),
        ])
        .args(["-H", &format!("Cookie: {cookie}")])
        .output()
        .context("curl is missing: apt-get install curl")?;
    let answer: Value = serde_json::from_slice(&output.stdout)?;
    let token = answer["token"].as_str().context("no token")?;
    let socket = answer["socket"].as_str().context("no socket")?;
    assert_eq!(answer["data"]["token"], token);
    assert_eq!(answer["data"]["socket"], socket);

    let (head, claims) = claims(token)?;
    assert_eq!(head, json!({"alg": "HS256", "typ": "JWT"}));
    let uuid = claims["server"]["uuid"].as_str().context("no server uuid")?;
    assert_eq!(
        socket,
        format!("ws://127.0.0.1:{}/api/servers/{uuid}/ws", roost.port())
    );
    let user = claims["user"]["uuid"].as_str().context("no user uuid")?;
    assert_eq!(claims["user"]["id"], user);
    assert_eq!(claims["identifiedBy"], format!("{user}:{uuid}"));
    let number = |name: &str| {
        claims[name]
            .as_i64()
            .with_context(|| format!("{name} is no integer"))
    };
    assert_eq!(number("exp")? - number("iat")?, 900);
    assert_eq!(number("iat")? - number("nbf")?, 300);
    assert!(claims["aud"].is_array() && claims["scope"] == "websocket" && claims.get("user_id").is_none());
    Ok(())
}

#[tokio::test]
async fn uuid_identifier_and_short_uuid_name_one_server() -> Told {
    let roost = with_server()?;
    let person = Person::sign_in(&roost, "admin").await?;
    let uuid = roost.json(&["server", "show", "my-server"])?["uuid"]
        .as_str()
        .context("no uuid")?
        .to_owned();
    for name in ["my-server", &uuid, &uuid[..8]] {
        let (token, _) = person.credentials(name).await?;
        assert_eq!(claims(&token)?.1["server_uuid"], uuid, "{name}");
    }
    let answer = person.get("/api/client/servers/my-server/websocket").await?;
    assert_eq!(
        answer.headers.get("cache-control").and_then(|v| v.to_str().ok()),
        Some("no-store")
    );
    Ok(())
}

#[tokio::test]
async fn the_snippet_works_with_its_query_token() -> Told {
    let roost = with_server()?;
    let person = Person::sign_in(&roost, "admin").await?;
    let (token, socket) = person.credentials("my-server").await?;
    let mut viewer = Viewer::open(&format!("{socket}?token={token}")).await?;
    assert_eq!(viewer.next().await?, Seen::Event("auth success".into(), vec![]));
    assert_eq!(
        viewer.next().await?,
        Seen::Event("status".into(), vec!["running".into()])
    );
    viewer.send("send command", &["say Hello from the API!"]).await?;
    viewer.line(|line| line == "said Hello from the API!").await?;

    for bad in ["?token=", "?token=ping", &format!("?token={token}&token={token}")] {
        let mut viewer = Viewer::open(&format!("{socket}{bad}")).await?;
        let Seen::Event(name, _) = viewer.next().await? else {
            anyhow::bail!("{bad}: closed without a word")
        };
        assert_eq!(name, "jwt error", "{bad}");
        assert_eq!(viewer.end().await?.map(|(code, _)| code), Some(4403), "{bad}");
    }
    ensure!(!roost.log().contains(&token), "the token is in the log");
    Ok(())
}

#[tokio::test]
async fn all_events_of_the_page_come_and_go() -> Told {
    let roost = with_server()?;
    let person = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&person, "my-server").await?;
    viewer.send("send logs", &[]).await?;
    viewer.line(|line| line == "ready").await?;
    viewer.send("send stats", &[]).await?;
    let stats: Value = serde_json::from_str(&viewer.wait_for("stats", |_| true).await?)?;
    for field in [
        "memory_bytes",
        "memory_limit_bytes",
        "cpu_absolute",
        "network",
        "uptime",
        "state",
        "disk_bytes",
    ] {
        assert!(stats.get(field).is_some(), "{field} is missing in {stats}");
    }
    viewer.send("set state", &["stop"]).await?;
    viewer.wait_for("status", |s| s == "stopping").await?;
    viewer.wait_for("status", |s| s == "offline").await?;
    viewer.send("send command", &["say anybody there"]).await?;
    let why = viewer.wait_for("daemon message", |_| true).await?;
    assert!(why.contains("offline"), "{why}");
    viewer.send("send logs", &[]).await?;
    viewer
        .line(|line| line == "stopping")
        .await
        .context("history is served while offline")?;
    viewer.send("set state", &["start"]).await?;
    viewer.wait_for("status", |s| s == "running").await?;
    Ok(())
}

#[tokio::test]
async fn every_error_of_the_page() -> Told {
    let roost = with_server()?;
    roost.user("sub", &[])?;
    roost.user("stranger", &[])?;
    roost.json(&["server", "grant", "my-server", "sub", "control.start"])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let path = "/api/client/servers/my-server/websocket";
    let expect = |answer: roost_world::http::Answer, status: u16, message: Option<&str>| {
        let body = answer.json();
        assert_eq!(answer.status, status, "{}", answer.text);
        assert_eq!(body["status"], status, "{body}");
        assert_eq!(body["errors"][0]["status"], status.to_string(), "{body}");
        if let Some(message) = message {
            assert_eq!(body["message"], message, "{body}");
        }
    };

    expect(
        admin.get("/api/client/servers//websocket").await?,
        400,
        Some("Missing server identifier"),
    );
    expect(
        admin.get("/api/client/servers/%20/websocket").await?,
        400,
        Some("Missing server identifier"),
    );
    expect(Person::stranger(&roost).get(path).await?, 401, None);
    expect(Person::sign_in(&roost, "sub").await?.get(path).await?, 403, None);
    let stranger = Person::sign_in(&roost, "stranger").await?;
    let (absent, forbidden) = (
        stranger.get("/api/client/servers/nothing/websocket").await?,
        stranger.get(path).await?,
    );
    assert_eq!(
        absent.text, forbidden.text,
        "absent and forbidden can be told apart"
    );
    expect(forbidden, 404, None);

    let mut far = Daemon::start(&roost, "far").await?;
    roost.json(&[
        "server",
        "create",
        "away",
        "--node",
        "far",
        "--command",
        &roost.chatter(""),
    ])?;
    let away = "/api/client/servers/away/websocket";
    assert_eq!(admin.get(away).await?.status, 200);
    far.kill()?;
    // An answer of the node's may be served for two seconds.
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let answer = admin.get(away).await?;
    expect(
        answer,
        502,
        Some("Failed to prepare websocket session: Connection refused"),
    );

    let uuid = roost.json(&["server", "show", "away"])?["uuid"].clone();
    let other = far
        .answer_instead(
            404,
            r#"{"error":"The requested resource does not exist on this instance"}"#,
        )
        .await?;
    let answer = other.patiently(|| admin.get(away), |a| a.status == 200).await?;
    let node = roost.json(&["node", "show", "far"])?["uuid"].clone();
    assert_eq!(
        answer.json(),
        json!({
            "unavailable": true,
            "message": "Server is not available on the assigned Wings node",
            "diagnostics": {
                "error": "404: The requested resource does not exist on this instance",
                "serverUuid": uuid, "serverIdentifier": "away", "nodeId": node, "serverStatus": answer.json()["diagnostics"]["serverStatus"],
            },
        })
    );
    drop(other);
    roost.json(&["node", "remove", "far", "--force"])?;
    expect(
        admin.get(away).await?,
        500,
        Some("Node not available: Server has no resolved Wings node"),
    );

    let sub = Person::sign_in(&roost, "sub").await?;
    roost.json(&["server", "grant", "my-server", "sub", "websocket.connect"])?;
    assert_eq!(sub.get(path).await?.status, 200);
    roost.json(&["server", "suspend", "my-server"])?;
    expect(sub.get(path).await?, 409, None);
    assert_eq!(admin.get(path).await?.status, 200, "administrators pass");
    Ok(())
}

#[tokio::test]
async fn a_hanging_node_is_given_up_within_two_seconds() -> Told {
    let roost = with_server()?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut far = Daemon::start(&roost, "far").await?;
    roost.json(&[
        "server",
        "create",
        "away",
        "--node",
        "far",
        "--command",
        &roost.chatter(""),
    ])?;
    far.kill()?;
    let _silent = far.hang_instead().await?;
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let begun = std::time::Instant::now();
    let answer = admin.get("/api/client/servers/away/websocket").await?;
    assert_eq!(answer.status, 502, "{}", answer.text);
    assert!(begun.elapsed().as_millis() < 2600, "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn roles_get_exactly_their_rights_in_the_token() -> Told {
    let roost = with_server()?;
    for name in ["owner", "sub"] {
        roost.user(name, &[])?;
    }
    roost.json(&["server", "set", "my-server", "--owner", "owner"])?;
    roost.json(&[
        "server",
        "grant",
        "my-server",
        "sub",
        "websocket.connect",
        "control.console",
    ])?;
    let rights = async |name: &str| -> anyhow::Result<Value> {
        let (token, _) = Person::sign_in(&roost, name)
            .await?
            .credentials("my-server")
            .await?;
        Ok(claims(&token)?.1["permissions"].clone())
    };
    assert_eq!(rights("owner").await?, json!(["*"]));
    assert_eq!(
        rights("sub").await?,
        json!(["control.console", "websocket.connect"])
    );
    let admin = rights("admin").await?;
    for name in [
        "*",
        "admin.websocket.errors",
        "admin.websocket.install",
        "admin.websocket.transfer",
    ] {
        assert!(
            admin.as_array().is_some_and(|a| a.contains(&json!(name))),
            "{admin}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_socket_before_and_after_auth() -> Told {
    let roost = with_server()?;
    let person = Person::sign_in(&roost, "admin").await?;
    let (token, socket) = person.credentials("my-server").await?;
    let mut viewer = Viewer::open(&socket).await?;
    viewer.send("send logs", &[]).await?;
    assert_eq!(
        viewer.next().await?,
        Seen::Event("jwt error".into(), vec!["jwt: no jwt present".into()])
    );
    viewer.send("auth", &["nonsense"]).await?;
    let Seen::Event(name, _) = viewer.next().await? else {
        anyhow::bail!("closed at the first bad token")
    };
    assert_eq!(name, "jwt error");
    viewer.send("auth", &[&token]).await?;
    assert_eq!(viewer.next().await?, Seen::Event("auth success".into(), vec![]));
    viewer.wait_for("status", |_| true).await?;
    // What is no event of this protocol is ignored.
    viewer.send_text("ping".into()).await?;
    viewer.send("dance", &[]).await?;
    // A refresh changes nothing else.
    let (fresh, _) = person.credentials("my-server").await?;
    viewer.send("auth", &[&fresh]).await?;
    viewer.wait_for("auth success", |_| true).await?;
    viewer.send("send command", &["say still here"]).await?;
    viewer.line(|line| line == "said still here").await?;
    Ok(())
}

#[tokio::test]
async fn all_activity_is_recorded_and_a_socket_can_be_ended() -> Told {
    let roost = with_server()?;
    let person = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&person, "my-server").await?;
    viewer.send("send command", &["say recorded"]).await?;
    viewer.line(|line| line == "said recorded").await?;
    let sockets = roost.json(&["socket", "list"])?;
    let first = &sockets[0];
    assert_eq!(
        (&first["user"], &first["server"]),
        (&json!("admin"), &json!("my-server"))
    );
    roost.json(&["socket", "end", first["id"].as_str().context("no id")?])?;
    let end = viewer.end().await?.context("closed without a code")?;
    assert_eq!(end, (4400, "ended by an administrator".to_owned()));

    let mut bad = Viewer::open(&person.credentials("my-server").await?.1).await?;
    bad.send("auth", &["not.a.token"]).await?;
    bad.wait_for("jwt error", |_| true).await?;
    let wanted = [
        "auth:success",
        "server:websocket.connect",
        "server:console.command",
        "server:websocket.disconnect",
        "server:websocket.refused",
    ];
    let begun = std::time::Instant::now();
    loop {
        let rows = roost.json_lines(&["audit", "list", "--server", "my-server"])?;
        let all = roost.json_lines(&["audit", "list"])?;
        let missing: Vec<_> = wanted
            .iter()
            .filter(|event| {
                !rows
                    .iter()
                    .chain(&all)
                    .any(|row| row["event"].as_str() == Some(**event))
            })
            .collect();
        if missing.is_empty() {
            let command = rows
                .iter()
                .find(|r| r["event"] == "server:console.command")
                .context("no command row")?;
            assert_eq!(command["details"]["command"], "say recorded");
            assert_eq!(
                (&command["user"], &command["via"]),
                (&json!("admin"), &json!("socket"))
            );
            assert_eq!(command["address"], "127.0.0.1");
            return Ok(());
        }
        ensure!(
            begun.elapsed().as_secs() < 5,
            "not in the audit within 5 s: {missing:?}"
        );
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
