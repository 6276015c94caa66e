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
use std::{io, path::Path, path::PathBuf, pin::Pin};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    sync::oneshot,
};

/// Takes a chunk of an installer's output as it came. No more is read before the answer; a receiver that is dropped
/// means that there is no console any more.
pub type Takes<'a> = &'a (dyn Fn(Vec<u8>) -> oneshot::Receiver<()> + Send + Sync);

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;
/// Longest head of the engine's answer to an attach.
const HEAD_MAX: usize = 16 << 10;

impl Engine {
    /// Runs the script and returns how the installer ended; only exit code 0 is a success. What it says goes to `takes`,
    /// what is to be said before it runs to `progress`. There is no time limit: large games take hours. Once it is
    /// called off, an installer at work is killed, and its last words are read. Dropping the future removes it unread.
    pub async fn install(
        &self,
        launch: &Launch,
        rules: &DockerRules,
        script: &InstallScript,
        progress: &(dyn Fn(Notice) + Send + Sync),
        takes: Takes<'_>,
        called_off: impl Future<Output = ()>,
    ) -> Result<Ended, EngineError> {
        tokio::pin!(called_off);
        let (container, stream, _scratch) = tokio::select! {
            begun = self.begin_installer(launch, rules, script, progress) => begun?,
            () = &mut called_off => return Err(EngineError::Unusable("It was killed.".to_owned())),
        };
        let ended = self
            .finish_installer(&container.name, stream, takes, called_off)
            .await;
        container.remove().await;
        ended
    }

    /// The installer, started, and its output.
    async fn begin_installer(
        &self,
        launch: &Launch,
        rules: &DockerRules,
        script: &InstallScript,
        progress: &(dyn Fn(Notice) + Send + Sync),
    ) -> Result<(Container, UnixStream, Scratch), EngineError> {
        let image = ImageName::parse(&script.container_image).ok_or_else(|| {
            EngineError::Unusable(
                "The panel names no image for this server's installer: set one in its egg.".to_owned(),
            )
        })?;
        self.ready_image(&image, Pull::Missing, progress).await?;
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
        let stream = self
            .attach(&container.name)
            .await
            .map_err(|e| self.lost_output(&e))?;
        client
            .start_container(&container.name, None)
            .await
            .map_err(|e| self.failed("start the installer", e))?;
        Ok((container, stream, scratch))
    }

    async fn finish_installer(
        &self,
        name: &str,
        stream: UnixStream,
        takes: Takes<'_>,
        called_off: Pin<&mut impl Future<Output = ()>>,
    ) -> Result<Ended, EngineError> {
        let client = self.client().await?;
        let handed_over = hand_over(stream, takes);
        tokio::pin!(handed_over);
        let all = tokio::select! {
            all = &mut handed_over => all,
            () = called_off => {
                if let Err(error) = client.kill_container(name, None).await {
                    tracing::debug!(container = name, %error, "an installer that was called off could not be killed");
                }
                handed_over.await
            }
        };
        if !all.map_err(|e| self.lost_output(&e))? {
            return Err(EngineError::Unusable(
                "Its output can't be kept: the server was removed, or its console has failed.".to_owned(),
            ));
        }
        let options = WaitContainerOptionsBuilder::default()
            .condition("not-running")
            .build();
        client.wait_container(name, Some(options)).next().await;
        Ok(exit::ended(&self.inspect(name).await?.state))
    }

    fn lost_output(&self, error: &io::Error) -> EngineError {
        self.away(format!("the installer's output was lost: {error}"))
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

/// Hands a stream over, chunk by chunk, each when the one before was taken. False where nobody takes it any more.
async fn hand_over(mut stream: impl AsyncRead + Unpin, takes: Takes<'_>) -> io::Result<bool> {
    let mut chunk = vec![0; CHUNK];
    loop {
        let n = stream.read(&mut chunk).await?;
        if n == 0 {
            return Ok(true);
        }
        if takes(chunk[..n].to_vec()).await.is_err() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_next_chunk_is_read_when_the_last_one_was_taken() {
        let (mut installer, stream) = tokio::io::duplex(8);
        let (chunks, mut came) = tokio::sync::mpsc::unbounded_channel();
        let takes = move |chunk: Vec<u8>| {
            let (reply, answer) = oneshot::channel();
            chunks.send((chunk, reply)).unwrap();
            answer
        };
        let reader = tokio::spawn(async move { hand_over(stream, &takes).await });
        installer.write_all(b"one\xff\r\n\n").await.unwrap();
        let (chunk, reply) = came.recv().await.unwrap();
        assert_eq!(chunk, b"one\xff\r\n\n", "as it came");
        // As much as the pipe holds; the rest has to wait, and with it the installer.
        installer.write_all(b"12345678").await.unwrap();
        let held_up = tokio::time::timeout(std::time::Duration::from_millis(50), installer.write_all(b"9"));
        assert!(held_up.await.is_err(), "nobody reads meanwhile");
        assert!(came.try_recv().is_err());
        reply.send(()).unwrap();
        let (chunk, reply) = came.recv().await.unwrap();
        assert_eq!(chunk, b"12345678");
        reply.send(()).unwrap();
        installer.write_all(b"9").await.unwrap();
        drop(installer);
        let (chunk, reply) = came.recv().await.unwrap();
        assert_eq!(chunk, b"9");
        reply.send(()).unwrap();
        assert!(reader.await.unwrap().unwrap(), "all of it was taken");
    }

    #[tokio::test]
    async fn a_console_that_is_gone_ends_the_reading() {
        let (mut installer, stream) = tokio::io::duplex(8);
        installer.write_all(b"one").await.unwrap();
        let takes = |_: Vec<u8>| oneshot::channel().1;
        assert!(!hand_over(stream, &takes).await.unwrap());
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
