//! What the limits let pass: a house behind one address, a bot with many sockets, a client whose clock is wrong, viewers
//! behind a proxy.

use super::{Scene, Told, scene};
use anyhow::{Context, ensure};
use futures_util::{StreamExt, stream};
use roost_world::{Viewer, viewer::Seen};
use std::time::{Duration, Instant};

/// A socket with a token of this credential; sockets that are refused say so.
async fn viewer(socket: &str, token: &str) -> anyhow::Result<Viewer> {
    let mut viewer = Viewer::open(socket).await?;
    viewer.send("auth", &[token]).await?;
    match viewer.next().await? {
        Seen::Event(name, _) if name == "auth success" => Ok(viewer),
        other => anyhow::bail!("{other:?}"),
    }
}

fn tokens(scene: &Scene, keys: usize) -> anyhow::Result<Vec<String>> {
    let (mut claims, secret) = scene.claims()?;
    (0..keys)
        .map(|n| {
            claims.credential = format!("key {n}");
            Ok(claims.sign(&secret)?)
        })
        .collect()
}

/// Opens one socket for each token, 200 at once: a thousand take a second or two.
async fn open_all(socket: &str, tokens: &[String]) -> anyhow::Result<Vec<Viewer>> {
    let opening = tokens.iter().map(|token| viewer(socket, token));
    let opened: Vec<_> = stream::iter(opening).buffer_unordered(200).collect().await;
    opened.into_iter().collect()
}

#[tokio::test]
async fn one_address_opens_1000_consoles_at_once_and_holds_2000() -> Told {
    let scene = scene().await?;
    let tokens = tokens(&scene, 2_000)?;
    let begun = Instant::now();
    let mut held = open_all(&scene.socket, &tokens[..1_000]).await?;
    let took = begun.elapsed();
    println!("1,000 consoles in {took:?}");
    ensure!(took < Duration::from_secs(2), "{took:?}");
    held.extend(open_all(&scene.socket, &tokens[1_000..1_990]).await?);
    // The scene's own bystander is among the 2,000.
    let mut refused = None;
    for token in &tokens[1_990..] {
        match viewer(&scene.socket, token).await {
            Ok(viewer) => held.push(viewer),
            Err(e) => refused = Some(format!("{e:#}")),
        }
    }
    let refused = refused.context("more than 2,000 sockets of one address")?;
    ensure!(refused.contains("1013"), "{refused}");
    assert_eq!(held.len(), 1_999);
    drop(held);
    scene.still_fine().await
}

#[tokio::test]
async fn one_key_holds_500_sockets_and_has_them_again_within_a_minute_of_a_restart() -> Told {
    let mut scene = scene().await?;
    let tokens = vec![tokens(&scene, 1)?.remove(0); 500];
    let held = open_all(&scene.socket, &tokens).await?;
    assert_eq!(held.len(), 500);
    scene.roost.kill()?;
    drop(held);
    let begun = Instant::now();
    scene.roost.up()?;
    let again = open_all(&scene.socket, &tokens).await?;
    assert_eq!(again.len(), 500);
    ensure!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn thirty_refused_tokens_shut_no_address_out() -> Told {
    let scene = scene().await?;
    for _ in 0..30 {
        let mut viewer = Viewer::open(&scene.socket).await?;
        viewer.send("auth", &["a.b.c"]).await?;
        ensure!(matches!(viewer.next().await?, Seen::Event(name, _) if name == "jwt error"));
    }
    scene.still_fine().await
}

#[tokio::test]
async fn row_23_behind_a_proxy_that_is_not_trusted_limits_by_address_are_off_and_it_is_said_once() -> Told {
    let scene = scene().await?;
    let mut held = Vec::new();
    for n in 0..100 {
        let forwarded = format!("203.0.113.{n}");
        held.push(Viewer::open_with(&scene.socket, &[("x-forwarded-for", &forwarded)]).await?);
    }
    let log = scene.roost.log();
    assert_eq!(log.matches("--trusted-proxy").count(), 1, "{log}");
    // A forged header is not believed: the audit has the peer.
    drop(held);
    scene.still_fine().await
}
