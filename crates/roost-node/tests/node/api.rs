//! What the node's routes do, each by its status and its words.

use super::house::{ECHO, House, echo_server, kill_all, path};
use super::panel::{Panel, TOKEN, shell};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;
use uuid::Uuid;

pub async fn a_server_is_made_started_typed_at_read_and_stopped() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = echo_server(&house, &panel).await;
    house.until_state(uuid, "running").await;

    let commands = house
        .request("POST", &path(uuid, "/commands"))
        .bearer_auth(TOKEN)
        .json(&json!({"commands": ["say hi"]}));
    let response = commands.send().await.unwrap();
    assert_eq!(response.status(), 204);
    let seq: u64 = response.headers()["roost-seq"].to_str().unwrap().parse().unwrap();
    let stream = response.headers()["roost-stream"].to_str().unwrap().to_owned();
    let answer = house
        .get(&path(
            uuid,
            &format!("/journal?stream={stream}&after={seq}&wait=5"),
        ))
        .await;
    assert_eq!(answer["data"][0]["text"], "got say hi");
    assert_eq!(answer["data"][0]["source"], "output");

    let detail = house.get(&path(uuid, "")).await;
    assert_eq!(detail["utilization"]["state"], "running");
    assert!(detail["utilization"]["uptime"].as_u64().unwrap() > 0, "{detail}");
    assert!(
        detail["utilization"]["memory_bytes"].as_u64().unwrap() > 0,
        "{detail}"
    );
    assert!(detail["roost"]["pid"].as_u64().unwrap() > 1);
    assert_eq!(detail["configuration"]["meta"]["name"], "a shell");

    assert_eq!(house.power(uuid, "stop").await, 202);
    house.until_state(uuid, "offline").await;
    let texts = house.texts(uuid).await;
    let place = |text: &str| {
        texts
            .iter()
            .position(|line| line.contains(text))
            .unwrap_or_else(|| panic!("{texts:?}"))
    };
    assert!(
        place("killed") < place("bye") && place("bye") < place("exit code 0"),
        "{texts:?}"
    );
    let search = async |body: Value| {
        let request = house.request("POST", &path(uuid, "/journal/search"));
        request.bearer_auth(TOKEN).json(&body).send().await.unwrap()
    };
    let found: Value = search(json!({"text": "GOT SAY"})).await.json().await.unwrap();
    assert_eq!(
        (
            &found["data"][0]["text"],
            &found["data"][0]["source"],
            &found["begin"]
        ),
        (&json!("got say hi"), &json!("output"), &json!(true))
    );
    let none: Value = search(json!({"regex": "^GOT SAY", "case": true}))
        .await
        .json()
        .await
        .unwrap();
    assert_eq!(none["data"], json!([]));
    let refused = search(json!({"regex": "got [say"})).await;
    assert_eq!(refused.status(), 422);
    let refused: Value = refused.json().await.unwrap();
    assert!(
        refused["error"].as_str().unwrap().contains("character 5"),
        "{refused}"
    );
    let logs = house.get(&path(uuid, "/logs?size=2")).await;
    assert_eq!(
        logs["data"].as_array().unwrap().len(),
        2,
        "history works offline, too"
    );
    house.end().await;
}

pub async fn the_secret_opens_the_api_and_nothing_else_does() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let bare = house.request("GET", "/api/system").send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(bare.headers()["www-authenticate"], "Bearer");
    assert!(bare.json::<Value>().await.unwrap()["error"].is_string());
    let wrong = house
        .request("GET", "/api/system")
        .bearer_auth("node-secreT")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 403);
    let system = house.get("/api/system").await;
    assert!(system["roost"].is_string() && system["cpu_count"].as_u64().unwrap() > 0);
    let options = house
        .request("OPTIONS", "/api/servers")
        .header("origin", format!("http://{}", panel.address))
        .send()
        .await
        .unwrap();
    assert_eq!(options.status(), 204);
    let allowed = options.headers()["access-control-allow-origin"].to_str().unwrap();
    assert_eq!(allowed, format!("http://{}", panel.address));
    for name in [Uuid::new_v4().to_string(), "nonsense".to_owned()] {
        let (status, body) = house
            .send("GET", &format!("/api/servers/{name}"), Value::Null)
            .await;
        assert_eq!(status, 404);
        assert_eq!(
            body["error"],
            "The requested resource does not exist on this instance"
        );
    }
    house.end().await;
}

