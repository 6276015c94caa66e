//! Ending everything that a program ever started.
//!
//! The keeper is the reaper of its descendants, so that nothing leaves its tree, however it daemonises. A pass first
//! stops what it finds, until it finds nothing new, so that a fork bomb can't outrun it, then kills it. Passes are
//! repeated by the caller until the keeper has no child left.

use crate::{
    spec::User,
    sys::{self, Forked},
};
use rustix::process::WaitOptions;
use std::{collections::HashSet, path::PathBuf};

/// What the kernel calls a keeper.
pub(crate) const NAME: &std::ffi::CStr = c"roost-keeper";

/// Longest line of ancestors that is followed.
const CHAIN_MAX: usize = 1000;

/// How often a pass looks for processes that were started meanwhile.
const LOOKS: usize = 50;

/// How the tree of one program can be ended.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// The program's user, if nothing else runs as that.
    pub(crate) user: Option<User>,
    /// `cgroup.kill`, if there is one.
    pub(crate) cgroup_kill: Option<PathBuf>,
}

impl Tree {
    /// Kills what can be found. What was started at the same time may live: call again while [`crate::hold`] finds
    /// children.
    pub(crate) fn kill(&self) {
        if let Some(path) = &self.cgroup_kill {
            // The other ways follow anyhow.
            let _ = std::fs::write(path, "1");
        }
        if let Some(user) = self.user.filter(|user| user.exclusive && user.uid != 0) {
            kill_user(user);
        }
        let mut stopped = HashSet::new();
        let mut groups = HashSet::new();
        for _ in 0..LOOKS {
            let mut found_more = false;
            for process in descendants() {
                found_more |= stopped.insert(process.pid);
                groups.insert(process.group);
            }
            if !found_more {
                break;
            }
            // A whole group at once, during which none of it can fork: what forks faster than it is looked at stays
            // in its group.
            for group in &groups {
                let _ = sys::kill(-group, libc::SIGSTOP);
            }
            for pid in &stopped {
                let _ = sys::kill(*pid, libc::SIGSTOP);
            }
        }
        for group in groups {
            let _ = sys::kill(-group, libc::SIGKILL);
        }
        for pid in stopped {
            let _ = sys::kill(pid, libc::SIGKILL);
        }
    }
}

/// A process, as the kernel tells it.
#[derive(Debug, Clone, Copy)]
struct Process {
    pid: i32,
    parent: i32,
    group: i32,
}

/// Kills whatever runs as `user`: one system call as that user, during which nothing can be forked.
pub(crate) fn kill_user(user: User) {
    match sys::fork() {
        Ok(Forked::Child) => {
            let _ = sys::become_user(user.uid, user.gid).and_then(|()| sys::kill(-1, libc::SIGKILL));
            sys::exit_now(0)
        }
        Ok(Forked::Parent(pid)) => {
            let _ = rustix::process::waitpid(rustix::process::Pid::from_raw(pid), WaitOptions::empty());
        }
        Err(_) => {}
    }
}

/// Everything below the keeper that has not ended. A program's group is never the keeper's: it began in a session of
/// its own. Pids are not handed out again as fast as this looks and kills.
fn descendants() -> Vec<Process> {
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let all = processes();
    let mut found = Vec::new();
    let mut parents = vec![me];
    while let Some(parent) = parents.pop() {
        for process in all.iter().filter(|process| process.parent == parent) {
            found.push(*process);
            parents.push(process.pid);
        }
    }
    let own_group = rustix::process::getpgrp().as_raw_nonzero().get();
    found.retain(|process| process.group > 1 && process.group != own_group);
    found
}

#[cfg(test)]
pub(crate) fn children_of(parent: i32) -> Vec<i32> {
    let of_it = processes().into_iter().filter(|process| process.parent == parent);
    of_it.map(|process| process.pid).collect()
}

/// Whether a process was started by a program that some keeper holds, other than one that holds this process, too; or
/// is gone. Nothing leaves the tree of a living keeper. A socket that such programs of the same user must not use is
/// guarded by this: Landlock lets them connect to every one that they can name.
pub fn is_held(pid: i32) -> bool {
    if look_at(&pid.to_string()).is_none() {
        return true;
    }
    let me = i32::try_from(std::process::id()).unwrap_or(0);
    let ours = ancestors(me);
    let keeps = |pid: i32| {
        let name = std::fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
        name.trim_ascii_end() == NAME.to_bytes()
    };
    let theirs = ancestors(pid);
    // A chain that long is made to be long.
    theirs.len() >= CHAIN_MAX
        || theirs
            .into_iter()
            .any(|above| keeps(above) && !ours.contains(&above))
}

/// The processes above one, the nearest first, as far as they can be seen.
fn ancestors(pid: i32) -> Vec<i32> {
    let parent = |pid: &i32| look_at(&pid.to_string()).map(|process| process.parent);
    std::iter::successors(parent(&pid), parent)
        .take_while(|above| *above > 1)
        .take(CHAIN_MAX)
        .collect()
}

/// Every process of the machine.
fn processes() -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| look_at(name.to_str()?)).collect()
}

/// From `/proc/PID/stat`: `pid (name) state parent group ...`, where the name may hold anything.
fn look_at(name: &str) -> Option<Process> {
    let pid = name.parse().ok()?;
    let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let mut fields = rest.split_whitespace().skip(1);
    Some(Process {
        pid,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
    })
}
