//! A node that is killed again and again while its server writes, viewers resume and nobody else notices.

use crate::{
    Roost, Viewer,
    chatter::{assert_each_once, numbers},
    follower::follow,
    http::Person,
};
use anyhow::{Context, ensure};
use std::time::Duration;

/// The process id of a server's program.
pub fn pid(roost: &Roost, server: &str) -> anyhow::Result<u64> {
    roost.json(&["server", "show", server])?["pid"]
        .as_u64()
        .context("the server has no pid")
}

/// Viewers that come back after each kill.
pub const RESUMING: usize = 20;

/// Kills the node so often while `busy` writes a thousand lines a second and viewers follow it. Fails if a line is
/// missing or comes twice, for a viewer or in the journal, or if the server's program did not live on. Gives the lines.
pub async fn again_and_again(roost: &mut Roost, kills: usize) -> anyhow::Result<usize> {
    let before = pid(roost, "busy")?;
    let admin = Person::sign_in(roost, "admin").await?;
    let followers: Vec<_> = (0..RESUMING)
        .map(|_| {
            let last = "said the end".to_owned();
            tokio::spawn(follow(
                admin.clone(),
                "busy".to_owned(),
                last,
                Duration::from_secs(300),
            ))
        })
        .collect();
    for round in 1..=kills {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        roost.kill()?;
        tokio::time::sleep(Duration::from_millis(700)).await;
        roost.up()?;
        ensure!(
            living_pid(roost, "busy").await? == before,
            "kill {round}: another process"
        );
    }
    let mut viewer = Viewer::join(&admin, "busy").await?;
    viewer.send("send command", &["rate 0"]).await?;
    viewer.send("send command", &["say the end"]).await?;
    viewer.line(|l| l == "said the end").await?;
    for follower in followers {
        let followed = tokio::time::timeout(Duration::from_secs(30), follower)
            .await
            .context("a follower did not get to the end")???;
        ensure!(followed.sockets > kills, "only {} sockets", followed.sockets);
        ensure!(
            followed.lines.len() > 1000 * kills,
            "only {} lines",
            followed.lines.len()
        );
        followed.assert_whole()?;
    }
    let numbers = numbers(roost, "busy")?;
    ensure!(numbers.len() > 1000 * kills, "only {} lines", numbers.len());
    assert_each_once(&numbers)?;
    Ok(numbers.len())
}

/// The same; a node that has just come back may still be looking for it.
pub async fn living_pid(roost: &Roost, server: &str) -> anyhow::Result<u64> {
    let begun = std::time::Instant::now();
    loop {
        match pid(roost, server) {
            Err(_) if begun.elapsed() < Duration::from_secs(10) => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            found => return found,
        }
    }
}
