//! Everything that a program ever started, and its end.
//!
//! The keeper is a subreaper: whatever the program starts, also what daemonises, stays among its descendants. When the
//! tree has to end is decided elsewhere.

use crate::sys;
use std::{collections::BTreeMap, path::Path, time::Duration};

/// Rounds of looking and killing: a fork bomb is stopped first, so that few are needed.
const ROUNDS: u32 = 400;
const PAUSE: Duration = Duration::from_millis(5);

/// Kills all descendants of this process, until none is left. `cgroup_kill` ends those in a control group at once.
pub(crate) fn end(cgroup_kill: Option<&Path>) {
    if let Some(file) = cgroup_kill {
        let _ = std::fs::write(file, "1");
    }
    for _ in 0..ROUNDS {
        let living = living();
        if living.is_empty() {
            return;
        }
        for signal in [libc::SIGSTOP, libc::SIGKILL] {
            for pid in &living {
                let _ = sys::kill(*pid, signal);
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// Descendants of this process that are not dead yet.
fn living() -> Vec<i32> {
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let mut children: BTreeMap<i32, Vec<(i32, bool)>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        // pid (name) state ppid ...; the name may hold anything.
        let Some((_, rest)) = stat.rsplit_once(')') else {
            continue;
        };
        let mut fields = rest.split_whitespace();
        let (Some(state), Some(Ok(parent))) = (fields.next(), fields.next().map(str::parse)) else {
            continue;
        };
        children
            .entry(parent)
            .or_default()
            .push((pid, matches!(state, "Z" | "X")));
    }
    let (mut found, mut look) = (Vec::new(), vec![own]);
    while let Some(parent) = look.pop() {
        for (pid, dead) in children.remove(&parent).into_iter().flatten() {
            look.push(pid);
            if !dead {
                found.push(pid);
            }
        }
    }
    found
}
