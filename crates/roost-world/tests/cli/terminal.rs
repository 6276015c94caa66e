//! The terminal client.

use crate::Told;
use anyhow::{Context, ensure};
use roost_world::{Roost, roost::target_dir};
use std::{
    process::Command,
    time::{Duration, Instant},
};

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
