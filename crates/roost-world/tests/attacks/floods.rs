//! Rows 1 to 4: too many sockets, too many messages, too little reading.

use super::{Scene, Told, scene};
use anyhow::{Context, ensure};
use roost_world::{Viewer, viewer::Seen};
use std::time::{Duration, Instant};

/// Opens a socket from another address of this machine and says nothing; gives the status of the answer.
async fn open_from(address: &str, scene: &Scene) -> anyhow::Result<(tokio::net::TcpStream, String)> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let socket = tokio::net::TcpSocket::new_v4()?;
    socket.bind(format!("{address}:0").parse()?)?;
    let port = scene.roost.port();
    let mut stream = socket.connect(format!("127.0.0.1:{port}").parse()?).await?;
    let (_, path) = scene.socket.split_once("/api").context("path")?;
    let request = format!(
        "GET /api{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = vec![0; 1024];
    let n = tokio::time::timeout(Duration::from_secs(10), stream.read(&mut head)).await??;
    Ok((stream, String::from_utf8_lossy(&head[..n]).into_owned()))
}

#[tokio::test]
async fn row_1_a_flood_without_tokens_fills_its_own_address_only() -> Told {
    let scene = scene().await?;
    let begun = Instant::now();
    let mut held = Vec::new();
    let mut refused = String::new();
    while held.len() < 200 && refused.is_empty() {
        let (stream, head) = open_from("127.0.0.9", &scene).await?;
        match head.starts_with("HTTP/1.1 101") {
            true => held.push(stream),
            false => refused = head,
        }
    }
    ensure!(
        refused.starts_with("HTTP/1.1 429"),
        "{refused:?} after {}",
        held.len()
    );
    ensure!(refused.to_lowercase().contains("retry-after: 5"), "{refused}");
    ensure!(
        held.len() <= 60 || begun.elapsed() > Duration::from_secs(10),
        "{} at once",
        held.len()
    );
    // Whoever is there, and whoever comes from elsewhere, notices nothing.
    scene.still_fine().await
}

#[tokio::test]
async fn row_2_one_key_with_all_its_sockets_shuts_nobody_out() -> Told {
    let mut scene = scene().await?;
    let (mut claims, secret) = scene.claims()?;
    claims.credential = "a greedy key".to_owned();
    let token = claims.sign(&secret)?;
    let mut held = Vec::new();
    let refused = loop {
        let mut viewer = Viewer::open(&scene.socket).await?;
        viewer.send("auth", &[&token]).await?;
        match viewer.next().await? {
            Seen::Event(name, _) if name == "auth success" => held.push(viewer),
            other => break other,
        }
        ensure!(held.len() <= 500, "more than 500 sockets of one key");
    };
    ensure!(matches!(&refused, Seen::Closed(Some((1013, _)))), "{refused:?}");
    assert_eq!(held.len(), 500);
    // Its user's other key, and everybody else, still get in.
    claims.credential = "another key".to_owned();
    let mut viewer = Viewer::open(&scene.socket).await?;
    viewer.send("auth", &[&claims.sign(&secret)?]).await?;
    assert_eq!(viewer.next().await?, Seen::Event("auth success".into(), vec![]));
    // Half a thousand copies of the line below are on their way.
    scene.bystander = Viewer::join(&scene.admin, "target").await?;
    scene.still_fine().await
}

#[tokio::test]
async fn row_3_a_flood_of_messages_is_told_and_then_closed() -> Told {
    let scene = scene().await?;
    let mut flood = Viewer::join(&scene.admin, "target").await?;
    flood.send("send command", &["say first"]).await?;
    for _ in 0..200 {
        flood.send("send stats", &[]).await?;
    }
    flood
        .wait_for("daemon message", |text| text.contains("at most 20 a second"))
        .await?;
    // The sending may fail: the socket is closed meanwhile.
    for _ in 0..2_000 {
        if flood.send("send stats", &[]).await.is_err() {
            break;
        }
    }
    let end = flood.end().await?;
    ensure!(end.is_none_or(|(code, _)| code == 4429), "another end");
    scene.still_fine().await
}

#[tokio::test]
async fn row_3_a_flood_before_the_first_token_ends_its_socket() -> Told {
    let scene = scene().await?;
    let mut flood = Viewer::open(&scene.socket).await?;
    for _ in 0..2_000 {
        if flood.send("send command", &["say never"]).await.is_err() {
            break;
        }
    }
    let end = flood.end().await?;
    ensure!(
        end.is_none_or(|(code, _)| matches!(code, 4403 | 4429)),
        "another end"
    );
    scene.still_fine().await
}

fn memory_kib(pid: u32) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status
        .lines()
        .find(|l| l.starts_with("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.split_whitespace().nth(1).context("a number")?.parse()?)
}

#[tokio::test]
async fn row_4_viewers_that_never_read_cost_little_memory_and_delay_nobody() -> Told {
    let mut scene = scene().await?;
    let pid = scene.roost.pid().context("pid")?;
    let mut stalled = Vec::new();
    for _ in 0..40 {
        stalled.push(Viewer::join(&scene.admin, "target").await?);
    }
    let before = memory_kib(pid)?;
    scene.bystander.send("send command", &["burst 100000"]).await?;
    scene.bystander.line(|l| l.starts_with("L100000 ")).await?;
    // 8 MB of lines times 40 would be 320 MB.
    let after = memory_kib(pid)?;
    ensure!(after < before + 120 * 1024, "from {before} KiB to {after} KiB");
    drop(stalled);
    scene.still_fine().await
}
