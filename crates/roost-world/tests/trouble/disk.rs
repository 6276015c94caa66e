//! The journals' disk is full, or that of the whole data directory, and then it is not.

use crate::Told;
use anyhow::{Context, ensure};
use roost_console::Limits;
use roost_wire::{
    clock::{Clock, SystemClock},
    node_api::Source,
};
use roost_world::{
    Roost, Viewer,
    chatter::{assert_each_once, numbers},
    follower::follow,
    http::Person,
    roost::target_dir,
};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// A small disk of its own at a path; taken away when dropped. Needs root.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn at(path: &Path, options: &str) -> anyhow::Result<Self> {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", options, "roost-test"])
            .arg(path)
            .status()
            .context("mount")?;
        ensure!(
            mounted.success(),
            "a small disk can't be mounted: this test needs root"
        );
        Ok(Self(path.to_owned()))
    }

    /// Fills it to the last byte; again, where something was given back meanwhile.
    fn fill(&self) -> anyhow::Result<()> {
        let mut ballast = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.0.join("ballast"))?;
        let mut piece = vec![0; 64 << 10];
        while !piece.is_empty() {
            // What does not fit whole is tried in halves, down to the last byte.
            if ballast.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
        Ok(())
    }

    fn make_room(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(self.0.join("ballast"))?)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_no_server_and_no_viewer_and_what_came_is_written_when_there_is_room() -> Told {
    let mut roost = Roost::start()?;
    roost.terminate()?;
    let disk = SmallDisk::at(&roost.data().join("node/journals"), "size=6m,mode=700")?;
    roost.up()?;
    let program = roost.chatter("--rate 1000");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let pid = roost.json(&["server", "show", "busy"])?["pid"].clone();
    let admin = Person::sign_in(&roost, "admin").await?;
    let follower = tokio::spawn(follow(
        admin.clone(),
        "busy".to_owned(),
        "said the end".to_owned(),
        Duration::from_secs(60),
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut watcher = Viewer::join(&admin, "busy").await?;
    disk.fill()?;
    // Whoever watches is told at once why nothing comes.
    watcher
        .wait_for("daemon message", |text| text.contains("can't be written"))
        .await?;
    drop(watcher);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let shown = roost.json(&["server", "show", "busy"])?;
    ensure!(shown["state"] == "running" && shown["pid"] == pid, "{shown}");
    disk.make_room()?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    roost.json(&["server", "send", "busy", "say the end"])?;
    let followed = tokio::time::timeout(Duration::from_secs(30), follower)
        .await
        .context("the viewer did not get to the end")???;
    ensure!(followed.lines.len() > 4000, "only {} lines", followed.lines.len());
    followed.assert_whole()?;
    let is_told = |(_, text): &(u64, String)| text.contains("could not be written for");
    ensure!(
        followed.lines.iter().any(is_told),
        "the viewer was told nothing of the disk"
    );
    let numbers = numbers(&roost, "busy")?;
    ensure!(numbers.len() > 5000, "only {} lines", numbers.len());
    assert_each_once(&numbers)?;
    // All of it is on the disk: a killed node has it.
    roost.kill()?;
    roost.up()?;
    let begun = Instant::now();
    while roost.json(&["server", "show", "busy"])?["state"] != "running" {
        ensure!(begun.elapsed() < Duration::from_secs(10), "it does not come back");
        std::thread::sleep(Duration::from_millis(100));
    }
    let again = roost_world::chatter::numbers(&roost, "busy")?;
    ensure!(
        again == numbers,
        "{} lines are left of {}",
        again.len(),
        numbers.len()
    );
    drop(roost);
    Ok(())
}

/// Adds a line of ten days ago to a journal that no node has open: its file is to be closed at the next look, which
/// takes room.
fn add_an_old_line(journal: &Path) -> Told {
    let now = SystemClock.now();
    let limits = Limits {
        journal_bytes: 1 << 30,
        journal_age: 0,
        disk_free_percent: 0,
        ring_bytes: 0,
    };
    let (mut writer, _, recovery) = roost_console::open(journal, "Roost", limits, now)?;
    ensure!(recovery.notes.is_empty(), "{:?}", recovery.notes);
    writer.notice(Source::Daemon, "ten days ago", now - 10 * 86_400_000)?;
    Ok(writer.close().run()?)
}

/// All lines of a server.
fn said(roost: &Roost, server: &str) -> anyhow::Result<Vec<String>> {
    let lines = roost.json_lines(&["server", "logs", server, "--all"])?;
    let texts = lines.iter().filter_map(|line| line["text"].as_str());
    Ok(texts.map(str::to_owned).collect())
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> anyhow::Result<bool>) -> Told {
    let begun = Instant::now();
    while !is_so()? {
        ensure!(begun.elapsed() < Duration::from_secs(15), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

#[test]
fn a_node_that_is_started_on_a_full_disk_takes_up_servers_with_old_lines() -> Told {
    let mut roost = Roost::start()?;
    roost.terminate()?;
    let journals = roost.data().join("node/journals");
    let disk = SmallDisk::at(&journals, "size=6m,mode=700")?;
    roost.up()?;
    let told = started_on_a_full_disk(&mut roost, &disk, &journals);
    if told.is_err() {
        // Where the disk stays full, the server's end can't be written down.
        let _ = disk.make_room();
    }
    drop(roost);
    told
}

fn started_on_a_full_disk(roost: &mut Roost, disk: &SmallDisk, journals: &Path) -> Told {
    let program = roost.chatter("--rate 0");
    let made = roost.json(&["server", "create", "quiet", "--command", &program, "--start"])?;
    let uuid = made["uuid"].as_str().context("no uuid")?;
    let pid = roost.json(&["server", "show", "quiet"])?["pid"].clone();
    roost.terminate()?;
    add_an_old_line(&journals.join(uuid))?;
    let is_taken_up = |roost: &Roost| {
        let shown = roost.json(&["server", "show", "quiet"])?;
        Ok(shown["state"] == "running" && shown["pid"] == pid)
    };
    // Started after an end in order, and again after a kill.
    for _ in 0..2 {
        disk.fill()?;
        roost.up()?;
        wait_until("the server is not taken up", || is_taken_up(roost))?;
        let lines = said(roost, "quiet")?;
        ensure!(lines.iter().any(|line| line == "ten days ago"), "{lines:?}");
        roost.kill()?;
    }
    disk.fill()?;
    roost.up()?;
    wait_until("the server is not taken up", || is_taken_up(roost))?;
    roost.json(&["server", "send", "quiet", "say still there"])?;
    std::thread::sleep(Duration::from_secs(1));
    disk.make_room()?;
    wait_until("what was said does not come", || {
        Ok(said(roost, "quiet")?
            .iter()
            .any(|line| line == "said still there"))
    })?;
    ensure!(!roost.log().contains("could not be taken up"), "{}", roost.log());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_data_directory_is_told_and_everything_works_again_once_there_is_room() -> Told {
    let mut roost = Roost::start()?;
    roost.terminate()?;
    // It begins anew on a disk of its own.
    std::fs::remove_dir_all(roost.data())?;
    std::fs::create_dir(roost.data())?;
    // The keeper's copy of the program lies there, too.
    let program = std::fs::metadata(target_dir().join("roost"))?.len();
    let disk = SmallDisk::at(&roost.data(), &format!("size={},mode=755", program + (64 << 20)))?;
    roost.up()?;
    let program = roost.chatter("--rate 200");
    roost.json(&["server", "create", "busy", "--command", &program, "--start"])?;
    let admin = Person::sign_in(&roost, "admin").await?;
    let follower = tokio::spawn(follow(
        admin.clone(),
        "busy".to_owned(),
        "said the end".to_owned(),
        Duration::from_secs(60),
    ));
    tokio::time::sleep(Duration::from_secs(1)).await;
    refuse_for_want_of_room(&roost, &disk)?;
    let shown = roost.json(&["server", "show", "busy"])?;
    ensure!(shown["state"] == "running", "{shown}");
    let console = admin.get("/api/client/servers/busy/websocket").await?;
    ensure!(console.status == 200, "no console: {}", console.text);
    let stranger = Person::sign_in(&roost, "admin").await;
    ensure!(stranger.is_err_and(|why| why.to_string().contains("507")));
    tokio::time::sleep(Duration::from_secs(1)).await;
    disk.make_room()?;
    roost.json(&["server", "send", "busy", "rate 0"])?;
    roost.json(&["server", "create", "second", "--command", &program])?;
    Person::sign_in(&roost, "admin").await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    roost.json(&["server", "send", "busy", "say the end"])?;
    let followed = tokio::time::timeout(Duration::from_secs(30), follower)
        .await
        .context("the viewer did not get to the end")???;
    followed.assert_whole()?;
    let numbers = numbers(&roost, "busy")?;
    ensure!(numbers.len() > 400, "only {} lines", numbers.len());
    assert_each_once(&numbers)?;
    let said = roost
        .log()
        .matches("the disk of the panel's database is full")
        .count();
    ensure!(said == 1, "said {said} times:\n{}", roost.log());
    drop(roost);
    Ok(())
}

/// Fills the disk and types until the panel has no room for the audit of it.
fn refuse_for_want_of_room(roost: &Roost, disk: &SmallDisk) -> Told {
    let begun = Instant::now();
    loop {
        disk.fill()?;
        let sent = roost.cli(&["server", "send", "busy", "say still there"])?;
        if !sent.status.success() {
            let error = String::from_utf8_lossy(&sent.stderr);
            ensure!(
                error.contains("disk of the panel's database is full"),
                "it says: {error}"
            );
            return Ok(());
        }
        ensure!(
            begun.elapsed() < Duration::from_secs(20),
            "the disk is full, and commands are taken"
        );
    }
}
