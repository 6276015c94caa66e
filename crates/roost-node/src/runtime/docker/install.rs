//! The installer of a server that a stock panel describes: a container that runs the panel's script over the server's
//! directory, once.
//!
//! When to install, and what a failure means, is the driver's business. So is giving the files, which belong to the
//! image's user (mostly root) afterwards, to the server's user.

use super::{DockerRules, Ended, Engine, EngineError, Notice, exit, image::ImageName, limits, mounts, spec};
use crate::runtime::Launch;
use bollard::{
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{CreateContainerOptionsBuilder, WaitContainerOptionsBuilder},
};
use futures_util::StreamExt;
use roost_wire::remote::{InstallScript, Pull};
use std::{io, path::Path, path::PathBuf};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

/// Longest line of an installer; a longer one is shown in pieces.
const LINE_MAX: usize = 4096;
/// Longest head of the engine's answer to an attach.
const HEAD_MAX: usize = 16 << 10;

impl Engine {
    /// Runs the script and returns how the installer ended; only exit code 0 is a success. Every line it says goes to
    /// `output`. Dropping the future ends and removes the installer. There is no time limit: large games take hours.
    pub async fn install(
        &self,
        launch: &Launch,
        rules: &DockerRules,
        script: &InstallScript,
        output: &(dyn Fn(Notice) + Send + Sync),
    ) -> Result<Ended, EngineError> {
        let image = ImageName::parse(&script.container_image).ok_or_else(|| {
            EngineError::Unusable(
                "The panel names no image for this server's installer: set one in its egg.".to_owned(),
            )
        })?;
        self.ready_image(&image, Pull::Missing, output).await?;
        let network = self
            .ready_network(&launch.settings.allocations, &rules.docker.network)
            .await?;
        let name = format!("{}_installer", launch.uuid);
        self.remove_named(&name).await?;
        let scratch = Scratch::write(&launch.keeper_dir, &script.script)
            .map_err(|e| EngineError::Unusable(format!("The installer's script can't be written: {e}.")))?;

        let podman = self.connection().await?.podman;
        let body = body(
            launch,
            rules,
            script,
            &image.reference,
            &scratch.0,
            spec::host_config(rules, network, podman),
        );
        let options = CreateContainerOptionsBuilder::default().name(&name).build();
        let client = self.client().await?;
        client
            .create_container(Some(options), body)
            .await
            .map_err(|e| self.failed("make the installer's container", e))?;
        let container = Container {
            engine: self.clone(),
            name,
        };
        let ended = self.run_installer(&container.name, output).await;
        container.remove().await;
        ended
    }

    async fn run_installer(
        &self,
        name: &str,
        output: &(dyn Fn(Notice) + Send + Sync),
    ) -> Result<Ended, EngineError> {
        let lost = |e: io::Error| self.away(format!("the installer's output was lost: {e}"));
        let mut stream = self.attach(name).await.map_err(lost)?;
        let client = self.client().await?;
        client
            .start_container(name, None)
            .await
            .map_err(|e| self.failed("start the installer", e))?;
        let mut lines = Lines::default();
        let mut chunk = vec![0; 16 << 10];
        loop {
            let n = stream.read(&mut chunk).await.map_err(lost)?;
            if n == 0 {
                break;
            }
            lines.take(&chunk[..n], |line| output(Notice::install(line)));
        }
        lines.end(|line| output(Notice::install(line)));
        let options = WaitContainerOptionsBuilder::default()
            .condition("not-running")
            .build();
        client.wait_container(name, Some(options)).next().await;
        Ok(exit::ended(&self.inspect(name).await?))
    }

    /// The container's terminal as raw bytes. Not by the library: it looks for the framing of containers without a
    /// terminal in what they say, and would wait for as many bytes as a hostile script announces.
    async fn attach(&self, name: &str) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(self.socket()).await?;
        let request = format!(
            "POST /containers/{name}/attach?stream=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\n\
             Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            // Byte by byte: what follows the head belongs to the stream. It is short, and there is one an install.
            head.push(stream.read_u8().await?);
            if head.len() > HEAD_MAX {
                return Err(io::Error::other("the engine's answer has no end"));
            }
        }
        let status = head.split(|byte| *byte == b' ').nth(1).unwrap_or_default();
        if status == b"101" || status == b"200" {
            return Ok(stream);
        }
        Err(io::Error::other(format!(
            "the engine answers {}",
            String::from_utf8_lossy(status)
        )))
    }
}

