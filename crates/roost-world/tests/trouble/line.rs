//! Viewers behind a line that delays and cuts: they come back by themselves, and miss nothing.

use crate::{Told, seconds};
use anyhow::{Context, ensure};
use roost_world::{Roost, follower::follow_by, http::Person, proxy::BadLine};
use std::time::Duration;

const VIEWERS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_cuts_and_delays_costs_no_line() -> Told {
    let roost = Roost::start()?;
    let program = roost.chatter("--rate 1000");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let line = BadLine::to(roost.port(), 7).await?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let followers: Vec<_> = (0..VIEWERS)
        .map(|_| {
            tokio::spawn(follow_by(
                admin.clone(),
                "busy".to_owned(),
                "said the end".to_owned(),
                Duration::from_secs(240),
                Some(line.address),
            ))
        })
        .collect();
    tokio::time::sleep(seconds(10, 120)).await;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    roost.json(&["server", "send", "busy", "say the end"])?;
    for follower in followers {
        let followed = tokio::time::timeout(Duration::from_secs(60), follower)
            .await
            .context("a viewer did not get to the end")???;
        ensure!(followed.lines.len() > 3000, "only {} lines", followed.lines.len());
        followed.assert_whole()?;
    }
    let cuts = line.cuts();
    ensure!(cuts > 3 * VIEWERS as u64, "only {cuts} connections were cut");
    Ok(())
}
