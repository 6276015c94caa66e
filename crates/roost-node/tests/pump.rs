//! The pump and the real keeper: a node is killed dozens of times while a program writes, and the journal has every
//! line once.
//!
//! This program is its own keeper and its own node, so it has no test harness: the verbs come before anything else.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test: clippy does not see it without a harness"
)]

use roost_console::{Cursor, Limits, LineJoiner};
use roost_keeper::spec::{Answer, Kind, Pty, Spec};
use roost_node::pump::{PumpEvent, Pumps, Wake};
use roost_wire::{clock::Clock, clock::SystemClock, node_api::Source};
use std::{
    os::unix::fs::DirBuilderExt,
    path::Path,
    process::{Command, ExitCode, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

const SERVER: Uuid = Uuid::from_u128(1);
const RUN: Uuid = Uuid::from_u128(2);
const LIMITS: Limits = Limits {
    journal_bytes: 1 << 30,
    journal_age: 0,
    disk_free_percent: 0,
    ring_bytes: 1 << 16,
};
const LINES: usize = 20_000;
/// A burst, and now and then a prompt that stands open for longer than the pump waits.
const PROGRAM: &str = r#"
i=0
while [ $i -lt 20000 ]; do
    i=$((i + 1))
    if [ $((i % 400)) = 0 ]; then printf 'prompt %d> ' $i; sleep 0.07; echo yes; else echo "line $i"; fi
done
printf 'no end'
"#;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    match words.next().as_ref().and_then(|verb| verb.to_str()) {
        Some("keeper") => return roost_keeper::main(words),
        Some("pump") => return node(Path::new(&words.next().unwrap())),
        _ => {}
    }
    killed_again_and_again();
    ExitCode::SUCCESS
}

struct NoViewers;

impl Wake for NoViewers {
    fn published(&self, _: Uuid) {}
}

/// What a node does for one server, until the run has ended; says so by exit code 7.
fn node(dir: &Path) -> ExitCode {
    let clock = Arc::new(SystemClock);
    let (writer, _, _) = roost_console::open(&dir.join("journal"), "Roost", LIMITS, clock.now()).unwrap();
    let pumps = Pumps::start(1, Arc::new(NoViewers), clock).unwrap();
    let (sender, mut events) = tokio::sync::mpsc::unbounded_channel();
    pumps.add(SERVER, writer, Arc::default(), sender);
    let (record, link) = roost_keeper::find(&dir.join("keeper"))
        .unwrap()
        .expect("the keeper lives");
    pumps.attach(SERVER, record.run, link, 0);
    match events.blocking_recv() {
        Some(PumpEvent::Ended(end)) => {
            assert_eq!((end.run, end.code), (RUN, Some(0)));
            ExitCode::from(7)
        }
        other => panic!("{other:?}"),
    }
}

/// A test that fails leaves nothing behind.
struct EndsKeeper(u32);

impl Drop for EndsKeeper {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        if let Some(pid) = rustix::process::Pid::from_raw(self.0 as i32) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
            std::thread::sleep(Duration::from_millis(300));
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
}

fn killed_again_and_again() {
    let dir = tempfile::tempdir().unwrap();
    let keeper_dir = dir.path().join("keeper");
    std::fs::DirBuilder::new()
        .mode(0o700)
        .create(&keeper_dir)
        .unwrap();
    let me = std::env::current_exe().unwrap();
    let spec = Spec {
        server: SERVER,
        run: RUN,
        directory: keeper_dir,
        memory_bytes: 64 << 10,
        spool_bytes: 64 << 20,
        kind: Kind::Pty(Box::new(Pty {
            program: "/bin/sh".into(),
            argv: vec!["sh".to_owned(), "-c".to_owned(), PROGRAM.to_owned()],
            env: vec![("PATH".to_owned(), "/usr/bin:/bin".to_owned())],
            cwd: "/".into(),
            user: None,
            terminal: (240, 50),
            open_files: None,
            confine: None,
            cgroup_procs: Vec::new(),
            cgroup_kill: None,
        })),
    };
    let answer = roost_keeper::spawn(&me, &spec).unwrap();
    let Answer::Ready { keeper, .. } = answer else {
        panic!("{answer:?}");
    };
    let _ends = EndsKeeper(keeper);

    let (begun, mut kills) = (Instant::now(), 0_u64);
    loop {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "waiting for the run to end"
        );
        let mut node = Command::new(&me)
            .arg("pump")
            .arg(dir.path())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        // Anywhere: before the handshake, in a burst, while a prompt stands open.
        std::thread::sleep(Duration::from_millis(5 + kills * 37 % 120));
        if let Some(status) = node.try_wait().unwrap() {
            assert_eq!(status.code(), Some(7));
            break;
        }
        node.kill().unwrap();
        node.wait().unwrap();
        kills += 1;
    }
    let (_writer, console, recovery) =
        roost_console::open(&dir.path().join("journal"), "Roost", LIMITS, 0).unwrap();
    assert_eq!(recovery.notes, Vec::<String>::new());
    let (mut cursor, mut joiner, mut lines) = (console.at(1), LineJoiner::default(), Vec::new());
    while cursor.entry == Cursor::NOT_ALIGNED {
        let history = console.history(&mut cursor, 1 << 20).unwrap();
        assert_eq!(history.missed, None);
        for batch in history.batches {
            for line in batch.lines() {
                assert_eq!(batch.source(), Source::Output, "{}", line.text());
                if let Some(line) = joiner.push(line) {
                    lines.push(String::from_utf8(line.to_vec()).unwrap());
                }
            }
        }
    }
    let mut expected: Vec<_> = (1..=LINES)
        .map(|n| match n % 400 {
            0 => format!("prompt {n}> yes"),
            _ => format!("line {n}"),
        })
        .collect();
    expected.push("no end".to_owned());
    for (at, (line, expected)) in lines.iter().zip(&expected).enumerate() {
        assert_eq!(
            line,
            expected,
            "line {} of the journal, after {kills} kills",
            at + 1
        );
    }
    assert_eq!(lines.len(), expected.len());
    assert!(kills >= 10, "only {kills} kills");
    println!(
        "{} lines, each once, over {kills} kills in {:?}",
        lines.len(),
        begun.elapsed()
    );
}
