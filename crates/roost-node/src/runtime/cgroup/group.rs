//! The control group of one server: made, measured, emptied, removed.
//!
//! With v1 it is a directory in several trees, with v2 one. What it is made of is written beside the keeper's socket,
//! so that the node's next life finds it wherever that life itself is placed. Who is put in it is the keeper's work.

use super::{Base, Groups, Lack, Limit, Limits, Version, make_dir, words, write};
use crate::config::replace_file;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::sleep,
    time::Duration,
};
use uuid::Uuid;

/// Its description in the keeper's directory.
const FILE: &str = "cgroup.json";
/// Length of a CPU period in microseconds; the quota is a share of it.
const CPU_PERIOD_US: u64 = 100_000;
/// The kernel lets go of ended processes a moment later; what ends them may need several rounds.
const ROUNDS: usize = 100;
const PAUSE: Duration = Duration::from_millis(10);

/// Where one controller's files of the server lie.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    version: Version,
    dir: PathBuf,
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::runtime) struct Group {
    memory: Option<Part>,
    cpu: Option<Part>,
    accounting: Option<Part>,
    pids: Option<Part>,
    /// How often the kernel had ended something in it for want of memory before this run.
    #[serde(default)]
    oom_kills_before: u64,
}

/// What the programs in it use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::runtime) struct Usage {
    /// Bytes without the page cache that the kernel would give back at once, as for containers.
    pub(in crate::runtime) memory: Option<u64>,
    /// Most bytes, if there is such a limit.
    pub(in crate::runtime) memory_limit: Option<u64>,
    /// CPU time so far, in nanoseconds.
    pub(in crate::runtime) cpu_ns: Option<u64>,
}

impl Group {
    pub(super) fn make(groups: &Groups, server: Uuid, limits: &Limits) -> (Option<Self>, Vec<Lack>) {
        let mut lacks = groups.lacks(limits);
        let name = format!("roost-{server}");
        let place =
            |base: &Result<Base, String>| -> Option<Result<Part, String>> {
                let base = base.as_ref().ok()?;
                let dir = base.dir.join(&name);
                let made = make_dir(&dir).map(|()| Part {
                    version: base.version,
                    dir: dir.clone(),
                });
                Some(made.map_err(|error| {
                    format!("The control group {} could not be made ({error}).", dir.display())
                }))
            };
        let mut limited = |limit: Limit, base, is_set: bool, set: &dyn Fn(&Part) -> io::Result<()>| {
            let part = match place(base)? {
                Ok(part) => part,
                Err(why) => {
                    lacks.extend(is_set.then_some((limit, why)));
                    return None;
                }
            };
            if let Err(error) = set(&part)
                && is_set
            {
                let why = format!("The control group {} refused it ({error}).", part.dir.display());
                lacks.push((limit, why));
            }
            Some(part)
        };
        let memory = limited(Limit::Memory, &groups.memory, limits.memory.is_some(), &|part| {
            part.limit_memory(limits)
        });
        let cpu = limited(Limit::Cpu, &groups.cpu, limits.cpu.is_some(), &|part| {
            part.limit_cpu(limits.cpu)
        });
        let pids = limited(Limit::Pids, &groups.pids, limits.pids.is_some(), &|part| {
            let most = limits
                .pids
                .map_or_else(|| "max".to_owned(), |most| most.to_string());
            write(&part.dir.join("pids.max"), &most)
        });
        lacks.sort();
        let mut group = Self {
            memory,
            cpu,
            accounting: place(&groups.accounting).and_then(Result::ok),
            pids,
            oom_kills_before: 0,
        };
        group.oom_kills_before = group.oom_kills();
        ((!group.dirs().is_empty()).then_some(group), lacks)
    }

    /// The group that is written down in a keeper's directory.
    pub(in crate::runtime) fn load(keeper_dir: &Path) -> Option<Self> {
        let text = match fs::read(keeper_dir.join(FILE)) {
            Ok(text) => text,
            Err(error) => {
                if error.kind() != io::ErrorKind::NotFound {
                    tracing::warn!(dir = %keeper_dir.display(), %error, "a server's control group is not known");
                }
                return None;
            }
        };
        serde_json::from_slice(&text)
            .map_err(|error| {
                tracing::warn!(dir = %keeper_dir.display(), %error, "a server's control group is not known");
            })
            .ok()
    }

    /// Writes it down there.
    pub(in crate::runtime) fn save(&self, keeper_dir: &Path) -> io::Result<()> {
        replace_file(&keeper_dir.join(FILE), &serde_json::to_vec(self)?)
    }

    fn dirs(&self) -> Vec<&Path> {
        let parts = [&self.memory, &self.cpu, &self.accounting, &self.pids];
        let mut dirs: Vec<&Path> = parts
            .into_iter()
            .flatten()
            .map(|part| part.dir.as_path())
            .collect();
        dirs.sort_unstable();
        dirs.dedup();
        dirs
    }

    /// What a program writes itself into to be in it.
    pub(in crate::runtime) fn doors(&self) -> Vec<PathBuf> {
        self.dirs().iter().map(|dir| dir.join("cgroup.procs")).collect()
    }

    /// The file that ends everything in it, where the kernel has one.
    pub(in crate::runtime) fn kill_file(&self) -> Option<PathBuf> {
        let mut files = self.dirs().into_iter().map(|dir| dir.join("cgroup.kill"));
        files.find(|file| file.is_file())
    }

    /// What the programs in it use now. Blocks for a few reads of memory.
    pub(in crate::runtime) fn usage(&self) -> Usage {
        let memory = self.memory.as_ref();
        Usage {
            memory: memory.and_then(Part::memory),
            memory_limit: memory.and_then(Part::memory_limit),
            cpu_ns: self.accounting.as_ref().and_then(Part::cpu_ns),
        }
    }

