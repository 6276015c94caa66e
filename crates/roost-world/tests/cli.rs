//! The command line against the running binary: what it prints, what it refuses, how it ends.

use anyhow::{Context, ensure};
use roost_world::{Roost, roost::target_dir};
use serde_json::Value;
use std::{
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Command,
    time::{Duration, Instant},
};

type Told = anyhow::Result<()>;

fn code(roost: &Roost, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let output = roost.cli(arguments)?;
    Ok((
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    ))
}

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
fn errors_name_what_to_do_and_have_their_codes() -> Told {
    let roost = Roost::start()?;
    let cases: [(&[&str], i32, &str); 9] = [
        (&["server", "create", "x"], 6, "command"),
        (&["server", "create", "x", "--command", "a 'b"], 2, "quote"),
        (
            &["server", "create", "x", "--command", "a", "--port", "99999"],
            2,
            "65535",
        ),
        (
            &[
                "server",
                "create",
                "x",
                "--command",
                "a",
                "--owner",
                "nobody-here",
            ],
            6,
            "nobody-here",
        ),
        (&["server", "start", "nothing"], 4, ""),
        (&["server", "grant", "nothing", "admin", "control.start"], 4, ""),
        (&["user", "delete", "nobody"], 4, ""),
        (&["key", "revoke", "ptlc_00000000000"], 4, ""),
        (&["nonsense"], 2, "nonsense"),
    ];
    for (arguments, wanted, word) in cases {
        let (exit, error) = code(&roost, arguments)?;
        ensure!(
            exit == wanted || (wanted == 6 && exit == 4),
            "{arguments:?} ended with {exit}: {error}"
        );
        ensure!(
            error.contains(word),
            "{arguments:?} does not name {word}: {error}"
        );
    }
    let output = roost.cli(&["server", "show", "nothing", "--json"])?;
    let error: Value = serde_json::from_slice(&output.stderr)?;
    assert_eq!(error["error"]["status"], 404, "{error}");
    Ok(())
}

#[test]
fn a_program_that_is_missing_is_named() -> Told {
    let roost = Roost::start()?;
    roost.json(&["server", "create", "absent", "--command", "no-such-program --x"])?;
    let (exit, error) = code(&roost, &["server", "start", "absent"])?;
    let log = roost.cli(&["server", "logs", "absent"])?;
    let log = String::from_utf8_lossy(&log.stdout).into_owned();
    ensure!(exit != 0, "{error}");
    ensure!(
        log.contains("no-such-program"),
        "the console does not say what is missing:\n{log}"
    );
    Ok(())
}

#[test]
fn no_roost_here_names_the_folder() -> Told {
    let dir = tempfile::tempdir()?;
    let output = Command::new(target_dir().join("roost"))
        .args(["user", "list", "--data"])
        .arg(dir.path())
        .output()?;
    assert_eq!(output.status.code(), Some(3));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(error.contains(&*dir.path().to_string_lossy()), "{error}");
    Ok(())
}

#[test]
fn a_second_up_is_refused_at_once_and_a_later_one_changes_no_admin() -> Told {
    let mut roost = Roost::start()?;
    let begun = Instant::now();
    let output = Command::new(target_dir().join("roost"))
        .args(["up", "--listen", "127.0.0.1:0", "--data"])
        .arg(roost.data())
        .output()?;
    ensure!(!output.status.success() && begun.elapsed() < Duration::from_secs(2));
    ensure!(
        String::from_utf8_lossy(&output.stderr).contains("already"),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    roost.terminate()?;
    roost.up()?;
    assert_eq!(roost.json(&["user", "list"])?.as_array().map(Vec::len), Some(1));
    assert_eq!(roost.json(&["server", "list"])?.as_array().map(Vec::len), Some(0));
    Ok(())
}

#[test]
fn files_are_private() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let data = roost.data();
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).map(|m| m.mode() & 0o777);
    assert_eq!(mode(&data)?, 0o711);
    for name in ["roost.toml", "roost.sqlite", "roost.sock", "keys/panel.key"] {
        assert_eq!(mode(&data.join(name))?, 0o600, "{name}");
    }
    let mut folders = vec![data.join("node")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path())? & 0o077, 0, "{}", entry.path().display());
            }
        }
    }
    Ok(())
}

