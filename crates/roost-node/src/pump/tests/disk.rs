//! A disk that refuses, for real: the test runs itself again under a limit on file sizes.

use super::*;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::process::Command;

const INNER: &str = "ROOST_TEST_FILE_SIZE_LIMIT";
const STORY: &str = "pump::tests::disk::a_disk_that_refuses_loses_nothing_and_delays_nobody_else";

#[test]
fn a_disk_that_refuses_loses_nothing_and_delays_nobody_else() {
    if std::env::var_os(INNER).is_some() {
        return under_the_limit();
    }
    // The limit holds for the whole process, and passing it kills one that does not ignore SIGXFSZ.
    let shell = "trap '' XFSZ; ulimit -S -f 20; exec \"$0\" --exact --nocapture \"$1\"";
    let output = Command::new("sh")
        .args(["-c", shell])
        .arg(std::env::current_exe().unwrap())
        .arg(STORY)
        .env(INNER, "1")
        .output()
        .unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

fn under_the_limit() {
    let limit = getrlimit(Resource::Fsize);
    assert!(limit.current.is_some_and(|bytes| bytes < 1 << 20), "{limit:?}");
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    let other = Uuid::from_u128(5);
    let (writer, other_console, _) =
        roost_console::open(&dir.path().join("other"), "Roost", LIMITS, 0).unwrap();
    let (sender, _events) = mpsc::unbounded_channel();
    node.pumps.add(other, writer, Arc::new(Notify::new()), sender);

    let mut keeper = node.attach(RUN);
    let mut acknowledged = 0;
    let expected: Vec<_> = (0..400)
        .map(|n| format!("line {n} {}", "x".repeat(100)))
        .collect();
    // A few frames: unlike a keeper, this one waits when the socket is full.
    for lines in expected.chunks(20) {
        keeper.output((lines.join("\n") + "\n").as_bytes());
    }
    let PumpEvent::DiskTrouble(said) = node.event() else {
        panic!("trouble")
    };
    assert!(said.contains("can't be written"), "{said}");
    // Behind a refusal a new file is begun: what waits does not fit into that either, the other server's line does.
    let room = Rlimit {
        current: Some(2048),
        maximum: limit.maximum,
    };
    setrlimit(Resource::Fsize, room).unwrap();
    let shown = node.texts().len();
    assert!((40..400).contains(&shown), "as much as fits: {shown}");
    node.pumps.notice(SERVER, Source::Daemon, "meanwhile".to_owned());
    let mut taken = node
        .pumps
        .installer_output(SERVER, b"an installer\nwait".to_vec());
    node.pumps.installer_ended(SERVER);
    let typed = node.pumps.input(SERVER, b"save\n".to_vec());
    assert_eq!(
        typed.blocking_recv().unwrap(),
        Ok(()),
        "it does not wait for room"
    );
    keeper.exit(0);

    node.pumps.notice(other, Source::Daemon, "not delayed".to_owned());
    let begun = Instant::now();
    while other_console.next_seq() == 1 {
        assert!(
            begun.elapsed() < Duration::from_millis(200),
            "the other server waits"
        );
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(node.texts().len(), shown);
    assert!(taken.try_recv().is_err(), "the installer's reader waits");
    assert!(node.events.try_recv().is_err(), "trouble is told once");

    setrlimit(
        Resource::Fsize,
        Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        },
    )
    .unwrap();
    assert!(matches!(node.event(), PumpEvent::Ended(_)));
    loop {
        match keeper.next() {
            Got::Ack(offset) => {
                assert!(offset > acknowledged && offset <= keeper.offset);
                acknowledged = offset;
            }
            Got::Input(_, bytes) => assert_eq!(bytes, b"save\n"),
            other => break assert_eq!(other, Got::Release),
        }
    }
    let texts = node.texts();
    let (notices, lines): (Vec<_>, Vec<_>) = texts.iter().partition(|text| !text.starts_with("line"));
    assert_eq!(lines, expected.iter().collect::<Vec<_>>());
    assert_eq!(notices[..3], ["meanwhile", "an installer", "wait"]);
    assert!(notices[3].contains("could not be written for"), "{notices:?}");
    assert!(!notices[3].contains("left out"), "{notices:?}");
    assert_eq!(notices.len(), 4);
    taken.blocking_recv().unwrap();
}