fn body(
    launch: &Launch,
    rules: &DockerRules,
    script: &InstallScript,
    reference: &str,
    scratch: &Path,
    mut host: HostConfig,
) -> ContainerCreateBody {
    let build = limits::for_installer(&launch.settings.build);
    limits::apply(&build, rules.docker.container_pid_limit, &mut host);
    host.mounts = Some(vec![
        mounts::bind(&launch.dir, "/mnt/server", false),
        mounts::bind(scratch, "/mnt/install", false),
    ]);
    ContainerCreateBody {
        hostname: Some("installer".to_owned()),
        attach_stdin: Some(true),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        tty: Some(true),
        open_stdin: Some(true),
        env: Some(spec::environment(&launch.settings, launch, rules)),
        image: Some(reference.to_owned()),
        cmd: Some(vec![
            script.entrypoint.clone(),
            "/mnt/install/install.sh".to_owned(),
        ]),
        labels: Some(spec::own_labels(launch.uuid, launch.run, spec::TYPE_INSTALLER).into()),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// The installer's container; removed when the install is called off.
struct Container {
    engine: Engine,
    name: String,
}

impl Container {
    async fn remove(mut self) {
        let name = std::mem::take(&mut self.name);
        if let Err(e) = self.engine.remove_named(&name).await {
            tracing::warn!(container = %name, error = %e, "an installer's container is left behind");
        }
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        let rest = Self {
            engine: self.engine.clone(),
            name: std::mem::take(&mut self.name),
        };
        tokio::spawn(rest.remove());
    }
}

/// The directory with the script; removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn write(parent: &Path, script: &str) -> io::Result<Self> {
        let scratch = Self(parent.join("install"));
        std::fs::create_dir_all(&scratch.0)?;
        // Windows line ends make `sh` look for commands that end in a carriage return.
        std::fs::write(scratch.0.join("install.sh"), script.replace("\r\n", "\n"))?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(e) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), error = %e, "an installer's script is left behind");
        }
    }
}

/// Cuts an installer's output into lines of at most [`LINE_MAX`] bytes.
#[derive(Default)]
struct Lines(Vec<u8>);

impl Lines {
    fn take(&mut self, bytes: &[u8], mut line: impl FnMut(String)) {
        for byte in bytes {
            if *byte == b'\n' {
                self.end(&mut line);
                continue;
            }
            self.0.push(*byte);
            if self.0.len() >= LINE_MAX {
                self.end(&mut line);
            }
        }
    }

    fn end(&mut self, mut line: impl FnMut(String)) {
        let text = String::from_utf8_lossy(&self.0);
        // A progress bar writes over its own line: only its last state is kept.
        let text = text.trim_end_matches('\r');
        let last = text.rsplit('\r').next().unwrap_or(text);
        if !last.is_empty() {
            line(last.to_owned());
        }
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(chunks: &[&str]) -> Vec<String> {
        let (mut cut, mut seen) = (Lines::default(), Vec::new());
        for chunk in chunks {
            cut.take(chunk.as_bytes(), |line| seen.push(line));
        }
        cut.end(|line| seen.push(line));
        seen
    }

    #[test]
    fn an_installer_s_output_comes_in_lines() {
        assert_eq!(lines(&["one\r\ntw", "o\n\n", "rest"]), ["one", "two", "rest"]);
        assert_eq!(lines(&[" 1 %\r 50 %\r100 %\r\n"]), ["100 %"]);
        assert_eq!(lines(&["\r\n", ""]), Vec::<String>::new());
    }

    #[test]
    fn a_line_without_end_comes_in_pieces() {
        let long = "x".repeat(LINE_MAX + 10);
        let seen = lines(&[&long]);
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [LINE_MAX, 10]);
    }

    #[test]
    fn the_script_loses_its_windows_line_ends_and_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        let scratch = Scratch::write(dir.path(), "a\r\nb\n").unwrap();
        let path = scratch.0.join("install.sh");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\nb\n");
        drop(scratch);
        assert!(!path.exists());
    }
}
