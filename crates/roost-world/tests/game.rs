//! A real game server from Debian, `freeciv-server`, under both runtimes: start, banner, `help`, stop. It refuses to
//! run as root, as real ones do.

use anyhow::Context;
use roost_world::{Engine, Roost, Viewer, engine::RootFs, http::Person};
use std::path::{Path, PathBuf};

type Told = anyhow::Result<()>;

const SERVER: &str = "/usr/games/freeciv-server";
const BANNER: &str = "This is the server for Freeciv";

async fn played(roost: &Roost, server: &str) -> Told {
    let admin = Person::sign_in(roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, server).await?;
    viewer.send("set state", &["start"]).await?;
    viewer
        .line(|line| line.contains(BANNER))
        .await
        .context("its banner")?;
    viewer.wait_for("status", |state| state == "running").await?;
    viewer.send("send command", &["help"]).await?;
    viewer
        .line(|line| line.to_lowercase().contains("help"))
        .await
        .context("the answer to help")?;
    viewer.send("set state", &["stop"]).await?;
    viewer.wait_for("status", |state| state == "offline").await?;
    Ok(())
}

#[tokio::test]
async fn freeciv_as_a_process() -> Told {
    let roost = Roost::start()?;
    let port = roost_world::roost::free_port()?;
    let command = format!("freeciv-server --bind 127.0.0.1 --port {port}");
    roost.json(&[
        "server",
        "create",
        "civ",
        "--command",
        &command,
        "--stop",
        "quit",
        "--done",
        "Now accepting new client connections",
    ])?;
    played(&roost, "civ").await
}

#[tokio::test]
async fn freeciv_in_a_container() -> Told {
    let engine = Engine::start().context("the tests' own engine")?;
    let root = RootFs::busybox()?;
    root.program(Path::new(SERVER))?;
    root.tree(&PathBuf::from("/usr/share/games/freeciv"))?;
    root.tree(&PathBuf::from("/etc/freeciv"))?;
    engine.import("roost-test/freeciv:1", &root, &[])?;
    let roost = Roost::start_in(
        &["--no-demo"],
        &[("ROOST_DOCKER_SOCKET", &engine.socket().to_string_lossy())],
    )?;
    let command = format!("{SERVER} --port 5556");
    roost.json(&[
        "server",
        "create",
        "civ",
        "--image",
        "roost-test/freeciv:1",
        "--pull",
        "never",
        "--command",
        &command,
        "--stop",
        "quit",
        "--done",
        "Now accepting new client connections",
    ])?;
    played(&roost, "civ").await
}
