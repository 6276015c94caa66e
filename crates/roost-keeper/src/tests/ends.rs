//! How runs end: exit codes, signals, whole trees, keepers that outlive and keepers that follow.

use super::bed::{Bed, alive, shell, wait_for};
use crate::{
    place,
    protocol::NodeFrame,
    spec::{Answer, User},
};
use std::time::Duration;

/// The pids that the program printed, one a line behind `pid`.
fn printed_pids(text: &str) -> Vec<i32> {
    text.lines()
        .filter_map(|line| line.strip_prefix("pid ")?.trim().parse().ok())
        .collect()
}

#[test]
fn the_exit_code_comes_after_the_last_output() {
    let bed = Bed::run("echo last words; exit 7");
    let mut node = bed.node(0);
    let end = node.until_end();
    assert_eq!((end.code, end.signal, end.end_offset), (Some(7), None, 11));
    assert_eq!(node.text(), "last words\n");
    drop(node);
    // It stays until it is released, and tells it again.
    let mut again = bed.node(11);
    assert_eq!(again.until_end().code, Some(7));
    again.release();
    wait_for("the keeper is gone", || !alive(bed.keeper));
    assert!(place::find(bed.dir.path()).unwrap().is_none());
    let left: Vec<_> = std::fs::read_dir(bed.dir.path())
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert_eq!(left, [place::LOCK]);
}

#[test]
fn a_signal_reaches_the_programs_group() {
    let bed = Bed::run("trap 'echo int' INT; sleep 0.2; echo ready; while :; do sleep 0.05; done");
    let mut node = bed.node(0);
    node.until_text("ready\n");
    node.send(NodeFrame::Signal {
        signal: libc::SIGINT,
        tree: false,
    });
    node.until_text("int\n");
    node.send(NodeFrame::Signal {
        signal: libc::SIGTERM,
        tree: false,
    });
    let end = node.until_end();
    assert_eq!((end.code, end.signal), (None, Some(libc::SIGTERM)));
}

#[test]
fn a_kill_ends_the_whole_tree_daemons_too() {
    let bed = Bed::run(
        "echo pid $$; sh -c 'trap \"\" HUP TERM; echo pid $$; while :; do sleep 1; done' & \
         perl -MPOSIX -e 'fork and exit; POSIX::setsid(); fork and exit; $SIG{HUP}=\"IGNORE\"; $|=1; \
         print \"pid $$\\n\"; close STDIN; close STDOUT; close STDERR; sleep 1000'; while :; do sleep 1; done",
    );
    let mut node = bed.node(0);
    node.until("three pids", |node| printed_pids(&node.text()).len() == 3);
    let pids = printed_pids(&node.text());
    assert!(pids.iter().all(|pid| alive(*pid)));
    node.send(NodeFrame::Signal {
        signal: 0,
        tree: true,
    });
    assert_eq!(node.until_end().signal, Some(libc::SIGKILL));
    assert!(!pids.iter().any(|pid| alive(*pid)), "some of {pids:?} live");
}

#[test]
fn what_a_program_leaves_behind_is_ended_with_it() {
    let bed = Bed::run(
        "perl -MPOSIX -e 'fork and exit; POSIX::setsid(); fork and exit; $SIG{HUP}=\"IGNORE\"; $|=1; \
         print \"pid $$\\n\"; sleep 1000'; sleep 0.3; exit 3",
    );
    let mut node = bed.node(0);
    assert_eq!(node.until_end().code, Some(3));
    let pids = printed_pids(&node.text());
    assert_eq!(pids.len(), 1);
    assert!(!alive(pids[0]));
}

/// Processes that fork and exit for ever (for 60 s at most), `chains` at a time.
fn fork_bomb(chains: u32, each: &str) -> String {
    format!(
        "perl -MPOSIX -e 'my $end = time + 60; for (2..{chains}) {{ fork or last }} \
         while (time < $end) {{ exit if fork; {each} }}' & while :; do echo alive; sleep 0.05; done"
    )
}

