//! Existing SDKs, unchanged from their registries: they list, read, type and refresh with an API key.

use anyhow::{Context, ensure};
use roost_world::{Roost, http::Person, roost::target_dir, short_lived::ShortLived};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

type Told = anyhow::Result<()>;

fn run(command: &mut Command, what: &str) -> anyhow::Result<String> {
    let output = command.output().with_context(|| what.to_owned())?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{what} ended with {:?}:\n{text}{}",
        output.status.code(),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(text)
}

/// A folder that is kept between runs.
fn folder(name: &str) -> anyhow::Result<PathBuf> {
    let folder = target_dir().join("clients").join(name);
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn client(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

fn steps_in_order(text: &str, steps: &[&str]) -> Told {
    let mut lines = text.lines();
    for step in steps {
        ensure!(
            lines.any(|line| line == *step),
            "`{step}` is missing, or not in its place, in:\n{text}"
        );
    }
    Ok(())
}

async fn world() -> anyhow::Result<(Roost, ShortLived, String)> {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "game",
        "--command",
        &roost.chatter("--done welcome"),
        "--start",
    ])?;
    let (_, key) = Person::with_key(&roost, "admin")?;
    let door = ShortLived::before(&roost).await?;
    Ok((roost, door, key))
}

#[tokio::test(flavor = "multi_thread")]
async fn pterosocket_reads_types_and_refreshes() -> Told {
    let folder = folder("pterosocket")?;
    if !folder.join("node_modules/pterosocket").exists() {
        std::fs::write(folder.join("package.json"), "{\"private\":true}")?;
        run(
            Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "pterosocket@1.0.6", "ws@8"])
                .current_dir(&folder),
            "npm install",
        )?;
    }
    let (roost, door, key) = world().await?;
    let mut node = Command::new("node");
    node.arg(client("pterosocket.mjs")).current_dir(&folder);
    node.env("ORIGIN", &door.url)
        .env("KEY", &key)
        .env("SERVER", "game");
    // Its origin is the door's, which is not the panel's: it has to be allowed like any other page's.
    let error = tokio::task::spawn_blocking(move || run(&mut node, "pterosocket"))
        .await?
        .err();
    ensure!(error.is_some(), "a foreign origin was let in");
    drop(roost);

    let roost = Roost::start_with(&["--no-demo", "--allow-origin", "*"])?;
    roost.json(&[
        "server",
        "create",
        "game",
        "--command",
        &roost.chatter("--done welcome"),
        "--start",
    ])?;
    let (_, key) = Person::with_key(&roost, "admin")?;
    let door = ShortLived::before(&roost).await?;
    let mut node = Command::new("node");
    node.arg(client("pterosocket.mjs")).current_dir(&folder);
    node.env("ORIGIN", &door.url)
        .env("KEY", &key)
        .env("SERVER", "game");
    let text = tokio::task::spawn_blocking(move || run(&mut node, "pterosocket")).await??;
    steps_in_order(&text, &["authenticated", "expiring"])?;
    steps_in_order(&text, &["authenticated", "refreshed", "answered"])?;
    steps_in_order(&text, &["history"])
}

#[tokio::test(flavor = "multi_thread")]
async fn py_dactyl_reads_types_and_refreshes() -> Told {
    let folder = folder("py-dactyl")?;
    let python = folder.join("venv/bin/python");
    // One that was made with another Python does not run any more: made anew.
    let runs = Command::new(&python).arg("--version").output().is_ok();
    if !runs || !folder.join("installed").exists() {
        run(
            Command::new("python3")
                .args(["-m", "venv", "--clear", "venv"])
                .current_dir(&folder),
            "python3 -m venv",
        )?;
        run(
            Command::new(&python)
                .args(["-m", "pip", "install", "--quiet", "py-dactyl==2.1.3"])
                .current_dir(&folder),
            "pip install py-dactyl",
        )?;
        std::fs::write(folder.join("installed"), "")?;
    }
    let roost = Roost::start_with(&["--no-demo", "--allow-origin", "*"])?;
    roost.json(&[
        "server",
        "create",
        "game",
        "--command",
        &roost.chatter("--done welcome"),
        "--start",
    ])?;
    let (_, key) = Person::with_key(&roost, "admin")?;
    let door = ShortLived::before(&roost).await?;
    let mut command = Command::new(&python);
    command
        .arg(client("pydactyl_client.py"))
        .env("ORIGIN", &door.url)
        .env("KEY", &key)
        .env("SERVER", "game");
    let text = tokio::task::spawn_blocking(move || run(&mut command, "py-dactyl")).await??;
    steps_in_order(
        &text,
        &["listed", "measured", "authenticated", "refreshed", "answered"],
    )?;
    steps_in_order(&text, &["history"])
}