pub async fn what_cannot_be_done_is_said() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    house.create(&panel, uuid, shell(uuid, ECHO, |_| {})).await;
    let commands = path(uuid, "/commands");
    let (status, body) = house.send("POST", &commands, json!({"commands": ["hi"]})).await;
    assert_eq!(status, 502);
    assert!(body["error"].as_str().unwrap().contains("offline"), "{body}");
    assert_eq!(house.power(uuid, "dance").await, 422);
    assert_eq!(house.power(uuid, "stop").await, 202, "nothing to do is no error");
    assert_eq!(house.power(uuid, "start").await, 202);
    house.until_text(uuid, "up").await;
    assert_eq!(house.power(uuid, "start").await, 202);
    for bad in [
        "two\nlines",
        "bell\u{7}",
        "del\u{7f}",
        "c1\u{9b}",
        &"x".repeat(4096),
    ] {
        let (status, body) = house
            .send("POST", &commands, json!({"commands": ["fine", bad]}))
            .await;
        assert_eq!(status, 422, "{bad:?}");
        assert!(body["error"].is_string());
    }
    let (status, _) = house
        .send("POST", &commands, json!({"commands": ["x".repeat(4095)]}))
        .await;
    assert_eq!(status, 204);
    house.until_text(uuid, &format!("got {}", "x".repeat(4095))).await;
    assert!(
        !house.texts(uuid).await.iter().any(|line| line == "got fine"),
        "all or none"
    );
    let (status, _) = house
        .send("POST", "/api/servers", json!({"uuid": Uuid::new_v4()}))
        .await;
    assert_eq!(status, 502, "the panel does not know it");
    let (status, _) = house.send("POST", &commands, json!({"commands": 3})).await;
    assert_eq!(status, 400);
    kill_all(&house).await;
    house.end().await;
}

pub async fn the_journal_is_paged_and_waited_for() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let uuid = Uuid::new_v4();
    let script =
        "i=0; while [ $i -lt 250 ]; do i=$((i+1)); echo line $i; done; read go; echo woken; read end";
    house.create(&panel, uuid, shell(uuid, script, |_| {})).await;
    house.power(uuid, "start").await;
    house.until_text(uuid, "line 250").await;

    let journal = |query: String| path(uuid, &format!("/journal?{query}"));
    let (mut after, mut seen) = (0, Vec::new());
    loop {
        let page = house.get(&journal(format!("after={after}&lines=100"))).await;
        let lines = page["data"].as_array().unwrap().clone();
        if lines.is_empty() {
            break;
        }
        assert!(lines.len() <= 100 && page["gap"].is_null());
        after = page["next"].as_u64().unwrap();
        seen.extend(lines);
    }
    let seqs: Vec<u64> = seen.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=after).collect::<Vec<_>>(), "every line once, in order");

    let last = house.get(&journal("lines=3".into())).await;
    assert_eq!(last["data"][2]["seq"], after);
    let before = house.get(&journal(format!("before={after}&lines=2"))).await;
    assert_eq!(before["data"][1]["seq"], after - 1);
    let other = house
        .get(&journal(format!("stream={}&after=5", Uuid::new_v4())))
        .await;
    assert_eq!(other["gap"]["reason"], "unknown_stream");
    let past = house.get(&journal("after=99999".into())).await;
    assert_eq!(past["gap"]["reason"], "after_end");
    let since = house.get(&journal("after=0&since=99999999999999".into())).await;
    assert_eq!(
        (since["data"].as_array().unwrap().len(), &since["gap"]),
        (0, &Value::Null)
    );

    let began = Instant::now();
    let waiting = journal(format!("after={after}&wait=20"));
    let (woken, _) = tokio::join!(house.get(&waiting), async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        house
            .send("POST", &path(uuid, "/commands"), json!({"commands": ["go"]}))
            .await
    });
    assert_eq!(woken["data"][0]["text"], "woken");
    assert!(began.elapsed() < Duration::from_secs(5));
    let after = woken["next"].as_u64().unwrap();
    let nothing = house.get(&journal(format!("after={after}&wait=1"))).await;
    assert_eq!(
        (
            nothing["data"].as_array().unwrap().len(),
            nothing["next"].as_u64()
        ),
        (0, Some(after))
    );

    let erased = house
        .send(
            "POST",
            &path(uuid, "/journal/erase"),
            json!({"before": 99_999_999_999_999_i64}),
        )
        .await;
    assert_eq!(erased.0, 200);
    assert!(erased.1["lines"].as_u64().unwrap() >= 250, "{}", erased.1);
    kill_all(&house).await;
    house.end().await;
}

pub async fn the_secret_is_replaced_without_a_gap() {
    let panel = Panel::start().await;
    let house = House::start(&panel).await;
    let (status, body) = house
        .send("POST", "/api/update", json!({"token": "second-secret"}))
        .await;
    assert_eq!((status, &body["applied"]), (200, &json!(true)));
    for secret in ["second-secret", TOKEN] {
        let response = house
            .request("GET", "/api/servers")
            .bearer_auth(secret)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
    }
    let (status, body) = house.send("POST", "/api/update", json!({"debug": true})).await;
    assert_eq!((status, &body["applied"]), (200, &json!(false)));
    house.end().await;
}
