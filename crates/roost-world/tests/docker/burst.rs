//! A burst of 200,000 lines to one classic viewer: whole under both runtimes, and as fast as the design asks.
//!
//! A container's rate is compared with that of the engine's own attach in the same run. Where the machine has other
//! work, the rate is printed, and only that ratio counts.

use anyhow::{Context, ensure};
use bollard::{
    Docker,
    container::LogOutput,
    models::ContainerCreateBody,
    query_parameters::{AttachContainerOptionsBuilder, CreateContainerOptionsBuilder},
};
use futures_util::StreamExt;
use roost_world::{Engine, Roost, Viewer, chatter, http::Person, viewer::Seen};
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;

type Told = anyhow::Result<()>;

const LINES: u64 = 200_000;
/// Lines a second; a machine that is busy otherwise does several times as many.
const BAR: f64 = 40_000.0;
/// Of the engine's own attach.
const RATIO: f64 = 0.5;
const PATIENCE: Duration = Duration::from_secs(120);

/// Has the server print the burst; every line comes once and in order. Gives lines a second.
async fn rate_of(roost: &Roost) -> anyhow::Result<f64> {
    let admin = Person::sign_in(roost, "admin").await?;
    let mut viewer = Viewer::join(&admin, "busy").await?;
    viewer.send("send command", &["say ready"]).await?;
    viewer.line(|line| line == "said ready").await?;
    let begun = Instant::now();
    viewer.send("send command", &[&format!("burst {LINES}")]).await?;
    let mut expected = 1;
    while expected <= LINES {
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
    Ok(LINES as f64 / begun.elapsed().as_secs_f64())
}

/// The same of a container with nothing but the engine between it and the reader.
async fn rate_of_attach(engine: &Engine, image: &str) -> anyhow::Result<f64> {
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
        .write_all(format!("burst {LINES}\n").as_bytes())
        .await?;
    let mut lines = 0;
    let read = async {
        // The echo of what was typed is one more.
        while lines <= LINES {
            let output: LogOutput = attached.output.next().await.context("it ended")??;
            lines += output.into_bytes().iter().filter(|&&byte| byte == b'\n').count() as u64;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .context("the engine's attach is stuck")??;
    Ok(LINES as f64 / begun.elapsed().as_secs_f64())
}

#[tokio::test]
async fn a_burst_of_a_process_reaches_a_classic_viewer_whole() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "busy",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let rate = rate_of(&roost).await?;
    println!("process: {LINES} lines to a classic viewer at {rate:.0} lines/s");
    ensure!(rate >= BAR, "{rate:.0} lines/s, at least {BAR} are wanted");
    Ok(())
}

#[tokio::test]
async fn a_burst_of_a_container_reaches_a_classic_viewer_whole() -> Told {
    let engine = crate::trouble::engine("{}")?;
    let floor = rate_of_attach(&engine, crate::trouble::IMAGE).await?;
    engine.remove_container("plain")?;
    let roost = crate::trouble::roost(&engine.socket(), 0)?;
    let rate = rate_of(&roost).await?;
    println!("container: {LINES} lines at {rate:.0} lines/s, the engine's own attach {floor:.0}");
    ensure!(
        rate >= BAR && rate >= RATIO * floor,
        "{rate:.0} lines/s of {floor:.0} that the engine's own attach does; at least {BAR} and {RATIO} of that are wanted"
    );
    let numbers = chatter::numbers(&roost, "busy")?;
    ensure!(
        numbers.len() as u64 == LINES,
        "{} lines in the journal",
        numbers.len()
    );
    chatter::assert_each_once(&numbers)
}
