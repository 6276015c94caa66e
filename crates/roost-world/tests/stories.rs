//! Kill, restart, come back: what happens to lines and servers when parts of Roost go away.

use anyhow::{Context, ensure};
use roost_world::{
    Roost, Viewer,
    attached::Attached,
    contained,
    http::Person,
    killed::{self, living_pid, pid},
    roost::free_port,
};
use serde_json::Value;
use std::time::Duration;

type Told = anyhow::Result<()>;

/// How often the node is killed.
fn kills() -> usize {
    if std::env::var_os("ROOST_TEST_LONG").is_some() {
        20
    } else {
        3
    }
}

#[tokio::test]
async fn a_killed_node_loses_no_line_and_no_process() -> Told {
    let mut roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "busy",
        "--command",
        &roost.chatter("--rate 1000"),
        "--start",
    ])?;
    killed::again_and_again(&mut roost, kills()).await?;
    Ok(())
}

#[tokio::test]
async fn a_killed_node_loses_no_line_and_no_container() -> Told {
    let engine = contained::engine("{}")?;
    let mut roost = contained::roost(&engine.socket(), 1000)?;
    let told = killed::again_and_again(&mut roost, kills()).await;
    drop(roost);
    told.map(|_| ())
}

#[tokio::test]
async fn the_terminal_client_comes_back_to_the_line_where_it_was() -> Told {
    let mut roost = Roost::start()?;
    let program = roost.chatter("--rate 500");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let attach = Attached::to(&roost, "busy")?;
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(800)).await;
        roost.kill()?;
        tokio::time::sleep(Duration::from_millis(300)).await;
        roost.up()?;
    }
    living_pid(&roost, "busy").await?;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    roost.json(&["server", "send", "busy", "say the end"])?;
    let output = attach.until("said the end", Duration::from_secs(30))?;
    ensure!(
        output.iter().any(|l| l.contains("coming back")),
        "it was never lost"
    );
    let numbers: Vec<u64> = output
        .iter()
        .filter_map(|l| l.strip_prefix('L')?.split(' ').next()?.parse().ok())
        .collect();
    ensure!(numbers.len() > 800, "only {} lines", numbers.len());
    // It began with the last lines of the past.
    for pair in numbers.windows(2) {
        ensure!(
            pair[1] == pair[0] + 1,
            "line {} is followed by {}",
            pair[0],
            pair[1]
        );
    }
    Ok(())
}

#[tokio::test]
async fn servers_run_on_when_up_ends_and_down_ends_them_all() -> Told {
    let mut roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "one",
        "--command",
        &roost.chatter("--done up"),
        "--done",
        "up",
        "--stop",
        "stop",
        "--start",
    ])?;
    let before = pid(&roost, "one")?;
    let (code, took) = roost.terminate()?;
    assert_eq!(code, Some(0), "{}", roost.log());
    ensure!(took < Duration::from_secs(10), "SIGTERM took {took:?}");
    ensure!(
        roost.log().contains("run on"),
        "it does not say that servers run on:\n{}",
        roost.log()
    );
    roost.up()?;
    assert_eq!(pid(&roost, "one")?, before);
    let output = roost.cli(&["down"])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success() && text.contains("one"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        !std::path::Path::new(&format!("/proc/{before}")).exists(),
        "the server still lives"
    );
    Ok(())
}

