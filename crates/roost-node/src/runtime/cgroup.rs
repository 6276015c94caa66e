//! Control groups: where this node may make one for each of its servers, and what is enforced there.
//!
//! ```text
//!   v1:  /sys/fs/cgroup/memory/<own place>/roost-<uuid>   one tree a controller: memory, cpu, cpuacct, pids
//!   v2:  /sys/fs/cgroup/<own place>/node                  the node itself
//!                                  /roost-<uuid>          a server
//! ```
//!
//! In a group of v2 that hands controllers on, no process may live. So the node moves into a group `node` below its
//! own, unless its service manager put it there (`DelegateSubgroup=node`). What can't be had is said, with what would
//! mend it. Which limits a server has is not decided here.

mod group;
#[cfg(test)]
mod tests;

pub(super) use group::Group;

use roost_wire::remote::Build;
use std::{
    fs,
    io::{self, Write},
    path::{Component, Path, PathBuf},
};
use uuid::Uuid;

/// Where control groups are mounted.
pub(crate) const ROOT: &str = "/sys/fs/cgroup";
/// Where a process reads its own place.
pub(crate) const OWN: &str = "/proc/self/cgroup";
/// The group of the node itself, where it needs one.
const NODE: &str = "node";
/// What groups of v2 are asked to hand on.
const WANTED: [&str; 3] = ["cpu", "memory", "pids"];

/// What a server may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limits {
    /// Bytes of memory; `None` for all that there is.
    pub(super) memory: Option<u64>,
    /// Bytes of swap beside it; `None` for all that there is.
    pub(super) swap: Option<u64>,
    /// Per cent of one core.
    pub(super) cpu: Option<u64>,
    /// Processes and threads.
    pub(super) pids: Option<u64>,
}

impl Limits {
    /// As the panel describes them; `pids` is the node's own setting, 0 for no limit. Memory gets the same headroom
    /// as a container's.
    pub(super) fn new(build: &Build, pids: i64) -> Self {
        let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
        let memory = positive(build.memory_limit)
            .and_then(|_| positive(super::docker::with_overhead(build.memory_limit)));
        Self {
            memory,
            swap: u64::try_from(build.swap)
                .ok()
                .map(|mib| mib.saturating_mul(1 << 20)),
            cpu: positive(build.cpu_limit),
            pids: positive(pids),
        }
    }
}

/// One of the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Limit {
    Memory,
    Cpu,
    Pids,
}

/// A limit that is set and not enforced, and a sentence why, which says what would mend it.
pub(super) type Lack = (Limit, String);

#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum Version {
    V1,
    V2,
}

/// Below which directory the groups of one controller are made.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Base {
    version: Version,
    dir: PathBuf,
}

/// Where groups can be made, controller by controller, or why not.
#[derive(Debug)]
pub(crate) struct Groups {
    memory: Result<Base, String>,
    cpu: Result<Base, String>,
    /// Measures CPU time.
    accounting: Result<Base, String>,
    pids: Result<Base, String>,
}

impl Groups {
    /// Looks below `root` for the groups of a process `pid` whose `/proc/self/cgroup` reads `own`; the process is moved
    /// if that is needed.
    pub(crate) fn open(root: &Path, own: &str, pid: u32) -> Self {
        let unified = [root.to_owned(), root.join("unified")]
            .into_iter()
            .find(|dir| dir.join("cgroup.controllers").is_file());
        let v2 = unified
            .as_deref()
            .map(|mount| take_v2(mount, own, pid, unified.as_deref() == Some(root)));
        let find = |controller: &str| -> Result<Base, String> {
            if let Some(base) = find_v1(root, own, controller) {
                return base;
            }
            match &v2 {
                Some(Ok((dir, enabled))) if enabled.iter().any(|name| name == controller) => Ok(Base {
                    version: Version::V2,
                    dir: dir.clone(),
                }),
                Some(Ok((dir, _))) => Err(format!(
                    "The control group {} does not have the controller `{controller}`: see that whoever started \
                     Roost hands it on.",
                    dir.display()
                )),
                Some(Err(why)) => Err(why.clone()),
                None => Err(format!(
                    "There are no control groups with `{controller}` below {}: mount them, or run the server in \
                     Docker (--image).",
                    root.display()
                )),
            }
        };
        let (memory, cpu, pids) = (find("memory"), find("cpu"), find("pids"));
        // Groups of v2 measure it without a controller.
        let accounting = find("cpuacct").or_else(|why| {
            let mut bases = [&memory, &cpu, &pids].into_iter().flatten();
            bases.find(|base| base.version == Version::V2).cloned().ok_or(why)
        });
        Self {
            memory,
            cpu,
            accounting,
            pids,
        }
    }

    /// No group is ever made.
    pub(crate) fn none(why: &str) -> Self {
        let none = || Err(why.to_owned());
        Self {
            memory: none(),
            cpu: none(),
            accounting: none(),
            pids: none(),
        }
    }

    /// Which of `limits` could not be enforced; nothing is made.
    pub(super) fn lacks(&self, limits: &Limits) -> Vec<Lack> {
        let checked = [
            (Limit::Memory, limits.memory.is_some(), &self.memory),
            (Limit::Cpu, limits.cpu.is_some(), &self.cpu),
            (Limit::Pids, limits.pids.is_some(), &self.pids),
        ];
        let lacking = checked.into_iter().filter(|(_, is_set, _)| *is_set);
        lacking
            .filter_map(|(limit, _, base)| base.as_ref().err().map(|why| (limit, why.clone())))
            .collect()
    }

