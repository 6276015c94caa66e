//! A Docker Engine of the tests' own: they never touch one that they did not start.
//!
//! ```text
//!   <temp>/roost-engine-XXXXXX/
//!     owner          the process that started it; when that is gone, the next start clears up
//!     engine.sock    the API
//!     engine.log     what dockerd and containerd say
//!     c/  d/  x/     containerd, data root, exec root
//! ```
//!
//! It has its own containerd (dockerd would use the machine's, where one runs), its own bridge with its own subnet, and
//! leaves firewall, forwarding and the machine's configuration files alone. Needs root, `dockerd`, `containerd` and
//! `ip`; where one is missing, the start fails and says so.

mod bridge;
mod ended;
mod http;
mod proxy;
mod rootfs;

pub use proxy::Proxy;
pub use rootfs::RootFs;

use anyhow::{Context, Result, bail, ensure};
use std::{
    fs::File,
    os::unix::process::CommandExt,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// Longest time until the engine answers.
const READY: Duration = Duration::from_secs(60);
/// A shell; its own command says `from the image` and then reads commands.
pub const IMAGE_SHELL: &str = "roost-test/shell:1";
/// Entrypoint and command of its own: it says `image entrypoint image command` and ends.
pub const IMAGE_ENTRY: &str = "roost-test/entry:1";
/// Neither entrypoint nor command.
pub const IMAGE_EMPTY: &str = "roost-test/empty:1";
/// Made like the images of stock panels: its entrypoint carries out `STARTUP` in `/home/container`.
pub const IMAGE_STOCK: &str = "roost-test/stock:1";

/// A running engine; ended, with its containers, mounts and bridge, when dropped.
#[derive(Debug)]
pub struct Engine {
    dir: PathBuf,
    containerd: Option<Child>,
    dockerd: Option<Child>,
}

impl Engine {
    /// Starts an engine and waits until it answers. First clears up after those whose owner was killed.
    pub fn start() -> Result<Self> {
        ensure!(
            rustix::process::geteuid().is_root(),
            "the Docker tests need root: run them as root"
        );
        ended::sweep();
        let dir = tempfile::Builder::new()
            .prefix(ended::PREFIX)
            .tempdir()
            .context("no directory for the engine")?
            .keep();
        let mut engine = Self {
            dir,
            containerd: None,
            dockerd: None,
        };
        engine.launch().with_context(|| {
            let log = std::fs::read_to_string(engine.dir.join("engine.log")).unwrap_or_default();
            let tail: Vec<_> = log.lines().rev().take(15).collect();
            format!(
                "the private Docker Engine did not start; its last lines:\n{}",
                tail.into_iter().rev().collect::<Vec<_>>().join("\n")
            )
        })?;
        Ok(engine)
    }

    /// The same, with the four images that the tests use.
    pub fn start_with_images() -> Result<Self> {
        let engine = Self::start()?;
        let shell = RootFs::busybox()?;
        engine.import(
            IMAGE_SHELL,
            &shell,
            &[r#"CMD ["/bin/sh","-c","echo from the image; exec /bin/sh"]"#],
        )?;
        engine.import(
            IMAGE_ENTRY,
            &shell,
            &[
                r#"ENTRYPOINT ["/bin/echo","image entrypoint"]"#,
                r#"CMD ["image command"]"#,
            ],
        )?;
        engine.import(IMAGE_EMPTY, &shell, &[])?;
        let stock = RootFs::busybox()?;
        stock.script(
            "entrypoint.sh",
            "#!/bin/sh\ncd /home/container\neval exec \"$STARTUP\"\n",
        )?;
        engine.import(
            IMAGE_STOCK,
            &stock,
            &[
                "ENV USER=container HOME=/home/container",
                "WORKDIR /home/container",
                r#"CMD ["/bin/sh","/entrypoint.sh"]"#,
            ],
        )?;
        Ok(engine)
    }

    /// Files, bridge and containerd; then dockerd.
    fn launch(&mut self) -> Result<()> {
        ended::own(&self.dir)?;
        bridge::make(&self.dir)?;
        for sub in ["c", "d", "x"] {
            std::fs::create_dir(self.dir.join(sub))?;
        }
        let config = self.dir.join("c/config.toml");
        std::fs::write(
            &config,
            "version = 2\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n",
        )?;
        std::fs::write(self.dir.join("daemon.json"), "{}\n")?;
        let socket = self.containerd_socket();
        let mut command = Command::new("containerd");
        command.arg("--config").arg(&config);
        command.arg("--root").arg(self.dir.join("c/root"));
        command.arg("--state").arg(self.dir.join("c/state"));
        command.arg("--address").arg(&socket);
        command.args(["--log-level", "warn"]);
        self.containerd = Some(self.spawn(&mut command)?);
        wait_for("containerd", &mut self.containerd, || socket.exists())?;
        self.launch_dockerd()
    }

    fn launch_dockerd(&mut self) -> Result<()> {
        let mut command = Command::new("dockerd");
        command.arg("--containerd").arg(self.containerd_socket());
        command.arg("--config-file").arg(self.dir.join("daemon.json"));
        command.arg("--data-root").arg(self.dir.join("d"));
        command.arg("--exec-root").arg(self.dir.join("x"));
        command.arg("--pidfile").arg(self.dir.join("engine.pid"));
        command.arg("--host").arg(self.host());
        command.arg("--bridge").arg(bridge::name(&self.dir)?);
        command.arg("--cgroup-parent").arg(ended::cgroup(&self.dir));
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs"]);
        command.args([
            "--iptables=false",
            "--ip6tables=false",
            "--ip-masq=false",
            "--ip-forward=false",
        ]);
        command.args(["--log-level", "warn"]).env_remove("DOCKER_HOST");
        self.dockerd = Some(self.spawn(&mut command)?);
        let socket = self.socket();
        wait_for("dockerd", &mut self.dockerd, || {
            http::get(&socket, "/_ping").is_ok_and(|answer| answer.status == 200)
        })
    }

    fn spawn(&self, command: &mut Command) -> Result<Child> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.dir.join("engine.log"))?;
        let program = command.get_program().to_string_lossy().into_owned();
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            // A Ctrl-C in the terminal is for the test, which then ends the engine in order.
            .process_group(0)
            .spawn()
            .with_context(|| {
                format!("{program} can't be run: install it (`apt-get install docker.io iproute2`)")
            })
    }

    fn containerd_socket(&self) -> PathBuf {
        self.dir.join("c/containerd.sock")
    }

    /// The API's socket.
    pub fn socket(&self) -> PathBuf {
        self.dir.join("engine.sock")
    }

    /// The same as a value for `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Process id of the engine itself.
    pub fn pid(&self) -> Option<u32> {
        self.dockerd.as_ref().map(Child::id)
    }

    /// Makes an image out of a root file system; `changes` are lines of a Dockerfile (`CMD`, `ENV`, ...).
    pub fn import(&self, name: &str, root: &RootFs, changes: &[&str]) -> Result<()> {
        let (repo, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let mut path = format!(
            "/images/create?fromSrc=-&repo={}&tag={}",
            http::escape(repo),
            http::escape(tag)
        );
        for change in changes {
            path.push_str("&changes=");
            path.push_str(&http::escape(change));
        }
        let answer = http::post(&self.socket(), &path, "application/x-tar", &root.tar()?)?;
        ensure!(
            answer.status == 200 && !answer.body.contains("\"error\""),
            "the image {name} could not be made: {} {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// Writes the engine's configuration file, as JSON; it holds from the next [`Self::resume`] on.
    pub fn configure(&self, json: &str) -> Result<()> {
        Ok(std::fs::write(self.dir.join("daemon.json"), json)?)
    }

    /// Removes a container, alive or not, as `docker rm -f` does.
    pub fn remove_container(&self, name: &str) -> Result<()> {
        let answer = http::delete(&self.socket(), &format!("/containers/{name}?force=1"))?;
        ensure!(
            answer.status == 204,
            "the container {name} could not be removed: {} {}",
            answer.status,
            answer.body
        );
        Ok(())
    }

    /// Ends dockerd alone, as when a machine's Docker is killed or stopped.
    pub fn halt(&mut self, signal: rustix::process::Signal) -> Result<()> {
        let mut dockerd = self.dockerd.take().context("dockerd does not run")?;
        rustix::process::kill_process(rustix::process::Pid::from_child(&dockerd), signal)?;
        dockerd.wait()?;
        Ok(())
    }

    /// Starts dockerd again after [`Self::halt`].
    pub fn resume(&mut self) -> Result<()> {
        // After SIGKILL its pid file is still there.
        let _ = std::fs::remove_file(self.dir.join("engine.pid"));
        self.launch_dockerd()
    }

    /// Ends it with all that belongs to it.
    pub fn stop(mut self) -> Result<()> {
        self.end()
    }

    fn end(&mut self) -> Result<()> {
        http::remove_all_containers(&self.socket());
        for child in [self.dockerd.take(), self.containerd.take()]
            .into_iter()
            .flatten()
        {
            ended::terminate(child);
        }
        ended::clear(&self.dir)
    }
}

impl Drop for Engine {
    #[expect(clippy::print_stderr, reason = "a test has no other place for it")]
    fn drop(&mut self) {
        if self.dir.exists()
            && let Err(e) = self.end()
        {
            eprintln!(
                "the private engine in {} is not cleared away: {e:#}",
                self.dir.display()
            );
        }
    }
}

/// Waits until `ready`, as long as the program lives.
fn wait_for(name: &str, child: &mut Option<Child>, ready: impl Fn() -> bool) -> Result<()> {
    let begun = Instant::now();
    while !ready() {
        if let Some(status) = child.as_mut().map(Child::try_wait).transpose()?.flatten() {
            bail!("{name} has ended with {status}");
        }
        ensure!(
            begun.elapsed() < READY,
            "{name} was not ready within {} s",
            READY.as_secs()
        );
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
