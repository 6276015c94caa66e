//! Servers from creation to deletion: what is printed, found again and left alone.

use crate::{Told, code};
use anyhow::{Context, ensure};
use roost_world::Roost;
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Command,
    time::{Duration, Instant},
};

#[test]
fn a_server_from_creation_to_deletion() -> Told {
    let roost = Roost::start()?;
    let command = roost.chatter("--done up");
    let made = roost.json(&[
        "server",
        "create",
        "My Game!",
        "--command",
        &command,
        "--port",
        "127.0.0.1:4000",
        "--env",
        "A=b c",
        "--stop",
        "stop",
    ])?;
    assert_eq!(made["identifier"], "my-game");
    assert_eq!(made["uuid"].as_str().map(str::len), Some(36));
    let started = roost.json(&["server", "start", "my-game"])?;
    assert_eq!(
        (&started["server"], &started["state"]),
        (&"my-game".into(), &"running".into())
    );
    let shown = roost.json(&["server", "show", "my-game"])?;
    assert_eq!(shown["state"], "running");
    let pid = shown["pid"].as_u64().context("no pid")?;

    let environment = std::fs::read(format!("/proc/{pid}/environ"))?;
    let environment: Vec<String> = environment
        .split(|b| *b == 0)
        .filter(|v| !v.is_empty())
        .map(|v| String::from_utf8_lossy(v).into_owned())
        .collect();
    for wanted in [
        "A=b c",
        "LANG=C.UTF-8",
        "TERM=xterm-256color",
        "SERVER_PORT=4000",
        "SERVER_IP=127.0.0.1",
    ] {
        ensure!(
            environment.iter().any(|v| v == wanted),
            "{wanted} is not in {environment:?}"
        );
    }
    ensure!(
        environment
            .iter()
            .any(|v| v.starts_with("PATH=") && v.contains("/usr/games")),
        "{environment:?}"
    );
    ensure!(
        !environment
            .iter()
            .any(|v| v.starts_with("CARGO") || v.starts_with("ROOST")),
        "{environment:?}"
    );
    if rustix::process::geteuid().is_root() {
        let owner = std::fs::metadata(format!("/proc/{pid}"))?.uid();
        ensure!(owner >= 700_000, "the server runs as uid {owner}");
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        ensure!(status.contains("NoNewPrivs:\t1"), "{status}");
    }

    let sent = roost.json(&["server", "send", "my-game", "say hello there"])?;
    let seq = sent["seq"].as_u64().context("no seq")?;
    let begun = Instant::now();
    let line = loop {
        let lines = roost.json_lines(&["server", "logs", "my-game", "--lines", "20"])?;
        if let Some(line) = lines.into_iter().find(|l| l["text"] == "said hello there") {
            break line;
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(5),
            "the answer is not in the history"
        );
    };
    ensure!(
        line["seq"].as_u64() > Some(seq) && line["source"] == "output" && line["time"].is_string(),
        "{line}"
    );

    assert_eq!(roost.json(&["server", "list"])?.as_array().map(Vec::len), Some(1));
    assert_eq!(roost.json(&["server", "stop", "my-game"])?["state"], "offline");
    let (exit, error) = code(&roost, &["server", "delete", "my-game"])?;
    ensure!(exit == 2 && error.contains("--yes"), "{exit}: {error}");
    roost.json(&["server", "delete", "my-game", "--yes"])?;
    let (exit, error) = code(&roost, &["server", "show", "my-game"])?;
    ensure!(exit == 4, "{exit}: {error}");
    Ok(())
}

#[test]
fn a_history_is_looked_through_by_text_expression_and_time() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "talk",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    for n in 1..=30 {
        roost.json(&["server", "send", "talk", &format!("say Word {n} & more")])?;
    }
    let find = |options: &[&str]| -> anyhow::Result<Vec<String>> {
        let arguments = [&["server", "logs", "talk"], options].concat();
        let lines = roost.json_lines(&arguments)?;
        let texts = lines
            .iter()
            .map(|line| line["text"].as_str().unwrap_or_default().to_owned());
        Ok(texts.filter(|text| text.starts_with("said ")).collect())
    };
    let begun = Instant::now();
    while find(&["--grep", "said word 30 & MORE"])?.is_empty() {
        ensure!(
            begun.elapsed() < Duration::from_secs(10),
            "the last word is not found"
        );
    }
    assert_eq!(find(&["--grep", "word 2", "-n", "200"])?.len(), 11);
    assert_eq!(
        find(&["--grep", "said word", "-n", "2"])?,
        ["said Word 29 & more", "said Word 30 & more"],
        "oldest first"
    );
    assert_eq!(
        find(&["--regex", "^said word [79] ", "--all"])?,
        ["said Word 7 & more", "said Word 9 & more"]
    );
    ensure!(
        find(&["--grep", "said word", "--case-sensitive"])?.is_empty(),
        "capitals matter then"
    );
    assert_eq!(find(&["--grep", "said", "--since", "1h", "--all"])?.len(), 30);
    ensure!(
        find(&["--grep", "said", "--until", "1h", "--all"])?.is_empty(),
        "nothing is that old"
    );
    assert_eq!(find(&["--grep", "said", "--source", "output"])?.len(), 30);
    ensure!(
        find(&["--grep", "said", "--source", "daemon"])?.is_empty(),
        "nobody else said it"
    );
    let (exit, error) = code(&roost, &["server", "logs", "talk", "--regex", "word (1"])?;
    ensure!(exit != 0 && error.contains("character 6"), "{exit}: {error}");
    let (exit, error) = code(&roost, &["server", "logs", "talk", "--grep", "x", "--follow"])?;
    ensure!(exit == 2 && error.contains("--follow"), "{exit}: {error}");
    Ok(())
}

