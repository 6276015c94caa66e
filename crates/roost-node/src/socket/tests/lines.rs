//! Lines: history and live meet, slow viewers delay nobody and lose nothing, and everybody sees what his rights allow.

use super::{
    client::{Client, seen},
    stand::Stand,
};
use roost_wire::power::PowerState;
use std::{
    io::Read,
    time::{Duration, Instant},
};

const QUIET: Duration = Duration::from_millis(300);

fn numbers(lines: &[String]) -> Vec<u64> {
    lines
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect()
}

/// The numbers must follow one upon another.
#[track_caller]
fn assert_gapless(numbers: &[u64]) {
    if let Some(at) = numbers.windows(2).position(|pair| pair[1] != pair[0] + 1) {
        panic!("{} is followed by {}", numbers[at], numbers[at + 1]);
    }
}

#[test]
fn live_lines_begin_at_auth_and_keep_their_blanks() {
    let mut stand = Stand::new();
    stand.print("before\n");
    let mut viewer = stand.join(&stand.token());
    stand.print("  two  blanks \n\n\u{1b}[31mred\u{1b}[0m \"quoted\"\n");
    assert_eq!(
        viewer.lines(3),
        ["  two  blanks ", "", "\u{1b}[31mred\u{1b}[0m \"quoted\""]
    );
}

#[test]
fn a_line_for_few_viewers_is_sent_by_whoever_publishes_it() {
    let mut stand = Stand::new();
    let mut viewers: Vec<Client> = (0..3).map(|_| stand.join(&stand.token())).collect();
    let mut at_once = 0;
    for _ in 0..10 {
        std::thread::sleep(Duration::from_millis(20));
        stand.print("at once\n");
        for viewer in &mut viewers {
            at_once += u32::from(viewer.has_bytes());
            assert_eq!(viewer.lines(1), ["at once"]);
        }
    }
    // Now and then the shard is awake, and does it.
    assert!(at_once >= 24, "{at_once} of 30");
    // More than a visit brings: the shard does the rest.
    let text: String = (0..2000).map(|n| format!("{n} of a lot\n")).collect();
    stand.print(&text);
    for viewer in &mut viewers {
        assert_eq!(numbers(&viewer.lines(2000)), (0..2000).collect::<Vec<_>>());
    }
}

#[test]
fn send_logs_replays_the_last_lines_also_of_an_offline_server() {
    let mut stand = Stand::new();
    for n in 0..400 {
        stand.print(&format!("{n} line\n"));
    }
    stand.view.send_modify(|view| view.state = PowerState::Offline);
    let mut viewer = stand.join(&stand.token());
    viewer.send("send logs", &[]);
    assert_eq!(numbers(&viewer.lines(150)), (250..400).collect::<Vec<_>>());
    stand.print("400 line\n");
    assert_eq!(numbers(&viewer.lines(1)), [400]);
}

#[test]
fn history_and_live_meet_without_a_hole_or_a_double_under_load() {
    // Rings of a few lines, so that history comes from ring and journal.
    let mut stand = Stand::with_limits(
        |settings| settings.hold = Duration::from_secs(5),
        |limits| limits.ring_bytes = 4_000,
    );
    let token = stand.token();
    let mut viewers: Vec<Client> = Vec::new();
    let mut n = 0u64;
    for round in 0..400 {
        for _ in 0..round % 7 {
            stand.print(&format!("{n} line\n"));
            n += 1;
        }
        if round % 10 == 0 {
            let mut viewer = stand.open(None);
            viewer.send("auth", &[&token]);
            viewer.send("send logs", &[]);
            viewers.push(viewer);
        }
        std::thread::sleep(Duration::from_micros(300));
    }
    stand.print(&format!("{n} last\n"));
    for viewer in &mut viewers {
        let mut got = Vec::new();
        while got.last() != Some(&n) {
            got.extend(numbers(&viewer.lines(1)));
        }
        assert_gapless(&got);
        assert!(
            got.len() as u64 >= n.min(150) || got[0] == 0,
            "{} lines from {}",
            got.len(),
            got[0]
        );
    }
}

