//! The end of a private engine: nothing of it stays, however it ended.
//!
//! A test that is killed can't clear up. So each engine's directory names its owner, and whoever starts the next engine
//! clears away those whose owner is gone.

use super::bridge;
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command},
    thread,
    time::{Duration, Instant},
};

/// How directories of engines begin.
pub(super) const PREFIX: &str = "roost-engine-";
/// Time that a program gets to end in order.
const PATIENCE: Duration = Duration::from_secs(15);
const OWNER: &str = "owner";

/// Writes down that this process owns the engine in `dir`.
pub(super) fn own(dir: &Path) -> Result<()> {
    let me = std::process::id();
    fs::write(
        dir.join(OWNER),
        format!("{me} {}", started(me).context("no /proc")?),
    )?;
    Ok(())
}

/// Clears up after engines whose owner is gone.
#[expect(clippy::print_stderr, reason = "a test has no other place for it")]
pub(super) fn sweep() {
    let Ok(entries) = fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for dir in entries.flatten().map(|entry| entry.path()) {
        let ours = dir
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with(PREFIX));
        if ours
            && is_orphan(&dir)
            && let Err(e) = clear(&dir)
        {
            eprintln!("an old engine in {} is not cleared away: {e:#}", dir.display());
        }
    }
}

/// A directory without an owner is being made right now.
fn is_orphan(dir: &Path) -> bool {
    let Ok(text) = fs::read_to_string(dir.join(OWNER)) else {
        return false;
    };
    let mut words = text.split(' ');
    let pid = words.next().and_then(|word| word.parse().ok());
    pid.is_some_and(|pid: u32| started(pid).as_deref() != words.next())
}

/// Asks a program to end, and makes it.
pub(super) fn terminate(mut child: Child) {
    let _ = kill_process(Pid::from_child(&child), Signal::TERM);
    let begun = Instant::now();
    while begun.elapsed() < PATIENCE {
        if !matches!(child.try_wait(), Ok(None)) {
            return;
        }
        thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = child.wait();
}

/// Ends what still runs out of `dir`, unmounts what is mounted below it, and removes bridge and directory.
pub(super) fn clear(dir: &Path) -> Result<()> {
    let begun = Instant::now();
    loop {
        let left = running(dir);
        if left.is_empty() {
            break;
        }
        ensure!(begun.elapsed() < PATIENCE, "processes {left:?} do not end");
        for pid in left.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            let _ = kill_process(pid, Signal::KILL);
        }
        thread::sleep(Duration::from_millis(50));
    }
    for mount in mounts(dir) {
        // Lazily: a process that is just ending may still stand in it.
        let _ = Command::new("umount").arg("-l").arg(&mount).output();
    }
    bridge::remove(dir);
    remove_cgroups(dir);
    fs::remove_dir_all(dir).with_context(|| format!("{} can't be removed", dir.display()))
}

/// Processes that name `dir` on their command line (dockerd, containerd, and the shim of each container), and all
/// their descendants (what runs in the containers). The directory's name is unique, so they are this engine's.
fn running(dir: &Path) -> Vec<i32> {
    let name = dir.to_string_lossy().into_owned();
    let me = std::process::id().cast_signed();
    let mut all = Vec::new();
    for pid in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = pid.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
        let program = String::from_utf8_lossy(program).into_owned();
        let known = [
            "dockerd",
            "containerd",
            "containerd-shim-runc-v2",
            "docker-proxy",
            "runc",
        ]
        .iter()
        .any(|known| program.rsplit('/').next() == Some(known));
        let named = known && String::from_utf8_lossy(&command).contains(&name);
        all.push((pid, parent(pid), named));
    }
    let mut found: Vec<i32> = all
        .iter()
        .filter(|(.., named)| *named)
        .map(|(pid, ..)| *pid)
        .collect();
    let mut at = 0;
    while let Some(above) = found.get(at).copied() {
        let below = all
            .iter()
            .filter(|(pid, parent, _)| *parent == Some(above) && !found.contains(pid));
        let below: Vec<i32> = below.map(|(pid, ..)| *pid).collect();
        found.extend(below);
        at += 1;
    }
    found.retain(|pid| *pid != me && *pid != 1);
    found
}

/// Mount points below `dir`, the deepest first.
fn mounts(dir: &Path) -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let mut below: Vec<PathBuf> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(PathBuf::from)
        .filter(|mount| mount.starts_with(dir))
        .collect();
    below.sort_by_key(|mount| std::cmp::Reverse(mount.components().count()));
    below
}

/// The parent cgroup of an engine's containers.
pub(super) fn cgroup(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default();
    format!("/{}", name.to_string_lossy())
}

/// Removes cgroups that containers left behind: one tree on cgroups v2, one a controller on v1.
fn remove_cgroups(dir: &Path) {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = fs::read_dir(root)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path());
    for place in controllers.chain([root.to_owned()]) {
        let own = place.join(cgroup(dir).trim_start_matches('/'));
        for container in fs::read_dir(&own).into_iter().flatten().flatten() {
            // Only directories can be removed, and only empty cgroups.
            let _ = fs::remove_dir(container.path());
        }
        let _ = fs::remove_dir(&own);
    }
}

/// Fields of `/proc/PID/stat` behind the program's name.
fn stat(pid: u32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = text.rsplit_once(')')?;
    Some(fields.split_whitespace().map(str::to_owned).collect())
}

/// When a living process started, in ticks since boot: with its id it names a process for good.
fn started(pid: u32) -> Option<String> {
    let fields = stat(pid)?;
    let dead = matches!(fields.first()?.as_str(), "Z" | "X");
    if dead { None } else { fields.get(19).cloned() }
}

fn parent(pid: i32) -> Option<i32> {
    stat(pid.cast_unsigned())?.get(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_an_orphan_once_its_owner_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!is_orphan(dir.path()), "no owner yet");
        own(dir.path()).unwrap();
        assert!(!is_orphan(dir.path()), "this process lives");
        // The same process id, but of a process that started at another time.
        fs::write(dir.path().join(OWNER), format!("{} 1", std::process::id())).unwrap();
        assert!(is_orphan(dir.path()));
    }
}