#[test]
fn the_whole_tree_of_a_server_ends_with_it() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "parent",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    roost.json(&["server", "send", "parent", "spawn"])?;
    let begun = Instant::now();
    let child = loop {
        let lines = roost.json_lines(&["server", "logs", "parent"])?;
        let found = lines
            .iter()
            .find_map(|l| l["text"].as_str()?.strip_prefix("spawned ")?.parse::<u32>().ok());
        if let Some(child) = found {
            break child;
        }
        ensure!(begun.elapsed() < Duration::from_secs(5), "no child");
    };
    ensure!(std::path::Path::new(&format!("/proc/{child}")).exists());
    roost.json(&["server", "kill", "parent"])?;
    ensure!(
        !std::path::Path::new(&format!("/proc/{child}")).exists(),
        "the child outlived its server"
    );
    Ok(())
}

#[test]
fn directories_of_the_operator_are_never_touched() -> Told {
    let roost = Roost::start()?;
    let dir = roost.folder().join("mine");
    std::fs::create_dir(&dir)?;
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o700))?;
    // One that is empty would be given to the server's user.
    std::fs::write(dir.join("world"), "precious")?;
    let path = dir.to_string_lossy().into_owned();
    let create = [
        "server",
        "create",
        "mine",
        "--command",
        &roost.chatter(""),
        "--dir",
        &path,
    ];
    if rustix::process::geteuid().is_root() {
        let (exit, error) = code(&roost, &create)?;
        ensure!(
            exit == 6 && error.contains("chown") && error.contains(&path),
            "{exit}: {error}"
        );
        let again = code(&roost, &create)?.1;
        ensure!(again == error, "each attempt is told another line: {again}");
        // The line that is shown mends it, also when another server was made meanwhile.
        let line = error.split_once(": chown").context("no line")?.1;
        let line = format!("chown{}", line.trim_end());
        ensure!(
            Command::new("sh").args(["-c", &line]).status()?.success(),
            "{line}"
        );
        roost.json(&["server", "create", "between", "--command", "cat"])?;
    }
    let before = std::fs::metadata(&dir)?;
    roost.json(&create)?;
    roost.json(&["server", "start", "mine"])?;
    roost.json(&["server", "delete", "mine", "--yes"])?;
    let after = std::fs::metadata(&dir)?;
    assert_eq!((before.uid(), before.mode()), (after.uid(), after.mode()));
    Ok(())
}

#[test]
fn directories_that_no_server_gets_are_refused_by_name() -> Told {
    let roost = Roost::start()?;
    let data = roost.data().to_string_lossy().into_owned();
    let game = roost.folder().join("game");
    std::fs::create_dir(&game)?;
    let path = game.to_string_lossy().into_owned();
    roost.json(&["server", "create", "first", "--command", "cat", "--dir", &path])?;
    let create = |dir: &str| {
        code(
            &roost,
            &["server", "create", "second", "--command", "cat", "--dir", dir],
        )
    };
    let set = |dir: &str| code(&roost, &["server", "set", "lobby", "--dir", dir]);
    roost.json(&["server", "create", "lobby", "--command", "cat"])?;
    let keys = format!("{data}/keys");
    for (dir, reason) in [
        (keys.as_str(), "Roost's own"),
        (data.as_str(), "Roost's own"),
        ("/etc", "belongs to the system"),
        (path.as_str(), "used by server first"),
    ] {
        for (exit, error) in [create(dir)?, set(dir)?] {
            ensure!(
                exit == 6 && error.contains(reason) && !error.contains("chown"),
                "{dir}: {exit}: {error}"
            );
        }
    }
    assert_eq!(
        roost.json(&["server", "show", "lobby"])?["dir"],
        serde_json::Value::Null
    );
    if rustix::process::geteuid().is_root() {
        // The empty one was given to the server's user; one that holds something is, if that is said.
        let shown = roost.json(&["server", "show", "first"])?;
        assert_eq!(shown["uid"], std::fs::metadata(&game)?.uid());
        let full = roost.folder().join("full");
        std::fs::create_dir(&full)?;
        std::fs::write(full.join("world"), "x")?;
        let full = full.to_string_lossy().into_owned();
        let made = roost.json(&[
            "server",
            "create",
            "third",
            "--command",
            "cat",
            "--dir",
            &full,
            "--chown",
        ])?;
        assert_eq!(made["uid"], std::fs::metadata(format!("{full}/world"))?.uid());
    }
    Ok(())
}

#[test]
fn a_server_that_does_not_come_up_is_an_error() -> Told {
    let roost = Roost::start()?;
    let words = [
        "server",
        "create",
        "none",
        "--command",
        "/no/such/program",
        "--restart",
        "never",
        "--start",
    ];
    let (exit, error) = code(&roost, &words)?;
    ensure!(exit == 1 && error.contains("/no/such/program"), "{exit}: {error}");
    let (exit, error) = code(&roost, &["server", "start", "none"])?;
    ensure!(exit == 1 && error.contains("/no/such/program"), "{exit}: {error}");
    let (exit, error) = code(&roost, &["audit", "list", "--server", "nosuch"])?;
    ensure!(exit == 4 && error.contains("nosuch"), "{exit}: {error}");
    Ok(())
}
