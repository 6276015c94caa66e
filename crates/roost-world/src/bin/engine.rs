//! Starts a private Docker Engine for scripts and browser tests, says where it listens, and ends it when its own input
//! ends or it is told to (SIGTERM, Ctrl-C).
//!
//! Prints `DOCKER_HOST=unix://...` and the images that it has, one a line, then an empty line.

use anyhow::Result;
use roost_world::engine::{Engine, IMAGE_EMPTY, IMAGE_ENTRY, IMAGE_SHELL, IMAGE_STOCK};
use std::io::Write;
use tokio::{
    io::AsyncReadExt,
    signal::unix::{SignalKind, signal},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let engine = Engine::start_with_images()?;
    let mut out = std::io::stdout();
    writeln!(out, "DOCKER_HOST={}", engine.host())?;
    for image in [IMAGE_SHELL, IMAGE_ENTRY, IMAGE_EMPTY, IMAGE_STOCK] {
        writeln!(out, "{image}")?;
    }
    writeln!(out)?;
    out.flush()?;
    let mut ignored = [0; 256];
    let mut input = tokio::io::stdin();
    tokio::select! {
        () = async { while input.read(&mut ignored).await.is_ok_and(|n| n > 0) {} } => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    engine.stop()?;
    // Tokio waits for the thread that reads the input; nothing else is left to do.
    std::process::exit(0)
}
