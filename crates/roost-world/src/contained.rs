//! `programs/chatter.rs` in a container, on an engine of the tests' own.

use crate::{Engine, Roost, chatter, engine::RootFs};
use anyhow::Context;
use rustix::process::Signal;
use std::path::Path;

/// The image that holds nothing but busybox and the program, as `/bin/chatter`.
pub const IMAGE: &str = "roost-test/chatter:1";

/// An engine with the image, and what it is configured with (the JSON of its `daemon.json`).
pub fn engine(config: &str) -> anyhow::Result<Engine> {
    let mut engine = Engine::start()
        .context("an engine of our own could not be started: that needs root and Debian's docker.io")?;
    if config != "{}" {
        engine.configure(config)?;
        engine.halt(Signal::TERM)?;
        engine.resume()?;
    }
    let root = RootFs::busybox()?;
    root.program_at(&chatter::program()?, Path::new("/bin/chatter"))?;
    engine.import(IMAGE, &root, &[])?;
    Ok(engine)
}

/// A Roost on the engine behind `socket`, with a server `busy` in a container that writes `rate` lines a second.
pub fn roost(socket: &Path, rate: u32) -> anyhow::Result<Roost> {
    let roost = Roost::start_in(
        &["--no-demo"],
        &[("ROOST_DOCKER_SOCKET", &socket.to_string_lossy())],
    )?;
    let command = format!("/bin/chatter --rate {rate}");
    let mut arguments = vec!["server", "create", "busy", "--image", IMAGE, "--pull", "never"];
    arguments.extend(["--command", &command, "--start"]);
    roost.json(&arguments)?;
    Ok(roost)
}
