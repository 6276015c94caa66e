//! `roost attach` with its output in a pipe.

use crate::roost::{Roost, target_dir};
use anyhow::{Context, bail};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::{Duration, Instant},
};

/// A running terminal client; it is ended with the value.
#[derive(Debug)]
pub struct Attached {
    child: Child,
    lines: Receiver<String>,
}

impl Attached {
    /// Attaches to a server, with nothing to type.
    pub fn to(roost: &Roost, server: &str) -> anyhow::Result<Self> {
        let mut child = Command::new(target_dir().join("roost"))
            .args(["attach", server, "--data"])
            .arg(roost.data())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .context("running roost attach")?;
        let stdout = child.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// Everything that it prints until a line is the `last` one.
    pub fn until(&self, last: &str, patience: Duration) -> anyhow::Result<Vec<String>> {
        let end = Instant::now() + patience;
        let mut seen = Vec::new();
        loop {
            match self
                .lines
                .recv_timeout(end.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    let is_last = line == last;
                    seen.push(line);
                    if is_last {
                        return Ok(seen);
                    }
                }
                Err(RecvTimeoutError::Timeout) => bail!("`{last}` did not come, after {seen:?}"),
                Err(RecvTimeoutError::Disconnected) => bail!("roost attach has ended after {seen:?}"),
            }
        }
    }
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
