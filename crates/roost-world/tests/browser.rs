//! The web console in a real browser, against the running binary: the stories in `web/e2e`.

use anyhow::{Context, ensure};
use roost_world::{Roost, roost::PASSWORD};
use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::Duration,
};

#[test]
fn all_stories_of_the_web_console() -> anyhow::Result<()> {
    let mut roost = Roost::start()?;
    // The stories kill Roost and start it again through this one.
    let switch = TcpListener::bind("127.0.0.1:0")?;
    switch.set_nonblocking(true)?;
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let mut stories = Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(&web)
        .env("BASE_URL", roost.url())
        .env("ROOST_USER", "admin")
        .env("ROOST_PASSWORD", PASSWORD)
        .env("ROOST_SWITCH", switch.local_addr()?.to_string())
        .spawn()
        .context("npm is missing")?;
    let status = loop {
        if let Some(status) = stories.try_wait()? {
            break status;
        }
        match switch.accept() {
            Ok((stream, _)) => turn(&mut roost, stream)?,
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    };
    ensure!(
        status.success(),
        "the browser's stories failed: see above; the log of roost up:\n{}",
        roost.log()
    );
    Ok(())
}

/// One word a connection, `kill` or `up`; answered with `done`, or with what went wrong.
fn turn(roost: &mut Roost, mut stream: TcpStream) -> anyhow::Result<()> {
    stream.set_nonblocking(false)?;
    let mut word = String::new();
    BufReader::new(&stream).read_line(&mut word)?;
    let done = match word.trim() {
        "kill" => roost.kill(),
        "up" => roost.up(),
        other => Err(anyhow::anyhow!("there is no word {other:?}")),
    };
    let answer = done.map_or_else(|error| format!("{error:#}"), |()| "done".to_owned());
    stream.write_all(answer.as_bytes())?;
    Ok(())
}