#[tokio::test]
async fn a_viewer_that_does_not_read_delays_nobody() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "loud",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut stalled = Vec::new();
    for _ in 0..5 {
        stalled.push(Viewer::join(&admin, "loud").await?);
    }
    let mut good = Viewer::join(&admin, "loud").await?;
    good.send("send command", &["burst 50000"]).await?;
    good.send("send command", &["say done"]).await?;
    let mut next = 1;
    loop {
        let line = good.line(|l| l.starts_with('L') || l == "said done").await?;
        if line == "said done" {
            break;
        }
        ensure!(
            line.starts_with(&format!("L{next} ")),
            "expected line {next}, got {line}"
        );
        next += 1;
    }
    assert_eq!(next, 50_001);
    // And those who stood still read everything as well, once they go on.
    let mut late = stalled.pop().context("nobody stalled")?;
    for n in 1..=50_000_u32 {
        let line = late.line(|l| l.starts_with('L')).await?;
        ensure!(
            line.starts_with(&format!("L{n} ")),
            "the late viewer expected line {n}, got {line}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn history_and_live_lines_meet_without_a_seam() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "busy",
        "--command",
        &roost.chatter("--rate 2000"),
        "--start",
    ])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    for _ in 0..10 {
        let mut viewer = Viewer::join(&admin, "busy").await?;
        viewer.send("send logs", &[]).await?;
        let first = viewer.line(|l| l.starts_with('L')).await?;
        let mut next: u64 = first[1..].split(' ').next().context("no number")?.parse()?;
        for _ in 0..400 {
            next += 1;
            let line = viewer.line(|l| l.starts_with('L')).await?;
            ensure!(
                line.starts_with(&format!("L{next} ")),
                "expected line {next}, got {line}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_crash_is_said_and_the_server_comes_back() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "frail",
        "--command",
        &roost.chatter("--done up"),
        "--start",
    ])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "frail").await?;
    viewer.send("send command", &["exit 3"]).await?;
    viewer.line(|l| l.contains("Daemon") && l.contains('3')).await?;
    viewer
        .wait_for("status", |s| s == "running")
        .await
        .context("it was not started again")?;
    Ok(())
}

#[tokio::test]
async fn a_server_that_crashes_again_and_again_waits_longer_each_time_and_keeps_its_last_words() -> Told {
    let mut roost = Roost::start()?;
    let program = roost.chatter("--done up");
    roost.json(&[
        "server",
        "create",
        "frail",
        "--command",
        &program,
        "--done",
        "up",
        "--restart",
        "on-failure",
        "--start",
    ])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "frail").await?;
    for (attempt, secs) in [(1, 1), (2, 2)] {
        viewer.send("send command", &["say farewell"]).await?;
        viewer.line(|l| l == "said farewell").await?;
        viewer.send("send command", &["exit 3"]).await?;
        let wanted = format!("in {secs} s (attempt {attempt} of 10 within an hour)");
        let begun = std::time::Instant::now();
        viewer.line(|l| l.contains(&wanted)).await?;
        viewer.wait_for("status", |s| s == "running").await?;
        ensure!(
            begun.elapsed() >= Duration::from_secs(secs),
            "{:?}",
            begun.elapsed()
        );
    }
    // A node that is killed meanwhile goes on counting, and knows how the last run ended.
    roost.kill()?;
    roost.up()?;
    living_pid(&roost, "frail").await?;
    let end = &roost.json(&["server", "show", "frail"])?["last_end"];
    assert_eq!(
        (&end["exit_code"], &end["asked"]),
        (&3.into(), &false.into()),
        "{end}"
    );
    let lines = end["lines"].as_array().context("no lines")?;
    // Those of that run and of none before it.
    let words: Vec<_> = lines.iter().filter_map(Value::as_str).collect();
    assert_eq!(words, ["up", "said farewell"], "{end}");
    let shown = roost.cli(&["server", "show", "frail"])?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for wanted in ["exit code 3", "last words", "said farewell", "on-failure"] {
        ensure!(shown.contains(wanted), "{wanted} is not in\n{shown}");
    }

    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "frail").await?;
    viewer.send("send command", &["abort"]).await?;
    viewer.line(|l| l.contains("in 4 s (attempt 3 of 10")).await?;
    let end = &roost.json(&["server", "show", "frail"])?["last_end"];
    assert_eq!(
        (&end["exit_code"], &end["signal"]),
        (&Value::Null, &6.into()),
        "{end}"
    );
    // Called off, nothing follows; and an end that was asked for is no crash.
    roost.json(&["server", "stop", "frail"])?;
    viewer.line(|l| l.contains("called off")).await?;
    tokio::time::sleep(Duration::from_millis(4500)).await;
    assert_eq!(roost.json(&["server", "show", "frail"])?["state"], "offline");
    roost.json(&["server", "start", "frail"])?;
    roost.json(&["server", "stop", "frail"])?;
    assert_eq!(
        roost.json(&["server", "show", "frail"])?["last_end"]["asked"],
        true
    );

    // By another policy an end with 0 is followed by a start, or none is.
    roost.json(&["server", "set", "frail", "--restart", "always"])?;
    roost.json(&["server", "start", "frail"])?;
    let mut viewer = Viewer::join(&admin, "frail").await?;
    viewer.send("send command", &["exit 0"]).await?;
    viewer.line(|l| l.contains("in 1 s (attempt 1 of 10")).await?;
    viewer.wait_for("status", |s| s == "running").await?;
    roost.json(&["server", "set", "frail", "--restart", "never"])?;
    roost.json(&["server", "restart", "frail"])?;
    let mut viewer = Viewer::join(&admin, "frail").await?;
    viewer.send("send command", &["exit 3"]).await?;
    viewer
        .line(|l| l.contains("its restart policy is `never`"))
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_bot_reads_the_answer_to_its_command() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "quiet",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let (bot, key) = Person::with_key(&roost, "admin")?;
    ensure!(key.len() == 48 && key.starts_with("ptlc_"), "{key}");
    let answer = bot
        .post(
            "/api/client/servers/quiet/command",
            &serde_json::json!({"command": "say 42"}),
        )
        .await?;
    assert_eq!((answer.status, answer.text.as_str()), (204, ""));
    let header = |name: &str| {
        answer
            .headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .map(str::to_owned)
    };
    let (stream, seq) = (
        header("roost-stream").context("no Roost-Stream")?,
        header("roost-seq").context("no Roost-Seq")?,
    );
    let page: Value = bot
        .get(&format!(
            "/api/client/servers/quiet/logs?stream={stream}&after={seq}&wait=5"
        ))
        .await?
        .json();
    assert_eq!(page["data"][0]["text"], "said 42", "{page}");
    assert_eq!(page["gap"], Value::Null);
    Ok(())
}

