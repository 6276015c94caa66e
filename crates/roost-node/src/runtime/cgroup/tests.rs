//! Made-up trees with the kernel's file names, and the real tree of v1 where this machine has one.

use super::*;
use std::process::{Command, Stdio};

const ME: u32 = 4321;
const SERVER: Uuid = Uuid::from_u128(7);

/// A directory in which files stand with the given content.
struct Tree(tempfile::TempDir);

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let tree = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            tree.put(path, text);
        }
        tree
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &str) -> String {
        fs::read_to_string(self.0.path().join(path)).unwrap()
    }

    fn open(&self, own: &str) -> Groups {
        Groups::open(self.0.path(), own, ME)
    }

    /// The files of a group of v2 at `place`, as the kernel makes them.
    fn put_v2(&self, place: &str, controllers: &str, enabled: &str, processes: &str) {
        for (name, text) in [
            ("cgroup.controllers", controllers),
            ("cgroup.subtree_control", enabled),
            ("cgroup.procs", processes),
            ("cgroup.type", "domain\n"),
        ] {
            self.put(&format!("{place}/{name}"), text);
        }
    }

    /// A group of v2 for [`SERVER`] below `place`: a directory made in a made-up tree stays empty.
    fn put_server(&self, place: &str) -> String {
        let group = format!("{place}/roost-{SERVER}");
        for name in [
            "cgroup.procs",
            "cgroup.kill",
            "memory.max",
            "memory.swap.max",
            "cpu.max",
            "pids.max",
        ] {
            self.put(&format!("{group}/{name}"), "");
        }
        self.put(&format!("{group}/memory.current"), "1000\n");
        self.put(
            &format!("{group}/memory.stat"),
            "anon 700\ninactive_file 300\nslab 1\n",
        );
        self.put(
            &format!("{group}/memory.events"),
            "low 0\noom 1\noom_kill 1\noom_group_kill 0\n",
        );
        self.put(&format!("{group}/cpu.stat"), "usage_usec 2500\nuser_usec 2000\n");
        group
    }
}

fn limits() -> Limits {
    Limits {
        memory: Some(100 << 20),
        swap: Some(1 << 20),
        cpu: Some(150),
        pids: Some(64),
    }
}

fn all_lack(groups: &Groups) -> String {
    let lacks = groups.lacks(&limits());
    assert_eq!(lacks.len(), 3, "{lacks:?}");
    lacks[0].1.clone()
}

#[test]
fn in_its_own_group_of_v2_the_node_moves_aside_and_hands_the_controllers_on() {
    let tree = Tree::new(&[("cgroup.controllers", "cpuset cpu io memory pids\n")]);
    tree.put_v2("a.scope", "cpu memory pids\n", "", "4321\n");
    tree.put("a.scope/node/cgroup.procs", "");
    let group = tree.put_server("a.scope");
    let groups = tree.open("0::/a.scope\n");
    assert_eq!(tree.read("a.scope/node/cgroup.procs"), "4321");
    assert_eq!(tree.read("a.scope/cgroup.subtree_control"), "+cpu +memory +pids");

    let (made, lacks) = groups.make(SERVER, &limits());
    assert_eq!((lacks, groups.lacks(&limits())), (vec![], vec![]));
    let read = |name: &str| tree.read(&format!("{group}/{name}"));
    assert_eq!(read("memory.max"), "104857600");
    assert_eq!(read("memory.swap.max"), "1048576");
    assert_eq!(read("cpu.max"), "150000 100000");
    assert_eq!(read("pids.max"), "64");

    let made = made.unwrap();
    let path = |name: &str| tree.0.path().join(&group).join(name);
    assert_eq!(made.doors(), [path("cgroup.procs")]);
    assert_eq!(made.kill_file(), Some(path("cgroup.kill")));
    let usage = made.usage();
    assert_eq!((usage.memory, usage.cpu_ns), (Some(700), Some(2_500_000)));
    assert_eq!(usage.memory_limit, Some(100 << 20));
    assert!(!made.ran_out_of_memory(), "that was an earlier run");
    tree.put(&format!("{group}/memory.events"), "oom 2\noom_kill 2\n");
    assert!(made.ran_out_of_memory());
}

