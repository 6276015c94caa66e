//! What the console promises, told one case at a time.

use super::*;
use crate::{Audience, LineJoiner};
use roost_wire::event;

#[test]
fn a_line_is_in_ring_and_journal_and_its_number_goes_on_after_a_kill() {
    let mut bench = Bench::new(LIMITS);
    let mut live = Follower::new(bench.console.tail());
    bench.writer().begin_run(RUN, 1).unwrap();
    assert_eq!(bench.writer().output(b"one\r\ntwo\nthr", 12, 2).unwrap(), 2);
    bench.writer().notice(Source::Daemon, "hello\nworld", 3).unwrap();
    live.follow(&bench.console, 1 << 20);
    assert_eq!(texts(&live.seen), ["one", "two", "hello", "world"]);
    assert_eq!(live.seen[2].1, Source::Daemon);
    let position = bench.writer().position().unwrap();
    assert_eq!(
        (position.run, position.offset),
        (RUN, 9),
        "pending text is not in the journal"
    );

    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, Vec::<String>::new());
    assert_eq!(bench.writer().position(), Some(position));
    bench.writer().output(b"three\n", 15, 4).unwrap();
    assert_eq!(texts(&bench.history()), ["one", "two", "hello", "world", "three"]);
    assert_eq!((bench.console.first_seq(), bench.console.next_seq()), (1, 6));
}

#[test]
fn a_prompt_is_shown_once_whatever_comes_between() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(RUN, 1).unwrap();
    bench.writer().output(b"name: ", 6, 2).unwrap();
    assert!(bench.writer().has_partial());
    assert_eq!(bench.writer().flush_partial(3).unwrap(), 1);
    assert_eq!(bench.writer().flush_partial(3).unwrap(), 0);
    bench.kill_and_open(LIMITS);
    bench
        .writer()
        .notice(Source::Daemon, "node restarted", 4)
        .unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.writer().position().unwrap().offset, 6);
    bench.writer().output(b"bob\n", 10, 5).unwrap();
    bench.writer().begin_run(Uuid::from_u128(8), 6).unwrap();
    assert_eq!(texts(&bench.history()), ["name: ", "node restarted", "bob"]);
}

#[test]
fn a_new_run_ends_the_line_of_the_old_one() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(RUN, 1).unwrap();
    bench.writer().output(b"shown", 5, 2).unwrap();
    bench.writer().flush_partial(2).unwrap();
    bench.writer().output(b" pending", 13, 2).unwrap();
    bench.writer().begin_run(Uuid::from_u128(8), 3).unwrap();
    bench.writer().output(b"next\n", 5, 4).unwrap();
    let mut joiner = LineJoiner::default();
    let mut joined = Vec::new();
    let history = bench.console.history(
        &mut Cursor {
            seq: 1,
            entry: Cursor::NOT_ALIGNED,
        },
        1 << 20,
    );
    assert_eq!(history.unwrap().batches.len(), 0, "all of it is in the ring");
    if let Read::Entries(entries) = bench.console.read(&mut bench.console.at(1), 1 << 20) {
        for entry in entries {
            let Entry::Lines(batch) = entry else { continue };
            joined.extend(
                batch
                    .lines()
                    .filter_map(|line| joiner.push(line).map(<[u8]>::to_vec)),
            );
        }
    }
    assert_eq!(joined, [&b"shown pending"[..], b"next"]);
}

#[test]
fn where_a_stream_broke_off_it_goes_on_from_elsewhere() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(RUN, 1).unwrap();
    let begun = "one\ntwo\u{20ac}".as_bytes();
    bench.writer().output(&begun[..9], 9, 2).unwrap();
    bench.writer().break_off(3).unwrap();
    assert_eq!(
        bench.writer().position().unwrap().offset,
        7,
        "the beginning of a character is forgotten"
    );
    bench
        .writer()
        .recovered("\u{20ac}!\nthree\n".as_bytes(), 4)
        .unwrap();
    assert_eq!(texts(&bench.history()), ["one", "two", "\u{20ac}!", "three"]);
}