#[tokio::test]
async fn what_happens_is_counted_for_prometheus() -> Told {
    let address = format!("127.0.0.1:{}", free_port()?);
    let roost = Roost::start_in(&["--no-demo"], &[("ROOST_METRICS_LISTEN", &address)])?;
    let program = roost.chatter("");
    roost.json(&["server", "create", "loud", "--command", &program, "--start"])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "loud").await?;
    viewer.send("send command", &["burst 500"]).await?;
    viewer.line(|l| l.starts_with("L500 ")).await?;
    let text = reqwest::get(format!("http://{address}/metrics"))
        .await?
        .text()
        .await?;
    let value = |name: &str| -> anyhow::Result<f64> {
        let line = text
            .lines()
            .find(|line| line.starts_with(name) && !line.starts_with('#'));
        let line = line.with_context(|| format!("no {name} in\n{text}"))?;
        Ok(line.rsplit(' ').next().context("no value")?.parse()?)
    };
    assert_eq!(value("roost_servers{state=\"running\"}")?, 1.0);
    assert_eq!(value("roost_sockets ")?, 1.0);
    ensure!(value("roost_deliveries_total")? >= 500.0, "{text}");
    ensure!(value("roost_server_lines_total")? >= 500.0, "{text}");
    ensure!(value("roost_server_journal_bytes")? > 10_000.0, "{text}");
    ensure!(value("roost_flush_seconds_count")? >= 1.0, "{text}");
    for none in [
        "roost_missed_lines_total",
        "roost_gaps_total",
        "roost_server_lost_lines_total",
        "roost_server_lost_bytes_total",
        "roost_runtime_errors_total{kind=\"start\"}",
        "roost_runtime_errors_total{kind=\"journal\"}",
        "roost_queue_depth{queue=\"history\"}",
        "roost_queue_depth{queue=\"search\"}",
        "roost_requests_refused_total{code=\"offline\"}",
        "roost_messages_dropped_total",
    ] {
        assert_eq!(value(none)?, 0.0, "{none}");
    }
    Ok(())
}
