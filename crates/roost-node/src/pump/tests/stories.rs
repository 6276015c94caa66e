//! What a pump promises, told one case at a time.

use super::*;

#[test]
fn a_run_from_its_first_line_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    node.pumps.notice(SERVER, Source::Daemon, "starting".to_owned());
    let mut keeper = node.attach(RUN);
    keeper.output(b"hello\r\nwor");
    node.wait_for_texts(&["starting", "hello", "wor~"]);
    keeper.wait_for_ack(10);
    keeper.output(b"ld\n");
    node.wait_for_texts(&["starting", "hello", "wor~", "~ld"]);
    keeper.output(b"last words");
    keeper.exit(3);
    assert!(matches!(
        node.event(),
        PumpEvent::Ended(RunEnd {
            run: RUN,
            code: Some(3),
            signal: None
        })
    ));
    node.pumps.notice(SERVER, Source::Daemon, "ended".to_owned());
    assert_eq!(keeper.next_but_ack(), Got::Release);
    assert_eq!(keeper.next(), Got::End);
    node.wait_for_texts(&["starting", "hello", "wor~", "~ld", "last words", "ended"]);
    assert!(node.bell.0.load(SeqCst) >= 4, "readers were woken");
    assert!(
        node.events.try_recv().is_err(),
        "a released keeper is not a lost one"
    );
    node.pumps.shutdown();
}

#[test]
fn a_node_that_is_killed_resumes_where_the_journal_ends() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    let stream: String = (0..5000).map(|n| format!("line {n}\n")).collect();
    let stream = stream.as_bytes();
    for round in 0..5 {
        let from = keeper.offset as usize;
        for chunk in stream[from..].chunks(777).take(10 + round) {
            keeper.output(chunk);
        }
        // As after SIGKILL, the journal has whatever it has: the pump goes at any point of the stream.
        node.pumps.shutdown();
        assert!(matches!(keeper.next_but_ack(), Got::End));
        node = Node::start(dir.path(), LIMITS);
        keeper = node.attach(RUN);
        assert!(keeper.resumed_at <= from as u64 + 20_000);
    }
    let from = keeper.offset as usize;
    for chunk in stream[from..].chunks(60_000) {
        keeper.output(chunk);
    }
    keeper.exit(0);
    assert!(matches!(node.event(), PumpEvent::Ended(_)));
    let joined: String = node
        .texts()
        .iter()
        .map(|line| match line.strip_suffix('~') {
            Some(open) => open.trim_start_matches('~').to_owned(),
            None => line.trim_start_matches('~').to_owned() + "\n",
        })
        .collect();
    assert!(joined.as_bytes() == stream, "every line once and in order");
    assert_eq!(node.console.at(1), node.console.at(0));
}

#[test]
fn chunks_that_come_again_are_left_out_and_holes_are_stated() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    keeper.output(b"one\ntwo\n");
    keeper.output_at(4, b"two\nthree\n");
    keeper.send(&KeeperFrame::Hole {
        from: 14,
        to: 100,
        newlines: 4,
    });
    keeper.send(&KeeperFrame::Hole {
        from: 14,
        to: 100,
        newlines: 4,
    });
    keeper.output_at(100, b"on\n");
    keeper.exit(0);
    assert!(matches!(node.event(), PumpEvent::Ended(_)));
    let lost = "4 lines (86 bytes) of the server's output were lost here.";
    node.wait_for_texts(&["one", "two", "three", lost, "on"]);
}

#[test]
fn input_is_answered_when_the_terminal_took_it_and_refused_when_there_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    let refused = node
        .pumps
        .input(SERVER, b"hi\n".to_vec())
        .blocking_recv()
        .unwrap();
    assert!(refused.unwrap_err().contains("offline"));

    let mut keeper = node.attach(RUN);
    let first = node.pumps.input(SERVER, b"say hi\n".to_vec());
    let second = node.pumps.input(SERVER, b"stop\n".to_vec());
    node.pumps.signal(SERVER, 15, false);
    let Got::Input(id, bytes) = keeper.next() else {
        panic!("input first")
    };
    assert_eq!(bytes, b"say hi\n");
    let Got::Input(other, _) = keeper.next() else {
        panic!("in order")
    };
    assert_eq!(keeper.next(), Got::Signal(15, false));
    keeper.send(&KeeperFrame::InputResult {
        id: other,
        error: "The terminal is full.",
    });
    keeper.send(&KeeperFrame::InputResult { id, error: "" });
    assert_eq!(first.blocking_recv().unwrap(), Ok(()));
    assert_eq!(
        second.blocking_recv().unwrap(),
        Err("The terminal is full.".to_owned())
    );

    let lost = node.pumps.input(SERVER, b"never\n".to_vec());
    let Got::Input(..) = keeper.next() else {
        panic!("input")
    };
    drop(keeper);
    lost.blocking_recv().unwrap().unwrap_err();
    assert!(matches!(node.event(), PumpEvent::KeeperLost(RUN, _)));
}