#[test]
fn history_is_read_in_the_encoding_that_is_set() {
    let mut bench = Bench::new(LIMITS);
    assert_eq!(bench.console.encoding(), Encoding::Utf8);
    bench.console.set_encoding(Encoding::Windows1251);
    assert_eq!(bench.console.encoding(), Encoding::Windows1251);
    bench.writer().begin_run(RUN, 1).unwrap();
    let raw = crate::encode(Encoding::Windows1251, "Старт\n").unwrap();
    bench.writer().output(&raw, raw.len() as u64, 2).unwrap();
    assert_eq!(texts(&bench.history()), ["Старт"]);
    bench.kill_and_open(LIMITS);
    assert_eq!(
        texts(&bench.history()),
        ["\u{fffd}".repeat(5)],
        "read as something else"
    );
    bench.console.set_encoding(Encoding::Windows1251);
    assert_eq!(texts(&bench.history()), ["Старт"]);
}

#[test]
fn chunks_that_overlap_are_trimmed_and_a_jump_is_stated() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(RUN, 1).unwrap();
    bench.writer().output(b"abc\nde", 6, 2).unwrap();
    bench.writer().output(b"c\ndef\n", 8, 2).unwrap();
    bench.writer().output(b"abc\n", 4, 2).unwrap();
    bench.writer().output(b"late\n", 105, 3).unwrap();
    bench.writer().hole(200, Some(3), 4).unwrap();
    let history = bench.history();
    assert_eq!(
        texts(&history),
        [
            "abc",
            "def",
            "92 bytes of the server's output were lost here.",
            "late",
            "3 lines (95 bytes) of the server's output were lost here."
        ]
    );
    assert_eq!(bench.console.lost(), (3, 92 + 95));
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.writer().position().unwrap().offset, 200);
    assert_eq!(bench.console.lost(), (0, 0), "counted from the start");
}

#[test]
fn a_full_disk_changes_nothing_and_the_same_bytes_work_once_there_is_room() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(RUN, 1).unwrap();
    bench.writer().output(b"first\nbegun", 11, 1).unwrap();
    for left in [0, 10, 41, 90] {
        bench.writer().journal.shared.dir.tape.set_left(Some(left));
        let next = bench.console.next_seq();
        bench
            .writer()
            .output(b" line\nsecond\nthird\n", 30, 2)
            .unwrap_err();
        bench.writer().flush_partial(2).unwrap_err();
        bench.writer().notice(Source::Daemon, "unheard", 2).unwrap_err();
        bench.writer().hole(500, None, 2).unwrap_err();
        bench.writer().end_of_stream(2).unwrap_err();
        bench.writer().begin_run(Uuid::from_u128(9), 2).unwrap_err();
        assert_eq!(
            bench.console.next_seq(),
            next,
            "nothing is shown that was not written"
        );
        let whole: u64 = bench.files().iter().map(|f| f.metadata().unwrap().len()).sum();
        assert_eq!(
            whole,
            bench.console.journal_bytes(),
            "what was half written is cut off"
        );
    }
    bench.writer().journal.shared.dir.tape.set_left(None);
    bench.writer().output(b" line\nsecond\nthird\n", 30, 3).unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, Vec::<String>::new());
    assert_eq!(
        texts(&bench.history()),
        ["first", "begun line", "second", "third"]
    );
}

#[test]
fn nothing_is_written_behind_what_a_failed_write_left() {
    let mut bench = Bench::new(LIMITS);
    let opened = bench.writer().journal.salt();
    bench.writer().journal.shared.dir.tape.set_left(Some(10));
    bench.writer().notice(Source::Daemon, "unheard", 1).unwrap_err();
    bench.writer().journal.shared.dir.tape.set_left(None);
    bench.writer().notice(Source::Daemon, "one", 2).unwrap();
    let first = bench.writer().journal.salt();
    assert_ne!(first, opened, "an empty file is made anew, with another secret");
    assert_eq!(bench.files().len(), 1);
    bench.writer().notice(Source::Daemon, "two", 3).unwrap();
    assert_eq!(bench.writer().journal.salt(), first, "without need none is");

    bench.writer().journal.shared.dir.tape.set_left(Some(10));
    bench.writer().notice(Source::Daemon, "unheard", 4).unwrap_err();
    bench.writer().journal.shared.dir.tape.set_left(None);
    bench.writer().notice(Source::Daemon, "three", 5).unwrap();
    assert_eq!(bench.files().len(), 2, "one with lines is closed");
    bench.kill_and_open(LIMITS);
    assert_eq!(texts(&bench.history()), ["one", "two", "three"]);

    let mut fresh = Bench::new(LIMITS);
    let opened = fresh.writer().journal.salt();
    assert_ne!(opened, first, "no two journals share a secret");
    fresh.writer().notice(Source::Daemon, "one", 1).unwrap();
    assert_eq!(fresh.writer().journal.salt(), opened);
}

