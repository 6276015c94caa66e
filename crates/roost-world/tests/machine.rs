//! The machine goes down in order, or is lost: what becomes of servers, and which of them are there again afterwards.
//!
//! Only `systemctl` is a stand-in, for it would have to take this machine down.

use anyhow::{Context, ensure};
use roost_world::{Engine, Roost, daemon::Daemon, engine::RootFs};
use std::{
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Output,
    time::{Duration, Instant},
};

type Told = anyhow::Result<()>;

/// Saves its world on `stop`, which takes it a second; nothing else makes it save.
const SAVES: &str = "trap '' TERM INT; echo up; while read line; do case $line in stop) sleep 1; echo saved >> world; \
                     echo bye; exit 0;; esac; done";
/// Does not hear its stop.
const DEAF: &str = "trap '' TERM INT; echo up; while :; do sleep 1; done";

/// A `systemctl` that says this about the machine; gives the `PATH` on which it is found first.
fn machine_says(roost: &Roost, state: &str) -> anyhow::Result<String> {
    let folder = roost.folder().join(format!("systemd-{state}"));
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("systemctl");
    let script = format!("#!/bin/sh\n[ \"$1\" = is-system-running ] && echo {state}\nexit 1\n");
    std::fs::write(&file, script)?;
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755))?;
    Ok(format!(
        "{}:{}",
        folder.display(),
        std::env::var("PATH").unwrap_or_default()
    ))
}

/// What the unit's ExecStop does.
fn exec_stop(roost: &Roost, machine: &str, arguments: &[&str]) -> anyhow::Result<(i32, String)> {
    let path = machine_says(roost, machine)?;
    let mut words = vec!["down", "--machine"];
    words.extend(arguments);
    let output = roost.cli_in(&words, &[("PATH", &path)])?;
    Ok((output.status.code().unwrap_or(-1), texts(&output)))
}