#[test]
fn a_slow_viewer_delays_nobody_and_loses_nothing() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 256 << 10);
    let token = stand.token();
    let mut slow = stand.join(&token);
    let mut good: Vec<Client> = (0..3).map(|_| stand.join(&token)).collect();
    std::thread::sleep(Duration::from_millis(50));
    let pad = "x".repeat(180);
    let readers: Vec<_> = good
        .drain(..)
        .map(|mut viewer| std::thread::spawn(move || (numbers(&viewer.lines(100_000)), Instant::now())))
        .collect();
    for chunk in 0..1_000u64 {
        let lines: String = (0..100).map(|i| format!("{} {pad}\n", chunk * 100 + i)).collect();
        stand.print(&lines);
    }
    let printed = Instant::now();
    for reader in readers {
        let (got, at) = reader.join().unwrap();
        assert_eq!((got[0], got.len()), (0, 100_000));
        assert_gapless(&got);
        let late = at.saturating_duration_since(printed);
        assert!(late < Duration::from_secs(5), "a good viewer was {late:?} late");
    }
    assert!(stand.shards.counts().slow > 0, "nobody was slow");
    // 20 MB later it reads all of it.
    let got = numbers(&slow.lines(100_000));
    assert_eq!(got[0], 0);
    assert_gapless(&got);
    // And is one of the others again: the state is told, since events may have passed unseen.
    stand.print("100000 live\n");
    assert_eq!(numbers(&slow.lines(1)), [100_000]);
}

#[test]
fn viewers_that_fell_behind_together_read_the_journal_together() {
    let mut stand = Stand::with_limits(|_| (), |limits| limits.ring_bytes = 2_000);
    let mut viewers: Vec<Client> = (0..3).map(|_| stand.join(&stand.token())).collect();
    std::thread::sleep(Duration::from_millis(100));
    for n in 0..1_000u64 {
        let text = format!("{n} line\n");
        stand.print_unheard(&text);
    }
    stand.set_state(PowerState::Stopping);
    for viewer in &mut viewers {
        assert_gapless(&numbers(&viewer.lines(1_000)));
        assert_eq!(viewer.until("status"), ["stopping"]);
    }
    stand.print("1000 live\n");
    for viewer in &mut viewers {
        assert_eq!(viewer.lines(1), ["1000 live"]);
    }
    let counts = stand.shards.counts();
    assert_eq!(counts.deliveries, 3 * 1_001, "each line in one pass for all");
    assert_eq!(counts.slow, 0);
}

#[test]
fn a_viewer_that_takes_nothing_is_closed_and_others_are_not() {
    let mut stand = Stand::with(|settings| settings.write_deadline = Duration::from_millis(600));
    let (token, line) = (stand.token(), format!("{}\n", "x".repeat(60_000)));
    let mut stuck = stand.join(&token);
    let mut good = stand.join(&token);
    let reader = std::thread::spawn(move || {
        good.lines(200);
        good
    });
    for _ in 0..200 {
        stand.print(&line);
    }
    let row = &stand.rows_of("server:websocket.disconnect", 1)[0];
    assert_eq!(
        (&row.details["code"], &row.details["by"]),
        (&4408.into(), &"node".into())
    );
    assert_eq!(
        stuck.until_close(),
        (4408, "viewer did not read in time".to_owned())
    );
    let mut good = reader.join().unwrap();
    stand.print("still here\n");
    assert_eq!(good.lines(1), ["still here"]);
}