#[test]
fn files_are_the_owners_own_and_links_are_not_followed() {
    use std::os::unix::fs::{PermissionsExt, symlink};
    let bench = Bench::new(LIMITS);
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&bench.path()), 0o700);
    assert_eq!(mode(&bench.files()[0]), 0o600);

    let link = bench.dir.path().join("link");
    symlink(bench.path(), &link).unwrap();
    let refused = open(&link, "Roost", LIMITS, 0, BOOT).unwrap_err().to_string();
    assert!(refused.contains("symbolic link"), "{refused}");

    let (file, elsewhere) = (bench.files()[0].clone(), bench.dir.path().join("elsewhere"));
    std::fs::rename(&file, &elsewhere).unwrap();
    symlink(&elsewhere, &file).unwrap();
    open(&bench.path(), "Roost", LIMITS, 0, BOOT).unwrap_err();
}

#[test]
fn the_oldest_segments_go_first_and_the_number_goes_on_even_when_all_are_gone() {
    let limits = Limits {
        journal_bytes: 512 * 1024,
        ..LIMITS
    };
    let mut bench = Bench::new(limits);
    bench.writer().begin_run(RUN, 0).unwrap();
    let line = [b'x'; 1000];
    let mut offset = 0;
    for time in 0..1000 {
        offset += 1001;
        bench
            .writer()
            .output(&[&line[..], b"\n"].concat(), offset, time)
            .unwrap();
    }
    let said = bench.enforce_limits(1000).unwrap();
    assert!(said.contains("512 KiB"), "{said}");
    assert!(bench.console.journal_bytes() <= limits.journal_bytes);
    let first = bench.console.first_seq();
    assert!(said.contains(&format!("begins at line {first}")), "{said}");
    assert!((480..560).contains(&first), "about half of the lines: {first}");
    assert_eq!(bench.enforce_limits(1000), None);
    let mut late = Follower::new(bench.console.at(1));
    late.follow(&bench.console, 10_000);
    assert_eq!((late.missed, late.seen.len() as u64), (first - 1, 1001 - first));

    let aged = Limits {
        journal_age: 10,
        ..limits
    };
    bench.writer().set_limits(aged);
    assert!(bench.enforce_limits(5000).is_some());
    assert_eq!(bench.files().len(), 1);
    bench.kill_and_open(aged);
    assert_eq!(
        (bench.console.first_seq(), bench.console.next_seq()),
        (1001, 1001)
    );
    assert_eq!(bench.writer().position().unwrap(), Position { run: RUN, offset });
    bench.writer().output(b"on\n", offset + 3, 5000).unwrap();
    assert_eq!(bench.history(), [(1001, Source::Output, "on".to_owned())]);
}

#[test]
fn erased_lines_are_neither_on_the_disk_nor_in_memory() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(RUN, 0).unwrap();
    // The clock jumps back once, so that an old line stands behind a young one.
    for (i, time) in [10, 20, 30, 15, 40].into_iter().enumerate() {
        let text = format!("secret{time}\n");
        bench
            .writer()
            .output(text.as_bytes(), 9 * (i as u64 + 1), time)
            .unwrap();
    }
    let mut early = Follower::new(bench.console.at(1));
    assert_eq!(bench.writer().erase_before(20).unwrap(), 2);
    let on_disk = |bench: &Bench, text: &str| {
        let files: Vec<u8> = bench
            .files()
            .iter()
            .flat_map(|f| std::fs::read(f).unwrap())
            .collect();
        memchr::memmem::find(&files, text.as_bytes()).is_some()
    };
    for (text, there) in [("secret10", false), ("secret15", false), ("secret20", true)] {
        assert_eq!(on_disk(&bench, text), there, "{text}");
    }
    early.follow(&bench.console, 1 << 20);
    assert_eq!(texts(&early.seen), ["secret20", "secret30", "secret40"]);
    assert_eq!(early.missed, 2);
    // Again, where the first line of the segment stays and one in its middle goes.
    bench.writer().output(b"secret70\nsecret80\n", 63, 70).unwrap();
    bench.writer().output(b"secret25\n", 72, 25).unwrap();
    assert_eq!(bench.writer().erase_before(30).unwrap(), 2);
    assert!(!on_disk(&bench, "secret25") && !on_disk(&bench, "secret20"));
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, Vec::<String>::new());
    assert_eq!(
        texts(&bench.history()),
        ["secret30", "secret40", "secret70", "secret80"]
    );
    assert_eq!(bench.writer().position().unwrap().offset, 72);
    assert_eq!(bench.console.next_seq(), 9);
    assert_eq!(bench.console.seq_at(35).unwrap(), 5);
}