fn texts(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Makes a server of a shell script and starts it; gives its UUID.
fn server(roost: &Roost, name: &str, script: &str, more: &[&str]) -> anyhow::Result<String> {
    let command = shlex(script);
    let mut words = vec![
        "server",
        "create",
        name,
        "--command",
        &command,
        "--done",
        "up",
        "--start",
    ];
    words.extend(more);
    let made = roost.json(&words)?;
    until(roost, name, "running")?;
    Ok(made["uuid"].as_str().context("no uuid")?.to_owned())
}

fn shlex(script: &str) -> String {
    format!("/bin/sh -c '{}'", script.replace('\'', "'\\''"))
}

fn state(roost: &Roost, name: &str) -> anyhow::Result<String> {
    let shown = roost.json(&["server", "show", name])?;
    Ok(shown["state"].as_str().unwrap_or_default().to_owned())
}

fn until(roost: &Roost, name: &str, wanted: &str) -> Told {
    let begun = Instant::now();
    loop {
        let now = state(roost, name)?;
        if now == wanted {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(30),
            "{name} is {now}, not {wanted}:\n{}\n{}",
            console(roost, name)?,
            roost.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn pid(roost: &Roost, name: &str) -> anyhow::Result<u64> {
    roost.json(&["server", "show", name])?["pid"]
        .as_u64()
        .context("no pid")
}

fn console(roost: &Roost, name: &str) -> anyhow::Result<String> {
    let lines = roost.json_lines(&["server", "logs", name, "--all"])?;
    let texts: Vec<_> = lines.iter().filter_map(|line| line["text"].as_str()).collect();
    Ok(texts.join("\n"))
}

fn world(folder: &Path, uuid: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(uuid).join("world")).ok()
}

#[test]
fn when_only_the_unit_stops_servers_run_on() -> Told {
    let mut roost = Roost::start()?;
    let uuid = server(&roost, "saver", SAVES, &["--stop", "stop"])?;
    let before = pid(&roost, "saver")?;
    let (code, said) = exec_stop(&roost, "running", &[])?;
    assert_eq!(code, 0, "{said}");
    ensure!(said.contains("does not go down"), "{said}");
    // systemd's SIGTERM follows, and with a restart the next start.
    assert_eq!(roost.terminate()?.0, Some(0));
    roost.up()?;
    until(&roost, "saver", "running")?;
    assert_eq!(pid(&roost, "saver")?, before);
    assert_eq!(world(&roost.data().join("servers"), &uuid), None);
    // And a systemctl that says nothing is no reason to stop anything.
    let (code, said) = exec_stop(&roost, "", &[])?;
    assert_eq!(code, 1, "{said}");
    ensure!(said.contains("servers run on"), "{said}");
    assert_eq!(pid(&roost, "saver")?, before);
    Ok(())
}

#[test]
fn a_machine_that_goes_down_lets_servers_save_and_starts_them_when_it_is_up() -> Told {
    let mut roost = Roost::start()?;
    let worlds: Vec<_> = (0..3)
        .map(|n| server(&roost, &format!("saver-{n}"), SAVES, &["--stop", "stop"]))
        .collect::<anyhow::Result<_>>()?;
    server(&roost, "deaf", DEAF, &["--stop-timeout", "3"])?;
    server(&roost, "off", SAVES, &["--stop", "stop"])?;
    roost.json(&["server", "stop", "off"])?;

    let begun = Instant::now();
    let (code, said) = exec_stop(&roost, "stopping", &[])?;
    let took = begun.elapsed();
    assert_eq!(code, 0, "{said}");
    for name in ["saver-0", "saver-1", "saver-2", "deaf"] {
        ensure!(said.contains(name), "{name} is not told of:\n{said}");
    }
    ensure!(
        took > Duration::from_secs(3) && took < Duration::from_secs(8),
        "each by itself, and the deaf one killed by its timer of 3 s: it took {took:?}"
    );
    assert_eq!(roost.terminate()?.0, Some(0), "{}", roost.log());
    let folder = roost.data().join("servers");
    for uuid in &worlds {
        assert_eq!(world(&folder, uuid).as_deref(), Some("saved\n"));
    }

    roost.up()?;
    for name in ["saver-0", "saver-1", "saver-2", "deaf"] {
        until(&roost, name, "running")?;
        let told = console(&roost, name)?;
        ensure!(told.contains("The machine goes down"), "{told}");
        ensure!(told.contains("was up when the machine went down"), "{told}");
    }
    let told = console(&roost, "deaf")?;
    ensure!(told.contains("signal 9 (SIGKILL)"), "{told}");
    assert_eq!(state(&roost, "off")?, "offline");

    // What a plain `down` stops stays off.
    let output = roost.cli(&["down"])?;
    ensure!(output.status.success(), "{}", texts(&output));
    roost.terminate()?;
    roost.up()?;
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(state(&roost, "saver-0")?, "offline");
    Ok(())
}

#[test]
fn containers_save_as_well_when_the_machine_goes_down() -> Told {
    let engine = Engine::start().context("the tests' own engine")?;
    let root = RootFs::busybox()?;
    engine.import("roost-test/shell:1", &root, &[])?;
    let mut roost = Roost::start_in(
        &["--no-demo"],
        &[("ROOST_DOCKER_SOCKET", &engine.socket().to_string_lossy())],
    )?;
    let image = [
        "--image",
        "roost-test/shell:1",
        "--pull",
        "never",
        "--stop",
        "stop",
    ];
    let script = format!("cd /home/container; {SAVES}");
    let uuid = server(&roost, "saver", &script, &image)?;
    let deaf = [&image[..4], &["--stop-timeout", "3"]].concat();
    server(&roost, "deaf", DEAF, &deaf)?;
    server(&roost, "beside", SAVES, &["--stop", "stop"])?;

    let (code, said) = exec_stop(&roost, "stopping", &[])?;
    assert_eq!(code, 0, "{said}");
    assert_eq!(roost.terminate()?.0, Some(0), "{}", roost.log());
    assert_eq!(
        world(&roost.data().join("servers"), &uuid).as_deref(),
        Some("saved\n")
    );
    roost.up()?;
    for name in ["saver", "deaf", "beside"] {
        until(&roost, name, "running")?;
    }
    ensure!(console(&roost, "deaf")?.contains("signal 9 (SIGKILL)"));
    let told = console(&roost, "saver")?;
    ensure!(
        told.contains("bye") && told.contains("when the machine went down"),
        "{told}"
    );
    drop(roost);
    Ok(())
}

#[tokio::test]
async fn a_node_alone_is_taken_down_with_its_machine_too() -> Told {
    let roost = Roost::start()?;
    let mut daemon = Daemon::start(&roost, "second").await?;
    let uuid = server(&roost, "far", SAVES, &["--stop", "stop", "--node", "second"])?;
    let config = daemon.config().to_string_lossy().into_owned();
    let (code, said) = exec_stop(&roost, "running", &["--config", &config])?;
    assert_eq!(code, 0, "{said}");
    assert_eq!(state(&roost, "far")?, "running");

    let (code, said) = exec_stop(&roost, "stopping", &["--config", &config])?;
    assert_eq!(code, 0, "{said}");
    ensure!(said.contains("far"), "{said}");
    assert_eq!(daemon.wait()?, Some(0));
    assert_eq!(world(&daemon.volumes(), &uuid).as_deref(), Some("saved\n"));
    // Nobody is there any more.
    let (code, said) = exec_stop(&roost, "stopping", &["--config", &config])?;
    assert_eq!(code, 3, "{said}");

    daemon.up()?;
    until(&roost, "far", "running")?;
    let output = roost.cli(&["down", "--config", &config])?;
    ensure!(output.status.success(), "{}", texts(&output));
    assert_eq!(daemon.wait()?, Some(0));
    daemon.up()?;
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(
        state(&roost, "far")?,
        "offline",
        "a plain `down` is an operator's"
    );
    Ok(())
}

#[test]
fn a_node_that_does_not_answer_is_named_when_the_machine_goes_down() -> Told {
    let mut roost = Roost::start()?;
    server(&roost, "saver", SAVES, &["--stop", "stop"])?;
    let up = i32::try_from(roost.pid().context("it is not up")?)?;
    let up = rustix::process::Pid::from_raw(up).context("no pid")?;
    rustix::process::kill_process(up, rustix::process::Signal::STOP)?;
    let begun = Instant::now();
    let hung = exec_stop(&roost, "stopping", &[]);
    rustix::process::kill_process(up, rustix::process::Signal::CONT)?;
    let (code, said) = hung?;
    assert_eq!(code, 3, "{said}");
    ensure!(
        said.contains("no answer") && said.contains("no stop of their own"),
        "{said}"
    );
    ensure!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());

    // The request may have been read after all. Killed, it answers nothing.
    roost.kill()?;
    let (code, said) = exec_stop(&roost, "stopping", &[])?;
    assert_eq!(code, 3, "{said}");
    ensure!(said.contains("no stop of their own"), "{said}");
    Ok(())
}

/// Servers on the machine that is lost.
const MANY: usize = 12;
/// How many of them may come up at once.
const AT_ONCE: usize = 3;

#[test]
fn when_the_machine_was_lost_servers_that_ran_come_back_a_few_at_a_time() -> Told {
    let mut roost = Roost::start_in(&["--no-demo"], &[("ROOST_BOOT_STARTS", &AT_ONCE.to_string())])?;
    let slow = "echo begun $(date +%s%N); sleep 0.7; echo up $(date +%s%N); while read line; do [ $line = stop ] && exit 0; done";
    let command = shlex(slow);
    let names: Vec<String> = (0..MANY).map(|n| format!("s{n}")).collect();
    for name in names.iter().map(String::as_str).chain(["off"]) {
        roost.json(&[
            "server",
            "create",
            name,
            "--command",
            &command,
            "--done",
            "up",
            "--stop",
            "stop",
            "--start",
        ])?;
    }
    for name in names.iter().map(String::as_str).chain(["off"]) {
        until(&roost, name, "running")?;
    }
    roost.json(&["server", "stop", "off"])?;

    roost.lose_machine()?;
    roost.up()?;
    let mut spans = Vec::new();
    for name in &names {
        until(&roost, name, "running")?;
        let told = console(&roost, name)?;
        ensure!(
            told.contains("its program is gone: it is started again"),
            "{told}"
        );
        let times = |word: &str| -> Vec<u128> {
            told.lines()
                .filter_map(|line| line.strip_prefix(word)?.trim().parse().ok())
                .collect()
        };
        let (begun, up) = (times("begun "), times("up "));
        assert_eq!((begun.len(), up.len()), (2, 2), "{name}:\n{told}");
        spans.push((begun[1], up[1]));
    }
    for (begun, _) in &spans {
        let at_once = spans
            .iter()
            .filter(|(from, to)| from <= begun && begun < to)
            .count();
        ensure!(at_once <= AT_ONCE, "{at_once} came up at once: {spans:?}");
    }
    assert_eq!(state(&roost, "off")?, "offline");
    Ok(())
}