#[test]
fn the_done_text_is_seen_once_a_run_also_over_a_seam_and_through_colours() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    let rule = DoneRule {
        patterns: vec![
            "never".to_owned(),
            r"regex:Done \(\d+s\)$".to_owned(),
            "regex:(".to_owned(),
        ],
        strip_ansi: true,
    };
    node.pumps.watch_done(SERVER, Some(rule));
    let mut keeper = node.attach(RUN);
    keeper.output(b"loading\n\x1b[32mDo");
    node.wait_for_texts(&["loading", "\u{1b}[32mDo~"]);
    keeper.output(b"ne\x1b[0m (3s)\nDone (4s)\n");
    assert!(matches!(node.event(), PumpEvent::Done(RUN)));
    keeper.exit(0);
    assert!(matches!(node.event(), PumpEvent::Ended(_)));

    // The rule is told again before the next start: what the last run wrote does not count.
    let rule = DoneRule {
        patterns: vec!["Done".to_owned()],
        strip_ansi: false,
    };
    node.pumps.watch_done(SERVER, Some(rule));
    let next = Uuid::from_u128(3);
    let mut keeper = node.attach(next);
    // A plain text counts before its line has ended, and a rule that comes late finds what was there.
    keeper.output(b"ready> ");
    keeper.wait_for_ack(7);
    let rule = DoneRule {
        patterns: vec!["ready>".to_owned()],
        strip_ansi: false,
    };
    node.pumps.watch_done(SERVER, Some(rule));
    let PumpEvent::Done(run) = node.event() else {
        panic!("done")
    };
    assert_eq!(run, next);

    // A node that was killed before it could act on the text finds it when it takes the run up again.
    node.pumps.shutdown();
    let mut node = Node::start(dir.path(), LIMITS);
    let rule = DoneRule {
        patterns: vec!["ready>".to_owned()],
        strip_ansi: false,
    };
    node.pumps.watch_done(SERVER, Some(rule));
    let _keeper = node.attach(next);
    let PumpEvent::Done(run) = node.event() else {
        panic!("done")
    };
    assert_eq!(run, next);
}

#[test]
fn a_keeper_that_speaks_nonsense_or_of_another_run_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let mut node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    keeper.stream.write_all(&[0xff; 64]).unwrap();
    let PumpEvent::KeeperLost(RUN, why) = node.event() else {
        panic!("lost")
    };
    assert!(why.contains("protocol"), "{why}");

    let (ours, theirs) = UnixStream::pair().unwrap();
    node.pumps.attach(SERVER, RUN, theirs, 0);
    FakeKeeper::new(ours).send(&KeeperFrame::Hello {
        version: 1,
        run: Uuid::from_u128(99),
        pid: 0,
        first_offset: 0,
        started_ms: 0,
    });
    let PumpEvent::KeeperLost(RUN, why) = node.event() else {
        panic!("lost")
    };
    assert!(why.contains("another run"), "{why}");
}