#[test]
fn lines_that_come_together_are_one_batch_of_each_source() {
    let mut bench = Bench::new(LIMITS);
    let mut cursor = bench.console.tail();
    bench.writer().begin_run(RUN, 1).unwrap();
    bench.writer().output(b"one\ntwo\nthree", 13, 2).unwrap();
    bench.writer().hole(20, None, 3).unwrap();
    let Read::Entries(entries) = bench.console.read(&mut cursor, 1 << 20) else {
        panic!("three batches");
    };
    let batches = entries.iter().map(|entry| match entry {
        Entry::Lines(batch) => (batch.source(), batch.lines().len()),
        Entry::Event(_) => panic!("no event came"),
    });
    let batches: Vec<_> = batches.collect();
    assert_eq!(
        batches,
        [(Source::Output, 2), (Source::Output, 1), (Source::Daemon, 1)]
    );
}

#[test]
fn an_event_keeps_its_place_among_the_lines() {
    let mut bench = Bench::new(LIMITS);
    let mut cursor = bench.console.tail();
    bench.writer().notice(Source::Daemon, "starting", 1).unwrap();
    bench.writer().event(Event {
        classic: Bytes::from_static(b"status"),
        v1: Bytes::from_static(b"status"),
        audience: Audience::All,
    });
    bench.writer().notice(Source::Daemon, "started", 1).unwrap();
    let Read::Entries(entries) = bench.console.read(&mut cursor, 1 << 20) else {
        panic!("three entries");
    };
    let order: Vec<_> = entries.iter().map(|e| matches!(e, Entry::Event(_))).collect();
    assert_eq!(order, [false, true, false]);
    assert!(matches!(bench.console.read(&mut cursor, 1 << 20), Read::Empty));
    bench.writer().notice(Source::Daemon, "last", 1).unwrap();
    bench.writer = None;
    assert!(matches!(
        bench.console.read(&mut cursor, 1 << 20),
        Read::Entries(_)
    ));
    assert!(matches!(bench.console.read(&mut cursor, 1 << 20), Read::Closed));
}

#[test]
fn a_cursor_past_the_end_is_put_at_the_end() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().notice(Source::Daemon, "one", 1).unwrap();
    let mut cursor = bench.console.at(500);
    assert_eq!(cursor.seq, 2);
    let mut made_up = Cursor {
        seq: 900,
        entry: Cursor::NOT_ALIGNED,
    };
    assert!(matches!(bench.console.read(&mut cursor, 100), Read::Empty));
    assert!(matches!(bench.console.read(&mut made_up, 100), Read::Empty));
    assert_eq!(made_up, cursor);
}

/// Prints how fast lines go through splitter, checksums, write(2), ring and the classic form; asserts no time.
#[test]
fn a_burst_arrives_whole() {
    let limits = Limits {
        ring_bytes: 64 << 20,
        ..LIMITS
    };
    let mut bench = Bench::new(limits);
    bench.writer().begin_run(RUN, 0).unwrap();
    let line = [&[b'x'; 79][..], b"\n"].concat();
    let chunk = line.repeat(800);
    let begun = std::time::Instant::now();
    let mut lines = 0;
    for n in 1..=250_u64 {
        lines += bench.writer().output(&chunk, n * chunk.len() as u64, 0).unwrap();
    }
    let written = begun.elapsed();
    let mut cursor = bench.console.at(1);
    let mut frames = 0;
    while let Read::Entries(entries) = bench.console.read(&mut cursor, 1 << 20) {
        for entry in entries {
            let Entry::Lines(batch) = entry else { continue };
            frames += batch.classic().len();
        }
    }
    let framed = begun.elapsed() - written;
    let rate = |time: std::time::Duration| lines as f64 / time.as_secs_f64();
    println!(
        "{lines} lines: {:.0} lines/s written, {:.0} lines/s framed",
        rate(written),
        rate(framed)
    );
    assert_eq!(
        (lines, frames),
        (
            200_000,
            200_000 * event::frame("console output", &[&"x".repeat(79)]).len()
        )
    );
}
