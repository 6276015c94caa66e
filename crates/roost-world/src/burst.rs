//! A burst of lines to one classic viewer, and to one reader of the engine's own attach.

use crate::{Engine, Roost, Viewer, http::Person, viewer::Seen};
use anyhow::{Context, ensure};
use bollard::{
    Docker,
    container::LogOutput,
    models::ContainerCreateBody,
    query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder},
};
use futures_util::StreamExt;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

const PATIENCE: Duration = Duration::from_secs(120);

/// Has the server `busy` print so many lines at once; every line comes once and in order. Gives lines a second.
pub async fn rate_of(roost: &Roost, lines: u64) -> anyhow::Result<f64> {
    let admin = Person::sign_in(roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "busy").await?;
    viewer.send("send command", &["say ready"]).await?;
    viewer.line(|line| line == "said ready").await?;
    let begun = Instant::now();
    viewer.send("send command", &[&format!("burst {lines}")]).await?;
    let mut expected = 1;
    while expected <= lines {
        let seen = viewer
            .next()
            .await
            .with_context(|| format!("after line {}", expected - 1))?;
        let Seen::Event(event, args) = seen else {
            anyhow::bail!("closed after line {}: {seen:?}", expected - 1);
        };
        let number = args
            .first()
            .filter(|_| event == "console output")
            .and_then(|line| line.strip_prefix('L')?.split(' ').next()?.parse::<u64>().ok());
        if let Some(number) = number {
            ensure!(
                number == expected,
                "line {} is followed by {number}",
                expected - 1
            );
            expected += 1;
        }
    }
    Ok(lines as f64 / begun.elapsed().as_secs_f64())
}

/// The same for a container with nothing but the engine between it and the reader.
pub async fn rate_of_attach(engine: &Engine, image: &str, lines: u64) -> anyhow::Result<f64> {
    let docker = Docker::connect_with_unix(
        &engine.socket().to_string_lossy(),
        60,
        bollard::API_DEFAULT_VERSION,
    )?
    .negotiate_version()
    .await?;
    let body = ContainerCreateBody {
        image: Some(image.to_owned()),
        cmd: Some(vec!["/bin/chatter".to_owned()]),
        tty: Some(true),
        open_stdin: Some(true),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name("plain").build();
    docker.create_container(Some(options), body).await?;
    let options = AttachContainerOptionsBuilder::default()
        .stream(true)
        .stdin(true)
        .stdout(true)
        .build();
    let mut attached = docker.attach_container("plain", Some(options)).await?;
    docker.start_container("plain", None).await?;
    let begun = Instant::now();
    attached
        .input
        .write_all(format!("burst {lines}\n").as_bytes())
        .await?;
    let mut read = 0;
    let reading = async {
        // The echo of what was typed is one more.
        while read <= lines {
            let output: LogOutput = attached.output.next().await.context("it ended")??;
            read += output.into_bytes().iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, reading)
        .await
        .context("the engine's attach is stuck")??;
    let rate = lines as f64 / begun.elapsed().as_secs_f64();
    engine.remove_container("plain")?;
    Ok(rate)
}
