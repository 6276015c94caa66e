//! One Roost: the release binary on a data directory of its own, started, killed and started again.

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// The first administrator's password in every world.
pub const PASSWORD: &str = "correct horse battery";

/// Where cargo put the binaries of this build.
pub fn target_dir() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    // target/release/deps/test-... or target/release/roost-bench
    own.ancestors()
        .find(|dir| dir.join("roost").is_file())
        .map_or_else(|| PathBuf::from("target/release"), Path::to_path_buf)
}

/// A running (or killed) Roost.
pub struct Roost {
    binary: PathBuf,
    dir: tempfile::TempDir,
    port: u16,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    up: Option<Child>,
    log: Arc<Mutex<String>>,
}

impl Roost {
    /// Starts one without the demo, on a free port.
    pub fn start() -> anyhow::Result<Self> {
        Self::start_with(&["--no-demo"])
    }

    /// Starts one with these further arguments.
    pub fn start_with(arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_in(arguments, &[])
    }

    /// Starts one with these further arguments and this environment beside the test's own.
    pub fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Self> {
        Self::start_of(target_dir().join("roost"), arguments, environment)
    }

    /// Starts another build: an older one.
    pub fn start_of(
        binary: PathBuf,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("roost-world-")
            .tempdir_in("/tmp")?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        std::fs::write(dir.path().join("password"), format!("{PASSWORD}\n"))?;
        std::fs::copy(crate::chatter::program()?, dir.path().join("chatter"))?;
        let mut world = Self {
            binary,
            dir,
            port: free_port()?,
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            environment: environment
                .iter()
                .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                .collect(),
            up: None,
            log: Arc::default(),
        };
        world.up()?;
        Ok(world)
    }

    /// Starts `roost up` (again) and waits until it says that it is ready.
    pub fn up(&mut self) -> anyhow::Result<()> {
        let mut command = Command::new(&self.binary);
        command
            .arg("up")
            .args(["--listen", &format!("127.0.0.1:{}", self.port)])
            .arg("--data")
            .arg(self.data())
            .args(["--admin", "admin", "--admin-password-file"])
            .arg(self.dir.path().join("password"))
            .args(&self.arguments)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command
            .spawn()
            .context("target/release/roost is missing: cargo build --release")?;
        let (ready, is_ready) = std::sync::mpsc::channel();
        if let Some(stdout) = child.stdout.take() {
            let log = Arc::clone(&self.log);
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if let Ok(mut log) = log.lock() {
                        log.push_str(&line);
                        log.push('\n');
                    }
                    if line.contains("is ready") {
                        let _ = ready.send(());
                    }
                }
            });
        }
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
        self.up = Some(child);
        if is_ready.recv_timeout(Duration::from_secs(30)).is_err() {
            bail!("roost up is not ready after 30 s; its log:\n{}", self.log());
        }
        Ok(())
    }

    /// From the next start on it is this build's binary.
    pub fn upgrade(&mut self) {
        self.binary = target_dir().join("roost");
    }

    /// Everything that `roost up` wrote so far.
    pub fn log(&self) -> String {
        self.log.lock().map(|l| l.clone()).unwrap_or_default()
    }

    /// Waits until its log has this text; for 10 s at most.
    pub fn logs(&self, text: &str) -> anyhow::Result<()> {
        let begun = Instant::now();
        while !self.log().contains(text) {
            ensure!(
                begun.elapsed() < Duration::from_secs(10),
                "the log does not say `{text}`:\n{}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A folder for the test's own files, passable by servers' users.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// `http://127.0.0.1:PORT`, or `https://localhost:PORT` where it was given a certificate.
    pub fn url(&self) -> String {
        if self.arguments.iter().any(|argument| argument == "--tls-cert") {
            format!("https://localhost:{}", self.port)
        } else {
            format!("http://127.0.0.1:{}", self.port)
        }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Process id of `roost up`.
    pub fn pid(&self) -> Option<u32> {
        self.up.as_ref().map(Child::id)
    }

    /// The tests' server with these arguments, as a command line for `--command`.
    pub fn chatter(&self, arguments: &str) -> String {
        format!("{} {arguments}", self.dir.path().join("chatter").display())
    }

    /// SIGKILL for `roost up`; keepers and servers live on.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        let mut child = self.up.take().context("it is not running")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// What a power cut does to processes: `roost up`, keepers and servers end at once, the node first.
    pub fn lose_machine(&mut self) -> anyhow::Result<()> {
        self.kill()?;
        end_keepers(&self.data());
        Ok(())
    }

    /// SIGTERM; gives the exit code and how long it took.
    pub fn terminate(&mut self) -> anyhow::Result<(Option<i32>, Duration)> {
        let mut child = self.up.take().context("it is not running")?;
        let begun = Instant::now();
        let pid = rustix::process::Pid::from_child(&child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        while begun.elapsed() < Duration::from_secs(20) {
            if let Some(status) = child.try_wait()? {
                return Ok((status.code(), begun.elapsed()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        child.kill()?;
        child.wait()?;
        bail!("SIGTERM did not end roost up within 20 s");
    }

    /// Runs the command line on this data directory.
    pub fn cli(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        self.cli_in(arguments, &[])
    }

    /// The same in this environment beside the test's own.
    pub fn cli_in(&self, arguments: &[&str], environment: &[(&str, &str)]) -> anyhow::Result<Output> {
        Command::new(&self.binary)
            .args(arguments)
            .arg("--data")
            .arg(self.data())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .output()
            .context("running the command line")
    }

    /// The same with `--json`; fails unless it exits with 0.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<Value> {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        let output = self.cli(&with_json)?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "roost {} failed: {error}",
            arguments.join(" ")
        );
        serde_json::from_slice(&output.stdout).with_context(|| {
            format!(
                "roost {} printed {}",
                arguments.join(" "),
                String::from_utf8_lossy(&output.stdout)
            )
        })
    }

    /// The same for verbs that print one object a line.
    pub fn json_lines(&self, arguments: &[&str]) -> anyhow::Result<Vec<Value>> {
        let mut with_json = arguments.to_vec();
        with_json.push("--json");
        let output = self.cli(&with_json)?;
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "roost {} failed: {error}",
            arguments.join(" ")
        );
        let text = String::from_utf8_lossy(&output.stdout);
        text.lines()
            .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
            .collect()
    }

    /// Makes an account with [`PASSWORD`].
    pub fn user(&self, name: &str, options: &[&str]) -> anyhow::Result<()> {
        let file = self.dir.path().join("password");
        let file = file.to_string_lossy();
        let mut arguments = vec!["user", "create", name, "--password-file", &file];
        arguments.extend(options);
        self.json(&arguments).map(drop)
    }
}

impl Drop for Roost {
    fn drop(&mut self) {
        if self.up.is_some() {
            let _ = self.cli(&["down"]);
        }
        if let Some(mut child) = self.up.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        end_keepers(&self.data());
    }
}

/// Ends keepers and servers that outlived a killed node: those whose command line names this data directory, or which
/// work in it, by process id.
fn end_keepers(data: &Path) {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return;
    };
    for entry in processes.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let cwd = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
        let named = String::from_utf8_lossy(&command).contains(&*data.to_string_lossy());
        if (named || cwd.starts_with(data))
            && let Some(pid) = rustix::process::Pid::from_raw(pid)
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

/// A port that was free a moment ago.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}