#[test]
fn a_node_that_was_put_in_a_subgroup_stays_there() {
    let tree = Tree::new(&[("cgroup.controllers", "cpu memory pids\n")]);
    tree.put_v2("system.slice/roost.service", "memory pids\n", "", "");
    tree.put_v2("system.slice/roost.service/node", "", "", "4321\n");
    let groups = tree.open("0::/system.slice/roost.service/node\n");
    let control = "system.slice/roost.service/cgroup.subtree_control";
    assert_eq!(tree.read(control), "+memory +pids");
    // No CPU controller was delegated.
    let lacks = groups.lacks(&limits());
    assert_eq!(lacks.len(), 1);
    assert!(
        lacks[0].0 == Limit::Cpu && lacks[0].1.contains("`cpu`"),
        "{lacks:?}"
    );
    assert_eq!(
        tree.read("system.slice/roost.service/node/cgroup.procs"),
        "4321\n"
    );

    // Its next life finds all as it was and writes nothing.
    tree.put(control, "memory pids\n");
    let again = tree.open("0::/system.slice/roost.service/node\n");
    assert_eq!(again.lacks(&limits()), lacks);
    assert_eq!(tree.read(control), "memory pids\n");
}

#[test]
fn a_service_without_a_subgroup_is_left_as_it_is_and_told_what_it_lacks() {
    let tree = Tree::new(&[("cgroup.controllers", "cpu memory pids\n")]);
    tree.put_v2("system.slice/roost.service", "cpu memory pids\n", "", "4321\n");
    let why = all_lack(&tree.open("0::/system.slice/roost.service\n"));
    assert!(why.contains("DelegateSubgroup=node"), "{why}");
    assert_eq!(tree.read("system.slice/roost.service/cgroup.subtree_control"), "");
    assert!(!tree.0.path().join("system.slice/roost.service/node").exists());
}

#[test]
fn a_group_that_is_shared_with_other_programs_is_left_alone() {
    let tree = Tree::new(&[("cgroup.controllers", "cpu memory pids\n")]);
    tree.put_v2(
        "user.slice/session-1.scope",
        "cpu memory pids\n",
        "",
        "17\n4321\n",
    );
    let groups = tree.open("0::/user.slice/session-1.scope\n");
    let why = all_lack(&groups);
    assert!(why.contains("shares") && why.contains("Delegate=yes"), "{why}");
    assert_eq!(tree.read("user.slice/session-1.scope/cgroup.subtree_control"), "");
    assert_eq!(groups.make(SERVER, &limits()).0, None);
}

#[test]
fn at_the_root_of_v2_nothing_has_to_move() {
    let tree = Tree::new(&[
        ("cgroup.controllers", "cpu memory pids\n"),
        ("cgroup.subtree_control", ""),
        ("cgroup.procs", "1\n17\n4321\n"),
    ]);
    let groups = tree.open("0::/\n");
    assert!(groups.lacks(&limits()).is_empty());
    assert_eq!(tree.read("cgroup.subtree_control"), "+cpu +memory +pids");
    assert!(!tree.0.path().join("node").exists());
}

#[test]
fn without_limits_the_files_say_so() {
    let tree = Tree::new(&[
        ("cgroup.controllers", "cpu memory pids\n"),
        ("cgroup.subtree_control", "cpu memory pids\n"),
    ]);
    let group = tree.put_server(".");
    let none = Limits {
        memory: None,
        swap: Some(0),
        cpu: None,
        pids: None,
    };
    tree.open("0::/\n").make(SERVER, &none).0.unwrap();
    for (name, text) in [
        ("memory.max", "max"),
        ("memory.swap.max", "max"),
        ("cpu.max", "max 100000"),
        ("pids.max", "max"),
    ] {
        assert_eq!(tree.read(&format!("{group}/{name}")), text);
    }
}

#[test]
fn a_hybrid_tree_is_used_controller_by_controller() {
    let tree = Tree::new(&[
        ("memory/cgroup.procs", ""),
        ("memory/here/cgroup.procs", ""),
        ("cpu,cpuacct/cgroup.procs", ""),
        ("unified/cgroup.controllers", "pids\n"),
        ("unified/cgroup.subtree_control", "pids\n"),
    ]);
    let groups = tree.open("9:memory:/here\n4:cpu,cpuacct:/\n1:name=systemd:/init\n0::/\n");
    let dir = |base: &Result<Base, String>| {
        let base = base.as_ref().unwrap();
        (
            base.version,
            base.dir.strip_prefix(tree.0.path()).unwrap().to_owned(),
        )
    };
    assert_eq!(dir(&groups.memory), (Version::V1, "memory/here".into()));
    assert_eq!(dir(&groups.cpu), (Version::V1, "cpu,cpuacct".into()));
    assert_eq!(dir(&groups.accounting), (Version::V1, "cpu,cpuacct".into()));
    assert_eq!(dir(&groups.pids), (Version::V2, "unified".into()));
}

#[test]
fn a_machine_without_groups_is_told_what_is_missing() {
    let why = all_lack(&Tree::new(&[]).open(""));
    assert!(why.contains("mount them"), "{why}");
    // A place outside of what is mounted here, as in a container.
    let tree = Tree::new(&[("memory/cgroup.procs", "")]);
    let groups = tree.open("3:memory:/../../elsewhere\n");
    assert_eq!(groups.memory.unwrap().dir, tree.0.path().join("memory"));
}