    /// Whether the kernel ended something in it for want of memory during this run.
    pub(in crate::runtime) fn ran_out_of_memory(&self) -> bool {
        self.oom_kills() > self.oom_kills_before
    }

    fn oom_kills(&self) -> u64 {
        let Some(part) = &self.memory else {
            return 0;
        };
        let file = match part.version {
            Version::V1 => "memory.oom_control",
            Version::V2 => "memory.events",
        };
        value(&part.dir.join(file), "oom_kill").unwrap_or(0)
    }

    /// Ends what is still in it, and removes it and its description; how many processes were ended. Blocks.
    pub(in crate::runtime) fn close(&self, keeper_dir: &Path) -> usize {
        let ended = self.end_all();
        let mut is_gone = true;
        for dir in self.dirs() {
            if let Err(error) = remove(dir) {
                is_gone = false;
                tracing::warn!(dir = %dir.display(), %error, "a control group could not be removed; the server's next end tries it again");
            }
        }
        if is_gone && let Err(error) = fs::remove_file(keeper_dir.join(FILE)) {
            tracing::warn!(dir = %keeper_dir.display(), %error, "the description of a control group could not be removed");
        }
        ended
    }

    /// Ends all that is in it, without its keeper; how many processes were ended. Blocks.
    pub(in crate::runtime) fn end_all(&self) -> usize {
        let own = rustix::process::getpid();
        let mut ended = 0;
        for _ in 0..ROUNDS {
            let names = self
                .dirs()
                .into_iter()
                .flat_map(|dir| words(&dir.join("cgroup.procs")));
            let numbers = names.filter_map(|name| name.parse().ok());
            let mut living: Vec<_> = numbers.filter_map(rustix::process::Pid::from_raw).collect();
            living.sort_unstable_by_key(|pid| pid.as_raw_nonzero());
            living.dedup();
            living.retain(|pid| *pid != own);
            if living.is_empty() {
                break;
            }
            if let Some(file) = self.kill_file() {
                // The other way follows anyhow.
                let _ = write(&file, "1");
            }
            for pid in living {
                if rustix::process::kill_process(pid, rustix::process::Signal::KILL).is_ok() {
                    ended += 1;
                }
            }
            sleep(PAUSE);
        }
        ended
    }
}

impl Part {
    fn limit_memory(&self, limits: &Limits) -> io::Result<()> {
        let file = |name: &str| self.dir.join(name);
        let both = |memory: u64| limits.swap.map(|swap| memory.saturating_add(swap));
        match self.version {
            Version::V1 => {
                let (memory, with_swap) =
                    (file("memory.limit_in_bytes"), file("memory.memsw.limit_in_bytes"));
                let unlimited = || "-1".to_owned();
                let accounts_swap = with_swap.is_file();
                if accounts_swap {
                    // It may never be below the other, which is set in between.
                    write(&with_swap, "-1")?;
                }
                write(
                    &memory,
                    &limits.memory.map_or_else(unlimited, |most| most.to_string()),
                )?;
                if accounts_swap && let Some(both) = limits.memory.and_then(both) {
                    write(&with_swap, &both.to_string())?;
                }
                Ok(())
            }
            Version::V2 => {
                let max = |most: Option<u64>| most.map_or_else(|| "max".to_owned(), |most| most.to_string());
                write(&file("memory.max"), &max(limits.memory))?;
                let swap = file("memory.swap.max");
                if swap.is_file() {
                    write(&swap, &max(limits.memory.and(limits.swap)))?;
                }
                Ok(())
            }
        }
    }

    fn limit_cpu(&self, percent: Option<u64>) -> io::Result<()> {
        let quota = percent.map(|percent| percent.saturating_mul(CPU_PERIOD_US / 100).to_string());
        let file = |name: &str| self.dir.join(name);
        match self.version {
            Version::V1 => {
                write(&file("cpu.cfs_period_us"), &CPU_PERIOD_US.to_string())?;
                write(&file("cpu.cfs_quota_us"), quota.as_deref().unwrap_or("-1"))
            }
            Version::V2 => {
                let quota = quota.as_deref().unwrap_or("max");
                write(&file("cpu.max"), &format!("{quota} {CPU_PERIOD_US}"))
            }
        }
    }

    fn memory(&self) -> Option<u64> {
        let (usage, cache) = match self.version {
            Version::V1 => ("memory.usage_in_bytes", "total_inactive_file"),
            Version::V2 => ("memory.current", "inactive_file"),
        };
        let usage = number(&self.dir.join(usage))?;
        let cache = value(&self.dir.join("memory.stat"), cache).unwrap_or(0);
        Some(if cache < usage { usage - cache } else { usage })
    }

    fn memory_limit(&self) -> Option<u64> {
        let file = match self.version {
            Version::V1 => "memory.limit_in_bytes",
            Version::V2 => "memory.max",
        };
        // Where v1 has no limit, it tells the largest number of whole pages.
        number(&self.dir.join(file)).filter(|most| *most < 1 << 62)
    }

    fn cpu_ns(&self) -> Option<u64> {
        match self.version {
            Version::V1 => number(&self.dir.join("cpuacct.usage")),
            Version::V2 => value(&self.dir.join("cpu.stat"), "usage_usec").map(|us| us.saturating_mul(1000)),
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number behind `key` in a file with a key a line.
fn value(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let found = text
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
    found?.trim().parse().ok()
}

/// Removes a group and those that programs made below it. The kernel's files in it go with it.
fn remove(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove(&entry.path())?;
        }
    }
    let mut round = 0;
    loop {
        match fs::remove_dir(dir) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy && round < ROUNDS => {}
            other => return other,
        }
        round += 1;
        sleep(PAUSE);
    }
}
