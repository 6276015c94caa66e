//! The machine went down without a word, as far as a journal can tell: the kernel has another boot id.

use crate::Told;
use anyhow::{Context, ensure};
use roost_world::{Roost, follower::follow, http::Person};
use std::{path::Path, time::Duration};

/// What the kernel's boot id in this file was is another one's now.
fn pretend_another_boot(epoch: &Path) -> Told {
    let text = std::fs::read_to_string(epoch).with_context(|| epoch.display().to_string())?;
    let (boot, rest) = text.split_once('\n').context("one line")?;
    ensure!(boot.starts_with("boot "), "{text}");
    let other = "00000000-0000-4000-8000-000000000001";
    std::fs::write(epoch, format!("boot {other}\n{rest}"))?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_power_cut_a_viewer_is_told_of_another_stream_and_sees_the_lines_anew() -> Told {
    let mut roost = Roost::start()?;
    let program = roost.chatter("--rate 0");
    let made = roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let uuid = made["uuid"].as_str().context("no uuid")?;
    let epoch = roost.data().join("node/journals").join(uuid).join("epoch");
    let admin = Person::sign_in(&roost, "admin").await?;
    let follower = tokio::spawn(follow(
        admin,
        "busy".to_owned(),
        "said the end".to_owned(),
        Duration::from_secs(60),
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    roost.json(&["server", "send", "busy", "say before"])?;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // A killed node alone is nothing to a stream.
    roost.kill()?;
    roost.up()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    roost.kill()?;
    pretend_another_boot(&epoch)?;
    roost.up()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    roost.json(&["server", "send", "busy", "say the end"])?;
    let followed = tokio::time::timeout(Duration::from_secs(30), follower)
        .await
        .context("the viewer did not get to the end")???;
    ensure!(followed.sockets >= 3, "only {} sockets", followed.sockets);
    let reasons: Vec<_> = followed.gaps.iter().map(|gap| &gap["reason"]).collect();
    ensure!(reasons == ["unknown_stream"], "{:?}", followed.gaps);
    let before: Vec<_> = followed
        .lines
        .iter()
        .filter(|(_, text)| text == "said before")
        .collect();
    ensure!(
        before.len() == 2 && before[0] == before[1],
        "once in each stream: {:?}",
        followed.lines
    );
    Ok(())
}