#[test]
fn a_refused_limit_is_told_and_the_others_hold() {
    let tree = Tree::new(&[
        ("cgroup.controllers", "cpu memory pids\n"),
        ("cgroup.subtree_control", "cpu memory pids\n"),
    ]);
    let group = tree.put_server(".");
    fs::remove_file(tree.0.path().join(&group).join("cpu.max")).unwrap();
    let (_, lacks) = tree.open("0::/\n").make(SERVER, &limits());
    assert!(
        matches!(&lacks[..], [(Limit::Cpu, why)] if why.contains("refused")),
        "{lacks:?}"
    );
    assert_eq!(tree.read(&format!("{group}/pids.max")), "64");
}

#[test]
fn limits_come_from_the_panel_s_numbers() {
    let build = Build {
        memory_limit: 1000,
        swap: -1,
        cpu_limit: 0,
        ..Build::default()
    };
    let limits = Limits::new(&build, 512);
    assert_eq!(limits.memory, Some(1150 << 20));
    assert_eq!((limits.swap, limits.cpu, limits.pids), (None, None, Some(512)));
    let none = Limits::new(&Build::default(), 0);
    assert_eq!((none.memory, none.swap, none.pids), (None, Some(0), None));
}

/// This machine's groups, where it has those of v1 and may write to them.
fn real() -> Option<Groups> {
    let groups = Groups::open(
        Path::new(ROOT),
        &fs::read_to_string(OWN).ok()?,
        std::process::id(),
    );
    let is_v1 = |base: &Result<Base, String>| matches!(base, Ok(base) if base.version == Version::V1);
    (is_v1(&groups.memory) && is_v1(&groups.cpu) && is_v1(&groups.pids)).then_some(groups)
}

/// Runs a shell in a group.
fn run_in(group: &Group, script: &str) -> std::process::Child {
    let doors = group.doors();
    let enter: String = doors
        .iter()
        .map(|door| format!("echo $$ > {}; ", door.display()))
        .collect();
    Command::new("/bin/sh")
        .args(["-c", &format!("{enter}exec sh -c '{script}'")])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A test that fails leaves no busy loop behind.
struct Closing<'a>(&'a Group, &'a Path);

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        self.0.end_all();
        if Group::load(self.1).is_some() {
            self.0.close(self.1);
        }
    }
}

#[test]
fn on_a_real_tree_limits_hold_figures_come_and_nothing_is_left() {
    let Some(groups) = real() else {
        return;
    };
    let server = Uuid::new_v4();
    let keeper_dir = tempfile::tempdir().unwrap();
    let few = Limits {
        memory: Some(32 << 20),
        swap: Some(0),
        cpu: Some(50),
        pids: Some(8),
    };
    let (group, lacks) = groups.make(server, &few);
    assert_eq!(lacks, []);
    let group = group.unwrap();
    group.save(keeper_dir.path()).unwrap();
    let _closing = Closing(&group, keeper_dir.path());
    let cpu = groups.cpu.as_ref().unwrap().dir.join(format!("roost-{server}"));
    assert_eq!(
        fs::read_to_string(cpu.join("cpu.cfs_quota_us")).unwrap(),
        "50000\n"
    );

    // Within the limit it is measured.
    let mut busy = run_in(&group, "while :; do :; done");
    std::thread::sleep(std::time::Duration::from_millis(300));
    let usage = group.usage();
    assert!(
        usage.memory.unwrap() > 0 && usage.memory_limit == Some(32 << 20),
        "{usage:?}"
    );
    assert!(usage.cpu_ns.unwrap() > 20_000_000, "{usage:?}");
    assert!(!group.ran_out_of_memory());

    // Past it, the kernel ends it.
    let mut hog = run_in(
        &group,
        "head -c 200m /dev/zero | tail -c 200m > /dev/null; kill -9 $$",
    );
    assert!(!hog.wait().unwrap().success());
    assert!(group.ran_out_of_memory());

    // More processes than it may have.
    let script = "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 0.2 & done; echo not reached";
    let bomb = run_in(&group, script).wait_with_output().unwrap();
    assert!(
        !String::from_utf8_lossy(&bomb.stdout).contains("not reached"),
        "{bomb:?}"
    );

    let found = Group::load(keeper_dir.path()).unwrap();
    assert_eq!(found, group);
    assert!(found.close(keeper_dir.path()) >= 1, "what lived in it is ended");
    busy.wait().unwrap();
    assert!(!cpu.exists() && Group::load(keeper_dir.path()).is_none());
}