#[test]
fn a_panic_costs_its_own_server_and_no_other() {
    struct Trap(Uuid);
    impl Wake for Trap {
        fn published(&self, server: Uuid) {
            assert_ne!(server, self.0, "a panic on purpose");
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let other = Uuid::from_u128(5);
    let pumps = Pumps::start(1, Arc::new(Trap(other)), Arc::new(SystemClock)).unwrap();
    let mut consoles = Vec::new();
    for server in [SERVER, other] {
        let path = dir.path().join(server.to_string());
        let (writer, console, _) = roost_console::open(&path, "Roost", LIMITS, 0).unwrap();
        let (sender, events) = mpsc::unbounded_channel();
        pumps.add(server, writer, Arc::new(Notify::new()), sender);
        consoles.push((console, events));
    }
    pumps.notice(other, Source::Daemon, "boom".to_owned());
    let (_, mut events) = consoles.pop().unwrap();
    assert!(matches!(events.blocking_recv(), Some(PumpEvent::KeeperLost(..))));
    pumps.notice(SERVER, Source::Daemon, "unharmed".to_owned());
    let begun = Instant::now();
    while consoles[0].0.next_seq() == 1 {
        assert!(begun.elapsed() < PATIENCE, "waiting for the other server's line");
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_node_that_ends_closes_its_journals_so_that_their_streams_stay() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    keeper.output(b"line\n");
    node.wait_for_texts(&["line"]);
    let epoch = || std::fs::read_to_string(dir.path().join("journal/epoch")).unwrap();
    assert!(epoch().ends_with("\nopen\n"), "{}", epoch());
    node.pumps.shutdown();
    assert!(epoch().ends_with("\nclosed\n"), "{}", epoch());
}

#[test]
fn a_removed_server_is_synced_and_closed() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    keeper.output(b"line\n");
    node.wait_for_texts(&["line"]);
    node.pumps.remove(SERVER).blocking_recv().unwrap();
    assert_eq!(keeper.next_but_ack(), Got::End);
    let mut cursor = node.console.tail();
    assert!(matches!(node.console.read(&mut cursor, 1), Read::Closed));
    node.pumps.remove(SERVER).blocking_recv().unwrap();
}

#[test]
fn erasing_goes_through_the_pump() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    keeper.output(b"old\n");
    node.wait_for_texts(&["old"]);
    assert_eq!(
        node.pumps
            .erase_before(SERVER, 1_000)
            .blocking_recv()
            .unwrap()
            .unwrap(),
        1
    );
    let history = node
        .console
        .history(&mut cursor_from_the_start(), 1 << 20)
        .unwrap();
    assert_eq!(history.batches.len(), 0);
}

#[test]
fn closed_segments_are_compressed_in_passing() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        journal_bytes: 512 << 10,
        ..LIMITS
    };
    let node = Node::start(dir.path(), limits);
    let mut keeper = node.attach(RUN);
    for n in 0..20 {
        let lines: String = (0..100)
            .map(|i| format!("line {} {:80}\n", n * 100 + i, ""))
            .collect();
        keeper.output(lines.as_bytes());
    }
    let begun = Instant::now();
    let compressed = || {
        let files = std::fs::read_dir(dir.path().join("journal")).unwrap();
        files
            .filter(|f| {
                f.as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|e| e == "zlog")
            })
            .count()
    };
    while compressed() < 2 || node.console.next_seq() < 2001 {
        assert!(begun.elapsed() < PATIENCE, "waiting for a compressed file");
        std::thread::sleep(Duration::from_millis(10));
    }
    let texts = node.texts();
    assert_eq!(texts.len(), 2000);
    assert!(texts[1234].starts_with("line 1234 "), "{}", texts[1234]);
}

/// Prints how long a line takes from the keeper's write to the wake; asserts no time.
#[test]
fn lines_at_a_thousand_a_second_are_woken_for_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    let line = [&[b'x'; 79][..], b"\n"].concat();
    let mut times = Vec::new();
    for n in 0..300 {
        let (begun, wakes) = (Instant::now(), node.bell.0.load(SeqCst));
        keeper.output(&line);
        while node.bell.0.load(SeqCst) == wakes {
            std::hint::spin_loop();
        }
        times.push(begun.elapsed());
        assert_eq!(node.console.next_seq(), n + 2);
        std::thread::sleep(Duration::from_millis(1));
    }
    times.sort();
    println!("median {:?}, 99 % {:?}", times[150], times[297]);
}

#[test]
fn an_installer_s_chunk_is_answered_when_it_is_kept_and_leaves_the_keeper_s_offsets_alone() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), LIMITS);
    let mut keeper = node.attach(RUN);
    keeper.output(b"whole\nname: ");
    keeper.wait_for_ack(12);
    let taken = node
        .pumps
        .installer_output(SERVER, b"one\r\n\nContinue?".to_vec());
    taken.blocking_recv().unwrap();
    // After a while, since no line end comes.
    node.wait_for_texts(&["whole", "name: ~", "one", "", "Continue?~"]);
    node.pumps
        .installer_output(SERVER, b" yes\n".to_vec())
        .blocking_recv()
        .unwrap();
    node.pumps.installer_ended(SERVER);
    node.wait_for_texts(&["whole", "name: ~", "one", "", "Continue?~", "~ yes"]);
    keeper.output(b"bob\n");
    keeper.wait_for_ack(16);
    node.wait_for_texts(&["whole", "name: ~", "one", "", "Continue?~", "~ yes", "~bob"]);
    let nobody = node.pumps.installer_output(Uuid::from_u128(9), b"lost".to_vec());
    assert!(nobody.blocking_recv().is_err(), "its console is gone");
}

#[test]
fn what_an_installer_said_last_is_a_line_when_the_node_ends() {
    let dir = tempfile::tempdir().unwrap();
    let node = Node::start(dir.path(), LIMITS);
    let taken = node.pumps.installer_output(SERVER, b"50 %\r".to_vec());
    taken.blocking_recv().unwrap();
    node.pumps.shutdown();
    let (_writer, console, _) = roost_console::open(&dir.path().join("journal"), "Roost", LIMITS, 0).unwrap();
    let batches = console.lines(&mut console.at(1), 1 << 20).unwrap().batches;
    let lines: Vec<_> = batches.iter().flat_map(|batch| batch.lines()).collect();
    assert!(lines.last().is_some_and(|line| !line.open), "{lines:?}");
    let text: Vec<u8> = lines.iter().flat_map(|line| line.bytes.to_vec()).collect();
    assert_eq!(text, b"50 %");
}