#[test]
fn nodes_keys_and_users_print_what_scripts_need() -> Told {
    let roost = Roost::start()?;
    let node = roost.json(&["node", "show", "local", "--reveal-token"])?;
    for field in ["uuid", "address", "token_id", "token"] {
        ensure!(node[field].is_string(), "{field} is missing in {node}");
    }
    ensure!(roost.json(&["node", "show", "local"])?.get("token").is_none());
    let key = roost.json(&["key", "create", "admin", "--description", "bot"])?["key"]
        .as_str()
        .context("no key")?
        .to_owned();
    ensure!(
        key.len() == 48 && key.starts_with("ptlc_") && key.bytes().skip(5).all(|b| b.is_ascii_alphanumeric()),
        "{key}"
    );
    let keys = roost.json(&["key", "list"])?;
    assert_eq!(keys[0]["identifier"], key[..16]);
    ensure!(!keys.to_string().contains(&key), "the whole key is listed");
    roost.json(&["node", "add", "far", "--address", "https://node.example.com:8080"])?;
    let config = roost.cli(&["node", "config", "far", "--reveal-token"])?;
    let text = String::from_utf8_lossy(&config.stdout).into_owned();
    for word in ["uuid:", "token_id:", "token:", "remote:", "allowed_origins"] {
        ensure!(text.contains(word), "{word} is missing in\n{text}");
    }
    roost.json(&["node", "rotate", "far"])?;
    roost.json(&["node", "remove", "far"])?;
    Ok(())
}

#[test]
fn rotating_the_local_nodes_secret_disturbs_nobody() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter("--done up"),
        "--start",
    ])?;
    roost.json(&["node", "rotate", "local"])?;
    assert_eq!(roost.json(&["server", "show", "x"])?["state"], "running");
    roost.json(&["server", "send", "x", "say after rotation"])?;
    Ok(())
}

#[test]
fn the_terminal_client_in_a_real_terminal() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter("--done welcome"),
        "--start",
    ])?;
    let session = format!("roost-{}", std::process::id());
    let socket = roost.folder().join("tmux");
    let tmux = |arguments: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("tmux")
            .arg("-S")
            .arg(&socket)
            .args(arguments)
            .output()
            .context("tmux is missing")?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let attach = format!(
        "{} attach x --data {}; echo left with $?; sleep 60",
        target_dir().join("roost").display(),
        roost.data().display()
    );
    tmux(&[
        "new-session",
        "-d",
        "-s",
        &session,
        "-x",
        "100",
        "-y",
        "30",
        &attach,
    ])?;
    let until = |what: &str| -> anyhow::Result<String> {
        let begun = Instant::now();
        loop {
            let screen = tmux(&["capture-pane", "-p", "-t", &session])?;
            if screen.contains(what) {
                return Ok(screen);
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "`{what}` does not appear on\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    let told = (|| -> Told {
        until("welcome")?;
        until("x (running)>")?;
        tmux(&["send-keys", "-t", &session, "say from the terminal", "Enter"])?;
        until("said from the terminal")?;
        tmux(&["send-keys", "-t", &session, "Up"])?;
        until("> say from the terminal")?;
        tmux(&["send-keys", "-t", &session, "C-]"])?;
        until("left with 0")?;
        Ok(())
    })();
    tmux(&["kill-server"])?;
    told
}

#[test]
fn up_with_demo_prints_what_a_newcomer_needs() -> Told {
    let roost = Roost::start_with(&[])?;
    ensure!(
        roost
            .log()
            .contains(&format!("http://localhost:{}", roost.port())),
        "{}",
        roost.log()
    );
    let begun = Instant::now();
    loop {
        let lines = roost.json_lines(&["server", "logs", "demo"])?;
        if lines.iter().any(|l| {
            l["text"]
                .as_str()
                .is_some_and(|t| t.contains("The lobby is open"))
        }) {
            break;
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(10),
            "the demo says nothing: {lines:?}"
        );
    }
    roost.json(&["server", "send", "demo", "tps"])?;
    Ok(())
}

#[test]
fn purge_works_right_after_down() -> Told {
    let mut roost = Roost::start()?;
    for name in ["a", "b", "c"] {
        roost.json(&[
            "server",
            "create",
            name,
            "--command",
            &roost.chatter(""),
            "--start",
        ])?;
    }
    for arguments in [&["down"][..], &["down", "--purge", "--yes"]] {
        let output = roost.cli(arguments)?;
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "{arguments:?}: {error}");
    }
    ensure!(!roost.data().exists());
    let _ = roost.kill();
    Ok(())
}

#[test]
fn purge_removes_all_that_roost_made() -> Told {
    let mut roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let pid = roost.json(&["server", "show", "x"])?["pid"]
        .as_u64()
        .context("no pid")?;
    let output = roost.cli(&["down", "--purge", "--yes"])?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        !roost.data().exists(),
        "{} is still there",
        roost.data().display()
    );
    ensure!(
        !std::path::Path::new(&format!("/proc/{pid}")).exists(),
        "the server still lives"
    );
    let _ = roost.kill();
    Ok(())
}
