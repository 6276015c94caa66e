//! A second node: `roost daemon` with the config.yml that the panel prints, and things that stand in its place when it
//! is gone.

use crate::{
    http::Answer,
    roost::{Roost, free_port, target_dir},
};
use anyhow::{Context, bail, ensure};
use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

/// A node of its own.
pub struct Daemon {
    port: u16,
    config: PathBuf,
    child: Option<Child>,
    log: Arc<Mutex<String>>,
}

/// Something else on the node's port; gone when dropped.
#[derive(Debug)]
pub struct Instead(JoinHandle<()>);

impl Drop for Instead {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Daemon {
    /// Adds a node to the panel and starts its daemon.
    pub async fn start(roost: &Roost, name: &str) -> anyhow::Result<Self> {
        let port = free_port()?;
        let address = format!("http://127.0.0.1:{port}");
        roost.json(&["node", "add", name, "--address", &address])?;
        let printed = roost.cli(&["node", "config", name, "--reveal-token"])?;
        ensure!(
            printed.status.success(),
            "{}",
            String::from_utf8_lossy(&printed.stderr)
        );
        let text = String::from_utf8(printed.stdout)?;
        let root = roost.folder().join(format!("node-{name}"));
        std::fs::create_dir_all(&root)?;
        let config = root.join("config.yml");
        std::fs::write(&config, with_root(&text, &root.to_string_lossy()))?;
        let mut daemon = Self {
            port,
            config,
            child: None,
            log: Arc::default(),
        };
        daemon.up()?;
        Ok(daemon)
    }

    /// Starts the daemon (again).
    pub fn up(&mut self) -> anyhow::Result<()> {
        let mut child = Command::new(target_dir().join("roost"))
            .arg("daemon")
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting roost daemon")?;
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&self.log);
            std::thread::spawn(move || {
                for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                    if let Ok(mut log) = log.lock() {
                        log.push_str(&line);
                        log.push('\n');
                    }
                }
            });
        }
        let stdout = child.stdout.take().context("no stdout")?;
        self.child = Some(child);
        let (ready, is_ready) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if line.contains("is ready") {
                    let _ = ready.send(());
                }
            }
        });
        if is_ready.recv_timeout(Duration::from_secs(20)).is_err() {
            bail!("roost daemon is not ready after 20 s");
        }
        Ok(())
    }

    /// Everything that it has logged so far, in all its lives.
    pub fn log(&self) -> String {
        self.log.lock().map(|log| log.clone()).unwrap_or_default()
    }

    /// Its config.yml.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// Where the servers' own directories are.
    pub fn volumes(&self) -> PathBuf {
        self.config.with_file_name("volumes")
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> anyhow::Result<Option<i32>> {
        let mut child = self.child.take().context("it is not running")?;
        Ok(child.wait()?.code())
    }

    /// SIGKILL.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.child.take().context("it is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Answers every request on the node's port with this.
    pub async fn answer_instead(&self, status: u16, body: &'static str) -> anyhow::Result<Instead> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        Ok(Instead(tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let answer = format!(
                    "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })))
    }

    /// Accepts on the node's port and says nothing.
    pub async fn hang_instead(&self) -> anyhow::Result<Instead> {
        let listener = TcpListener::bind(("127.0.0.1", self.port)).await?;
        Ok(Instead(tokio::spawn(async move {
            let mut held = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                held.push(stream);
            }
        })))
    }
}

impl Instead {
    /// Asks until the answer fits, for at most 5 s: an earlier answer may be served for 2 s.
    pub async fn patiently<F: Future<Output = anyhow::Result<Answer>>>(
        &self,
        ask: impl Fn() -> F,
        fits: impl Fn(&Answer) -> bool,
    ) -> anyhow::Result<Answer> {
        let begun = Instant::now();
        loop {
            let answer = ask().await?;
            if fits(&answer) {
                return Ok(answer);
            }
            ensure!(
                begun.elapsed() < Duration::from_secs(5),
                "still {}: {}",
                answer.status,
                answer.text
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The printed config.yml with directories of the test's own.
fn with_root(text: &str, root: &str) -> String {
    let mut lines = Vec::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = &line[..line.len() - trimmed.len()];
        if trimmed.starts_with("root_directory:") {
            lines.push(format!("{indent}root_directory: {root}"));
        } else if trimmed.starts_with("data:") {
            lines.push(format!("{indent}data: {root}/volumes"));
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}
