//! Ends all processes of a user: for a server whose keeper was killed and could not end its tree.
//!
//! Whose user id it is, and that nobody else has it, is the caller's to know.

use rustix::process::{Pid, Signal, kill_process};
use std::{fs, thread::sleep, time::Duration};

/// A tree that forks while it is ended needs more than one round.
const ROUNDS: usize = 20;
const PAUSE: Duration = Duration::from_millis(10);

/// Kills every process whose real user is `uid`; how many were seen.
pub(super) fn end_all_of(uid: u32) -> usize {
    let mut ended = 0;
    if uid == 0 {
        return ended;
    }
    for _ in 0..ROUNDS {
        let living = processes_of(uid);
        if living.is_empty() {
            break;
        }
        for pid in living {
            if kill_process(pid, Signal::KILL).is_ok() {
                ended += 1;
            }
        }
        sleep(PAUSE);
    }
    ended
}

fn processes_of(uid: u32) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| is_of(*pid, uid))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Its real user is `uid`, and it is more than a zombie.
fn is_of(pid: i32, uid: u32) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else {
        return false;
    };
    let line = |name: &str| status.lines().find_map(|line| line.strip_prefix(name));
    let real = line("Uid:").and_then(|rest| rest.split_whitespace().next());
    let zombie = line("State:").is_some_and(|rest| rest.trim_start().starts_with('Z'));
    real.and_then(|text| text.parse().ok()) == Some(uid) && !zombie
}