#[test]
fn what_forks_faster_than_it_is_looked_at_is_ended() {
    for chains in [1, 16] {
        let bed = Bed::run(&fork_bomb(chains, ""));
        let mut node = bed.node(0);
        node.until_text("alive\n");
        node.send(NodeFrame::Signal {
            signal: 0,
            tree: true,
        });
        node.until_end();
        let left = crate::tree::children_of(bed.keeper);
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn a_user_of_its_own_does_not_get_away_by_new_sessions() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let mut pty = shell(&fork_bomb(8, "POSIX::setsid();"));
    // Another run of these tests must not have it.
    let uid = 1_000_000 + std::process::id();
    pty.user = Some(User {
        uid,
        gid: uid,
        exclusive: true,
    });
    let bed = Bed::new(pty).start();
    let mut node = bed.node(0);
    node.until_text("alive\n");
    node.send(NodeFrame::Signal {
        signal: 0,
        tree: true,
    });
    node.until_end();
    let left = crate::tree::children_of(bed.keeper);
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_keeper_outlives_the_process_that_started_it() {
    // Bed::start has waited for the starter already; the keeper is nobody's child here.
    let bed = Bed::run("while read line; do echo \"<$line>\"; done");
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", bed.keeper)).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    assert_ne!(fields[1], std::process::id().to_string(), "parent");
    assert_eq!(fields[4], "0", "it has a terminal");
    for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGPIPE] {
        crate::sys::kill(bed.keeper, signal).unwrap();
    }
    let mut node = bed.node(0);
    assert_eq!(node.type_line(1, "still here"), "");
    node.until_text("<still here>\n");
}

#[test]
fn a_second_keeper_waits_for_the_first_to_go() {
    let first = Bed::run("exit 0");
    let mut node = first.node(0);
    node.until_end();
    let mut second = Bed::new(shell("exec cat"));
    second.spec.directory = first.dir.path().to_owned();
    let (second, answer) = std::thread::scope(|scope| {
        let starting = scope.spawn(move || {
            let answer = second.try_start();
            (second, answer)
        });
        std::thread::sleep(Duration::from_millis(200));
        node.release();
        starting.join().unwrap()
    });
    assert!(matches!(answer, Answer::Ready { .. }), "{answer:?}");
    let (record, _) = place::find(first.dir.path()).unwrap().unwrap();
    assert_eq!(record.run, second.spec.run);
}

#[test]
fn a_program_that_can_not_be_started_says_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    };
    let cases = [
        (dir.path().join("absent"), "/", "does not exist: install it"),
        (file("plain", "#!/bin/sh\n", 0o644), "/", "chmod +x"),
        (
            file("lost", "#!/no/such/interpreter\n", 0o755),
            "/",
            "interpreter",
        ),
        (file("text", "echo hello\n", 0o755), "/", "#!/bin/sh"),
        ("/bin/sh".into(), "/no/such/folder", "make it"),
    ];
    for (program, cwd, wanted) in cases {
        let mut pty = shell("exit 0");
        pty.program.clone_from(&program);
        pty.cwd = cwd.into();
        let mut bed = Bed::new(pty);
        let Answer::Error(said) = bed.try_start() else {
            panic!("{} was started", program.display());
        };
        assert!(said.contains(wanted), "{said}");
        assert!(place::find(bed.dir.path()).unwrap().is_none());
    }
}

#[test]
fn sigterm_ends_the_program_then_the_keeper() {
    let bed = Bed::run("trap 'echo bye; exit 0' TERM; echo ready; while :; do sleep 0.05; done");
    let mut node = bed.node(0);
    node.until_text("ready\n");
    crate::sys::kill(bed.keeper, libc::SIGTERM).unwrap();
    assert_eq!(node.until_end().code, Some(0));
    node.until_text("bye\n");
    wait_for("the keeper is gone", || !alive(bed.keeper));
}

#[test]
fn a_second_sigterm_does_not_wait() {
    let bed = Bed::run("trap '' TERM; echo ready; while :; do sleep 0.05; done");
    let mut node = bed.node(0);
    node.until_text("ready\n");
    let began = std::time::Instant::now();
    for _ in 0..2 {
        crate::sys::kill(bed.keeper, libc::SIGTERM).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(node.until_end().signal, Some(libc::SIGKILL));
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_release_does_not_end_a_program_that_runs() {
    let bed = Bed::run("while read line; do echo \"<$line>\"; done");
    let mut node = bed.node(0);
    node.send(NodeFrame::Release);
    assert_eq!(node.type_line(1, "still here"), "");
    node.until_text("<still here>\n");
}

#[test]
fn a_program_that_lets_its_terminal_go_and_takes_it_again_is_still_read() {
    let bed = Bed::run("exec 3<&- <&- >&- 2>&-; sleep 0.3; exec > /dev/tty; echo back; sleep 1000");
    let mut node = bed.node(0);
    node.until_text("back\n");
}
