//! The engine, its connections, the keeper and containers fail while a server writes a thousand lines a second and a
//! viewer follows it: each line is there once, and the console says what happened.

use anyhow::{Context, ensure};
use roost_world::{
    Roost, Viewer,
    chatter::{assert_each_once, numbers},
    contained::{engine, roost},
    engine::Proxy,
    follower::{Followed, follow},
    http::Person,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::time::{Duration, Instant};

type Told = anyhow::Result<()>;

/// What the console says when it has the stream again.
const BACK: &str = "output was lost and is back";
/// Longest time for anything.
const PATIENCE: Duration = Duration::from_secs(45);

/// How often the trouble comes.
fn rounds() -> usize {
    if std::env::var_os("ROOST_TEST_LONG").is_some() {
        10
    } else {
        2
    }
}

fn uuid(roost: &Roost) -> anyhow::Result<String> {
    let shown = roost.json(&["server", "show", "busy"])?;
    Ok(shown["uuid"].as_str().context("no uuid")?.to_owned())
}

/// What the daemon has said on the console so far.
fn said(roost: &Roost) -> anyhow::Result<Vec<String>> {
    let lines = roost.json_lines(&["server", "logs", "busy", "--all"])?;
    let daemon = lines.iter().filter(|line| line["source"] == "daemon");
    Ok(daemon
        .filter_map(|line| line["text"].as_str().map(str::to_owned))
        .collect())
}

/// Waits until the daemon has said this so often; gives the last such line.
async fn heard(roost: &Roost, words: &str, times: usize) -> anyhow::Result<String> {
    let begun = Instant::now();
    loop {
        let said = said(roost)?;
        let fitting: Vec<_> = said.iter().filter(|line| line.contains(words)).collect();
        if fitting.len() >= times
            && let Some(last) = fitting.last()
        {
            return Ok((*last).clone());
        }
        ensure!(
            begun.elapsed() < PATIENCE,
            "`{words}` was not said {times} times, but: {said:#?}\n{}",
            roost.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A viewer that follows `busy` until the end is said.
fn follower(admin: &Person) -> tokio::task::JoinHandle<anyhow::Result<Followed>> {
    let last = "said the end".to_owned();
    tokio::spawn(follow(
        admin.clone(),
        "busy".to_owned(),
        last,
        Duration::from_secs(300),
    ))
}

/// Lets the server come to rest, and looks at what journal and follower have.
async fn each_line_came_once(
    roost: &Roost,
    admin: &Person,
    follower: tokio::task::JoinHandle<anyhow::Result<Followed>>,
    least: usize,
) -> Told {
    rest(roost, admin, follower).await?;
    let numbers = numbers(roost, "busy")?;
    ensure!(
        numbers.len() > least,
        "only {} lines: {:#?}",
        numbers.len(),
        said(roost)?
    );
    assert_each_once(&numbers).with_context(|| {
        let near = around(roost, &numbers).unwrap_or_default().join("\n");
        format!("{:#?}\n{near}", said(roost).unwrap_or_default())
    })
}

/// The same over stops of the engine: what it had in hand then, a line or a few, is in neither its stream nor its log.
/// Such a hole stands behind the words that say so.
async fn each_line_came_once_but_at_stops(
    roost: &Roost,
    admin: &Person,
    follower: tokio::task::JoinHandle<anyhow::Result<Followed>>,
    least: usize,
) -> Told {
    rest(roost, admin, follower).await?;
    let rows = roost.json_lines(&["server", "logs", "busy", "--all"])?;
    let (mut last, mut was_told, mut lines, mut line) = (0, false, 0, String::new());
    for row in &rows {
        let text = row["text"].as_str().context("no text")?;
        was_told |= row["source"] == "daemon" && text.contains("not logged yet is lost");
        if row["source"] != "output" {
            continue;
        }
        line.push_str(text);
        if row["open"] == true {
            continue;
        }
        let line = std::mem::take(&mut line);
        let number = line
            .strip_prefix('L')
            .and_then(|rest| rest.split(' ').next()?.parse::<u64>().ok());
        let Some(number) = number else {
            continue;
        };
        let most = if was_told { 100 } else { 1 };
        ensure!(
            number > last && number - last <= most,
            "line {last} is followed by {number}: {:#?}",
            said(roost)?
        );
        (last, was_told, lines) = (number, false, lines + 1);
    }
    ensure!(lines > least, "only {lines} lines");
    Ok(())
}

/// Lets the server come to rest, and its follower to the end.
async fn rest(
    roost: &Roost,
    admin: &Person,
    follower: tokio::task::JoinHandle<anyhow::Result<Followed>>,
) -> Told {
    let mut viewer = Viewer::join(admin, "busy").await?;
    viewer.send("send command", &["rate 0"]).await?;
    viewer.send("send command", &["say the end"]).await?;
    let followed = tokio::time::timeout(PATIENCE, follower)
        .await
        .context("the follower did not get to the end")???;
    followed.assert_whole()?;
    ensure!(!followed.lines.is_empty(), "{}", roost.log());
    Ok(())
}

/// What the journal has around the first line that is not the one after its predecessor.
fn around(roost: &Roost, numbers: &[u64]) -> anyhow::Result<Vec<String>> {
    let rows = roost.json_lines(&["server", "logs", "busy", "--all"])?;
    let is_wrong = |(at, number): (usize, &u64)| *number != at as u64 + 1;
    let at = numbers.iter().enumerate().position(is_wrong).unwrap_or_default();
    let last = format!("L{at} ");
    let row = rows
        .iter()
        .position(|row| row["text"].as_str().is_some_and(|text| text.starts_with(&last)));
    let row = row.unwrap_or_default();
    let near = rows.iter().skip(row.saturating_sub(2)).take(8);
    Ok(near.map(Value::to_string).collect())
}

fn pid(roost: &Roost) -> anyhow::Result<Value> {
    Ok(roost.json(&["server", "show", "busy"])?["pid"].clone())
}

#[tokio::test]
async fn an_engine_that_restarts_with_live_restore_loses_no_line_and_no_server() -> Told {
    let mut engine = engine(r#"{"live-restore": true}"#)?;
    let roost = roost(&engine.socket(), 1000)?;
    let (admin, before) = (Person::sign_in(&roost, "admin").await?, pid(&roost)?);
    let follower = follower(&admin);
    for round in 1..=rounds() {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let signal = if round % 2 == 0 {
            Signal::KILL
        } else {
            Signal::TERM
        };
        engine.halt(signal)?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        engine.resume()?;
        let back = heard(&roost, BACK, round).await?;
        // An engine that is killed may have passed lines on without logging them; then Roost can't tell, and says so.
        let is_told = signal == Signal::KILL && back.contains("Docker's log lacks the last");
        ensure!(is_told || !back.contains("missing"), "{back}");
    }
    ensure!(pid(&roost)? == before, "another process");
    each_line_came_once_but_at_stops(&roost, &admin, follower, 1000 * rounds()).await
}

#[tokio::test]
async fn a_cut_connection_to_the_engine_is_made_anew_and_the_hole_filled() -> Told {
    let engine = engine("{}")?;
    let folder = tempfile::tempdir()?;
    let proxy = Proxy::listen(&folder.path().join("proxy.sock"), &engine.socket())?;
    let roost = roost(proxy.socket(), 1000)?;
    let (admin, before) = (Person::sign_in(&roost, "admin").await?, pid(&roost)?);
    let follower = follower(&admin);
    for round in 1..=rounds() {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        proxy.cut();
        let back = heard(&roost, BACK, round).await?;
        ensure!(
            !back.contains("missing") && back.contains("came from Docker's log"),
            "{back}"
        );
    }
    ensure!(pid(&roost)? == before, "another process");
    each_line_came_once(&roost, &admin, follower, 1000 * rounds()).await
}

#[tokio::test]
async fn a_killed_keeper_is_replaced_and_the_hole_filled_also_while_the_node_is_away() -> Told {
    let engine = engine("{}")?;
    let mut roost = roost(&engine.socket(), 1000)?;
    let (admin, before) = (Person::sign_in(&roost, "admin").await?, pid(&roost)?);
    let follower = follower(&admin);
    let directory = roost.data().join("node/run").join(uuid(&roost)?);
    for round in 1..=rounds() {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let record = roost_keeper::record(&directory)?.context("no keeper")?;
        let keeper = Pid::from_raw(record.keeper.cast_signed()).context("no pid")?;
        let node_too = round % 2 == 0;
        if node_too {
            roost.kill()?;
        }
        kill_process(keeper, Signal::KILL)?;
        if node_too {
            tokio::time::sleep(Duration::from_secs(1)).await;
            roost.up()?;
        }
        let back = heard(&roost, BACK, round).await?;
        ensure!(
            !back.contains("missing") && back.contains("came from Docker's log"),
            "{back}"
        );
    }
    ensure!(pid(&roost)? == before, "another process");
    each_line_came_once(&roost, &admin, follower, 1000 * rounds()).await
}

/// Runs of numbers that count on from 1, one after the other.
fn runs(numbers: &[u64]) -> anyhow::Result<Vec<&[u64]>> {
    let runs: Vec<_> = numbers.chunk_by(|_, next| *next != 1).collect();
    runs.iter().try_for_each(|run| assert_each_once(run))?;
    Ok(runs)
}

/// Waits until it runs in another process than `before`.
async fn running(roost: &Roost, before: Option<u64>) -> anyhow::Result<u64> {
    let begun = Instant::now();
    loop {
        let shown = roost.json(&["server", "show", "busy"])?;
        let pid = shown["pid"].as_u64().filter(|_| shown["state"] == "running");
        if let Some(pid) = pid.filter(|pid| Some(*pid) != before) {
            return Ok(pid);
        }
        ensure!(begun.elapsed() < PATIENCE, "it does not run anew: {shown}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// A process that has ended may still be waited for.
fn has_ended(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| {
        stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z"))
    })
}

#[tokio::test]
async fn an_engine_that_stops_takes_its_server_along_and_brings_it_back() -> Told {
    let mut engine = engine("{}")?;
    let roost = roost(&engine.socket(), 1000)?;
    let before = running(&roost, None).await?;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    engine.halt(Signal::TERM)?;
    heard(&roost, "Docker has stopped or does not answer", 1).await?;
    engine.resume()?;
    heard(&roost, "Docker was stopped and the server with it", 1).await?;
    running(&roost, Some(before)).await?;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    roost.json(&["server", "send", "busy", "say the end"])?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let said = said(&roost)?;
    ensure!(
        !said.iter().any(|line| line.contains("though nobody asked")),
        "{said:#?}"
    );
    let numbers = numbers(&roost, "busy")?;
    let runs = runs(&numbers)?;
    ensure!(
        runs.len() == 2 && runs[0].len() > 1000,
        "{} runs: {said:#?}",
        runs.len()
    );
    Ok(())
}

#[tokio::test]
async fn a_container_removed_by_hand_is_said_and_made_anew() -> Told {
    let engine = engine("{}")?;
    let roost = roost(&engine.socket(), 100)?;
    let before = running(&roost, None).await?;
    let name = uuid(&roost)?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.remove_container(&name)?;
    heard(&roost, "its container was removed", 1).await?;
    // As after a crash.
    running(&roost, Some(before)).await?;
    roost.json(&["server", "stop", "busy"])?;
    let begun = Instant::now();
    while roost.json(&["server", "show", "busy"])?["state"] != "offline" {
        ensure!(
            begun.elapsed() < PATIENCE,
            "it does not stop: {:#?}",
            said(&roost)?
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    engine.remove_container(&name)?;
    roost.json(&["server", "start", "busy"])?;
    running(&roost, None).await?;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let numbers = numbers(&roost, "busy")?;
    ensure!(runs(&numbers)?.len() == 3, "each start counts anew");
    Ok(())
}

#[tokio::test]
async fn a_killed_keeper_of_a_process_ends_the_process_and_that_is_said() -> Told {
    let roost = Roost::start()?;
    let program = roost.chatter("--rate 100");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let before = running(&roost, None).await?;
    let directory = roost.data().join("node/run").join(uuid(&roost)?);
    let record = roost_keeper::record(&directory)?.context("no keeper")?;
    kill_process(
        Pid::from_raw(record.keeper.cast_signed()).context("no pid")?,
        Signal::KILL,
    )?;
    heard(&roost, "its keeper went away", 1).await?;
    // As after a crash.
    running(&roost, Some(before)).await?;
    ensure!(has_ended(before), "the program lives on without its keeper");
    Ok(())
}
