//! The figures of a process tree: memory and CPU from its control group where it has one, else from /proc, summed over
//! everything below one process. Its age is that process's.
//!
//! A process's own network can't be told apart from others', so it is 0 and marked as not measured. Disk use is the
//! actor's business.

use super::{Sample, cgroup::Group};
use std::{collections::BTreeMap, time::Duration, time::Instant};

/// Time between two samples.
const PAUSE: Duration = Duration::from_secs(1);
/// Clock ticks a second, as the kernel reports them to programs on every Linux that Roost runs on.
const TICKS: f64 = 100.0;
const NS_A_TICK: u64 = 10_000_000;

/// Measures the tree below a process, that process included.
#[derive(Debug)]
pub struct TreeMeter {
    root: u32,
    group: Option<Group>,
    machine_bytes: u64,
    /// When, and CPU time until then in nanoseconds.
    last: Option<(Instant, u64)>,
}

#[derive(Debug, Default)]
struct Tree {
    cpu_ns: u64,
    resident_bytes: u64,
    age: Duration,
}

impl TreeMeter {
    /// For the tree of `root`, which is all that is in `group`.
    pub(super) fn new(root: u32, group: Option<Group>) -> Self {
        Self {
            root,
            group,
            machine_bytes: machine_bytes(),
            last: None,
        }
    }

    /// The next sample, a second after the last; `None` when the process is gone.
    pub async fn next(&mut self) -> Option<Sample> {
        let (at, earlier) = match self.last {
            Some(last) => {
                tokio::time::sleep_until((last.0 + PAUSE).into()).await;
                last
            }
            None => {
                let first = (Instant::now(), self.read()?.0.cpu_ns);
                tokio::time::sleep(PAUSE / 5).await;
                first
            }
        };
        let (tree, limit) = self.read()?;
        let now = Instant::now();
        self.last = Some((now, tree.cpu_ns));
        let used = tree.cpu_ns.saturating_sub(earlier) as f64 / 1e9;
        let percent = 100.0 * used / (now - at).as_secs_f64().max(0.001);
        Some(Sample {
            memory_bytes: tree.resident_bytes,
            memory_limit_bytes: limit,
            cpu_absolute: (percent * 1000.0).round() / 1000.0,
            uptime: u64::try_from(tree.age.as_millis()).unwrap_or(u64::MAX),
            network_measured: false,
            ..Sample::default()
        })
    }

    /// What is used now, and how much memory may be.
    fn read(&self) -> Option<(Tree, u64)> {
        let Some(usage) = self.group.as_ref().map(Group::usage) else {
            return Some((read_tree(self.root)?, self.machine_bytes));
        };
        let limit = usage.memory_limit.unwrap_or(self.machine_bytes);
        if let (Some(resident_bytes), Some(cpu_ns)) = (usage.memory, usage.cpu_ns) {
            // Nobody else's processes have to be looked at.
            let age = age(look_at(self.root)?.began);
            let tree = Tree {
                cpu_ns,
                resident_bytes,
                age,
            };
            return Some((tree, limit));
        }
        let mut tree = read_tree(self.root)?;
        tree.resident_bytes = usage.memory.unwrap_or(tree.resident_bytes);
        tree.cpu_ns = usage.cpu_ns.unwrap_or(tree.cpu_ns);
        Some((tree, limit))
    }
}

/// A process, as the kernel tells it.
#[derive(Debug, Clone, Copy)]
struct Process {
    parent: u32,
    /// Its own time and that of children it has waited for.
    ticks: u64,
    /// Pages in memory.
    pages: u64,
    /// Ticks after the machine's start.
    began: u64,
}

fn look_at(pid: u32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let number = |at: usize| {
        fields
            .get(at)
            .and_then(|field| field.parse::<u64>().ok())
            .unwrap_or(0)
    };
    Some(Process {
        parent: u32::try_from(number(1)).unwrap_or(0),
        ticks: number(11) + number(12) + number(13) + number(14),
        pages: number(21),
        began: number(19),
    })
}

fn read_tree(root: u32) -> Option<Tree> {
    let mut processes = BTreeMap::new();
    let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        if let Some(process) = look_at(pid) {
            children.entry(process.parent).or_default().push(pid);
            processes.insert(pid, process);
        }
    }
    let mut tree = Tree {
        age: age(processes.get(&root)?.began),
        ..Tree::default()
    };
    let mut look = vec![root];
    while let Some(pid) = look.pop() {
        if let Some(process) = processes.get(&pid) {
            tree.cpu_ns += process.ticks * NS_A_TICK;
            tree.resident_bytes += process.pages * 4096;
        }
        look.extend(children.remove(&pid).into_iter().flatten());
    }
    Some(tree)
}

fn age(began_ticks: u64) -> Duration {
    let up = std::fs::read_to_string("/proc/uptime")
        .ok()
        .and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok())
        .unwrap_or(0.0);
    Duration::from_secs_f64((up - began_ticks as f64 / TICKS).max(0.0))
}

/// Memory of the machine.
fn machine_bytes() -> u64 {
    std::fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| {
            text.lines()
                .next()?
                .split_whitespace()
                .nth(1)?
                .parse::<u64>()
                .ok()
        })
        .unwrap_or(0)
        * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_busy_tree_is_measured_with_its_children() {
        // The busy child ends by itself.
        let script = "timeout 5 sh -c 'while :; do :; done' & wait";
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", script])
            .spawn()
            .unwrap();
        let mut meter = TreeMeter::new(child.id(), None);
        meter.next().await.unwrap();
        let sample = meter.next().await.unwrap();
        let busy = read_tree(child.id()).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(sample.cpu_absolute > 20.0, "{sample:?}");
        assert!(
            sample.memory_bytes > 100_000 && sample.uptime >= 1000,
            "{sample:?}"
        );
        assert!(!sample.network_measured && busy.cpu_ns > 0);
    }
}