#[test]
fn lines_that_are_gone_are_counted_exactly() {
    let mut stand = Stand::with_limits(
        |_| (),
        |limits| {
            limits.journal_bytes = 2 << 20;
            limits.ring_bytes = 64 << 10;
        },
    );
    let mut slow = stand.join(&stand.token());
    std::thread::sleep(Duration::from_millis(50));
    let pad = "x".repeat(1_000);
    for chunk in 0..1_000u64 {
        let lines: String = (0..20).map(|i| format!("{} {pad}\n", chunk * 20 + i)).collect();
        stand.print(&lines);
        if chunk % 20 == 0 {
            // Nothing goes before something younger is safe.
            stand.writer.sync().unwrap();
        }
        let now = roost_wire::clock::Clock::now(&*stand.clock);
        stand.writer.enforce_limits(now).unwrap();
    }
    stand.print("20000 last\n");
    let (mut seen, mut missing, mut expected) = (0u64, 0u64, 0u64);
    while expected <= 20_000 {
        match slow.next() {
            super::client::Seen::Event(name, args) if name == "console output" => {
                assert_eq!(numbers(&args), [expected]);
                seen += 1;
                expected += 1;
            }
            super::client::Seen::Event(name, args) if name == "daemon message" => {
                let (count, text) = args[0].split_once(' ').unwrap();
                assert!(text.starts_with("lines are missing here"), "{text}");
                let count: u64 = count.parse().unwrap();
                missing += count;
                expected += count;
            }
            super::client::Seen::Event(..) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(missing > 0, "nothing was dropped");
    assert_eq!(seen + missing, 20_001);
}

#[test]
fn a_subuser_never_sees_what_was_said_before_his_grant() {
    // Long enough for a `send logs` on a busy machine.
    let mut stand = Stand::with(|settings| settings.hold = Duration::from_secs(10));
    for n in 0..50 {
        stand.print(&format!("{n} old\n"));
    }
    stand.clock.advance(1_000);
    let granted = roost_wire::clock::Clock::now(&*stand.clock);
    for n in 50..60 {
        stand.print(&format!("{n} new\n"));
    }
    let token = stand.token_with(|claims| claims.history_from = Some(granted));
    let mut viewer = stand.join(&token);
    viewer.send("send logs", &[]);
    stand.print("60 live\n");
    assert_eq!(numbers(&viewer.lines(11)), (50..61).collect::<Vec<_>>());
    viewer.send("send logs", &[]);
    assert_eq!(numbers(&viewer.lines(11)), (50..61).collect::<Vec<_>>());
}

#[test]
fn the_installer_is_seen_only_with_the_right() {
    let mut stand = Stand::new();
    let mut owner = stand.join(&stand.token());
    let mut bob = stand.join(&stand.token_of_bob(&["control.console"]));
    for viewer in [&mut owner, &mut bob] {
        viewer.send("send command", &["hello"]);
    }
    std::thread::sleep(Duration::from_millis(50));
    stand.print("one\n");
    stand.install_line("a secret of the installer");
    stand.print("two\n");
    owner.expect(&[
        seen("console output", &["one"]),
        seen("install output", &["a secret of the installer"]),
        seen("console output", &["two"]),
    ]);
    bob.expect(&[seen("console output", &["one"]), seen("console output", &["two"])]);
    bob.send("send logs", &[]);
    bob.expect(&[seen("console output", &["one"]), seen("console output", &["two"])]);
    assert!(bob.is_silent_for(QUIET));
}

#[test]
fn events_stand_in_their_place_and_are_not_replayed() {
    let mut stand = Stand::new();
    stand.set_state(PowerState::Starting);
    stand.print("up\n");
    stand.set_state(PowerState::Running);
    let mut viewer = stand.open(Some(&stand.token()));
    viewer.expect(&[seen("auth success", &[]), seen("status", &["running"])]);
    viewer.send("send logs", &[]);
    viewer.expect(&[seen("console output", &["up"])]);
    stand.print("bye\n");
    stand.set_state(PowerState::Stopping);
    stand.print("gone\n");
    viewer.expect(&[
        seen("console output", &["bye"]),
        seen("status", &["stopping"]),
        seen("console output", &["gone"]),
    ]);
}

#[test]
fn many_viewers_of_a_fast_server_get_all_of_it() {
    let mut stand = Stand::with(|settings| settings.guests_per_address = 1_000);
    let token = stand.token();
    let viewers: Vec<Client> = (0..200).map(|_| stand.join(&token)).collect();
    std::thread::sleep(Duration::from_millis(100));
    let readers: Vec<_> = viewers
        .into_iter()
        .map(|mut viewer| std::thread::spawn(move || numbers(&viewer.lines(2_000))))
        .collect();
    for n in 0..2_000 {
        stand.print(&format!("{n} line\n"));
        std::thread::sleep(Duration::from_micros(200));
    }
    for reader in readers {
        let got = reader.join().unwrap();
        assert_eq!(got[0], 0);
        assert_gapless(&got);
    }
    let counts = stand.shards.counts();
    assert_eq!(counts.deliveries, 400_000);
    assert!(
        counts.flushes < 1_500,
        "{} flushes: lines were not gathered",
        counts.flushes
    );
}

#[test]
fn an_idle_viewer_holds_no_buffer() {
    // What a viewer adds to the heap: itself, its session with three short texts, its places in lists.
    let bytes = size_of::<super::super::viewer::Viewer>() + size_of::<super::super::viewer::Session>() + 200;
    assert!(bytes < 1_024, "{bytes} bytes");
}

#[test]
fn a_closed_socket_lets_go_of_what_it_read() {
    let mut stand = Stand::new();
    let viewer = stand.join(&stand.token());
    let mut stream = viewer.stream;
    stand.print("x\n");
    let mut some = [0; 4];
    stream.read_exact(&mut some).unwrap();
    drop(stream);
    stand.rows_of("server:websocket.disconnect", 1);
    assert_eq!(stand.shards.counts().viewers, 0);
}