    /// Makes the group of a server, or takes the one that is left, and writes its limits. `None` if there is nothing
    /// to put a program in.
    pub(super) fn make(&self, server: Uuid, limits: &Limits) -> (Option<Group>, Vec<Lack>) {
        Group::make(self, server, limits)
    }
}

/// The place in the tree of a controller of v1, if there is such a tree.
fn find_v1(root: &Path, own: &str, controller: &str) -> Option<Result<Base, String>> {
    let (names, place) = own.lines().find_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (names, place) = rest.split_once(':')?;
        names
            .split(',')
            .any(|name| name == controller)
            .then_some((names, place))
    })?;
    let mount = [controller, names]
        .into_iter()
        .map(|name| root.join(name))
        .find(|dir| dir.join("cgroup.procs").is_file())?;
    let dir = below(&mount, place);
    Some(if may_write(&dir) {
        Ok(Base {
            version: Version::V1,
            dir,
        })
    } else {
        Err(format!(
            "Roost may not write to its control groups below {}: start it as root, or run the server in Docker \
             (--image).",
            root.display()
        ))
    })
}

/// The directory under which groups of v2 can be made, and the controllers that it hands on.
fn take_v2(mount: &Path, own: &str, pid: u32, is_only: bool) -> Result<(PathBuf, Vec<String>), String> {
    let place = own
        .lines()
        .find_map(|line| line.strip_prefix("0::"))
        .unwrap_or("/");
    let place = below(mount, place.trim_end());
    let is_placed = place.file_name().is_some_and(|name| name == NODE);
    let base = match place.parent() {
        Some(parent) if is_placed => parent.to_owned(),
        _ => place.clone(),
    };
    let shown = base.display();
    let offered = words(&base.join("cgroup.controllers"));
    let wanted: Vec<&str> = WANTED
        .into_iter()
        .filter(|name| offered.iter().any(|offered| offered == name))
        .collect();
    if wanted.is_empty() && !is_only {
        // In a hybrid tree the controllers are v1's: nothing is moved for nothing.
        return Ok((base, Vec::new()));
    }
    let mend = if rustix::process::geteuid().is_root() {
        "start it as a service with Delegate=yes and DelegateSubgroup=node (systemd 254 or newer), or by \
         `systemd-run --scope -p Delegate=yes roost up`"
    } else {
        "start it as a service with Delegate=yes and DelegateSubgroup=node (systemd 254 or newer), or by \
         `systemd-run --user --scope -p Delegate=yes roost up`"
    };
    if wanted.is_empty() {
        return Err(format!("The control group {shown} has no controllers: {mend}."));
    }
    if !may_write(&base) || !may_write(&base.join("cgroup.subtree_control")) {
        return Err(format!(
            "Roost may not write to the control group {shown}: {mend}."
        ));
    }
    let control = base.join("cgroup.subtree_control");
    let missing = |control: &Path| -> Vec<&str> {
        let enabled = words(control);
        let lacks = |name: &&str| !enabled.iter().any(|enabled| enabled == name);
        wanted.iter().copied().filter(lacks).collect()
    };
    if missing(&control).is_empty() {
        return Ok((base, wanted.into_iter().map(str::to_owned).collect()));
    }
    // Only the true root, which has no type, may hand controllers on and hold processes.
    if !is_placed && base.join("cgroup.type").exists() {
        if base.extension().is_some_and(|kind| kind == "service") {
            // systemd could not put a new main process there while servers of the last one live on.
            return Err(format!(
                "Roost runs in {shown} itself, in which no groups can be made without breaking its next start: {mend}."
            ));
        }
        let others = words(&base.join("cgroup.procs"));
        if others.iter().any(|other| *other != pid.to_string()) {
            return Err(format!(
                "Roost shares the control group {shown} with other programs: {mend}."
            ));
        }
        let node = base.join(NODE);
        make_dir(&node)
            .and_then(|()| write(&node.join("cgroup.procs"), &pid.to_string()))
            .map_err(|e| format!("Roost could not move to {}: {e}; {mend}.", node.display()))?;
    }
    let all: Vec<String> = missing(&control).iter().map(|name| format!("+{name}")).collect();
    let mut refused = write(&control, &all.join(" ")).err();
    let mut enabled: Vec<String> = wanted.iter().map(|name| (*name).to_owned()).collect();
    if refused.is_some() {
        // One that is refused takes the others with it.
        for name in missing(&control) {
            match write(&control, &format!("+{name}")) {
                Ok(()) => refused = None,
                Err(error) => {
                    enabled.retain(|enabled| enabled != name);
                    refused = refused.and(Some(error));
                }
            }
        }
    }
    match refused {
        Some(error) if enabled.is_empty() => Err(format!(
            "The control group {shown} does not hand its controllers on ({error}), maybe because other programs run \
             in it: {mend}."
        )),
        _ => Ok((base, enabled)),
    }
}

/// A place as /proc tells it, below a mount; the mount itself if it only shows that place (as in a container).
fn below(mount: &Path, place: &str) -> PathBuf {
    let relative: PathBuf = Path::new(place)
        .components()
        .filter(|part| !matches!(part, Component::RootDir))
        .collect();
    let dir = mount.join(&relative);
    let leaves = relative.components().any(|part| part == Component::ParentDir);
    if relative.as_os_str().is_empty() || leaves || !dir.is_dir() {
        return mount.to_owned();
    }
    dir
}

fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

fn words(path: &Path) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

fn make_dir(dir: &Path) -> io::Result<()> {
    match fs::create_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Writes to a file of the kernel's, which is never made.
fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(path)?
        .write_all(text.as_bytes())
}
