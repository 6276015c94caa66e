//! Which lines go, when, and what is said about it.

use super::*;
use crate::journal::segment::{HEADER_LEN, RECORD_LEN};

/// A history of lines as old as their numbers say, `a_file` of them a file. Each is one record of 50 bytes.
fn filled(lines: i64, a_file: usize) -> Bench {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = (HEADER_LEN + (a_file - 1) * 50 + 1) as u64;
    for time in 1..=lines {
        write(&mut bench, time);
    }
    bench
}

fn write(bench: &mut Bench, time: Millis) {
    let text = format!("{time:0len$}", len = 50 - RECORD_LEN);
    bench.writer().notice(Source::Daemon, &text, time).unwrap();
}

/// The times of the lines that are on the disk.
fn held(bench: &mut Bench) -> Vec<i64> {
    bench.kill_and_open(LIMITS);
    let history = bench.history();
    history.iter().map(|(_, _, text)| text.parse().unwrap()).collect()
}

fn on_disk(bench: &Bench) -> u64 {
    bench.files().iter().map(|f| f.metadata().unwrap().len()).sum()
}

#[test]
fn a_file_is_an_eighth_of_the_history_and_neither_tiny_nor_huge() {
    let bytes = |journal_bytes| {
        crate::journal::retention::segment_bytes(&Limits {
            journal_bytes,
            ..LIMITS
        })
    };
    assert_eq!(bytes(0), 64 << 10);
    assert_eq!(bytes(16 << 20), 2 << 20);
    assert_eq!(bytes(1 << 40), 8 << 20);
}

#[test]
fn a_history_of_exactly_its_limit_stays_and_one_byte_more_costs_a_file() {
    let mut bench = filled(10, 3);
    let bytes = bench.console.journal_bytes();
    assert_eq!(bytes, on_disk(&bench));
    let limit = |journal_bytes| Limits {
        journal_bytes,
        ..LIMITS
    };
    bench.writer().set_limits(limit(bytes));
    assert_eq!(bench.enforce_limits(10), None);
    bench.writer().set_limits(limit(bytes - 1));
    let said = bench.enforce_limits(10).unwrap();
    assert!(
        said.contains("its oldest 3 lines were removed, it now begins at line 4"),
        "{said}"
    );
    assert_eq!(held(&mut bench), [4, 5, 6, 7, 8, 9, 10]);
    // Of two files that go, all lines are counted; the limit is said as people say it.
    bench.kill_and_open(limit(0));
    let [said] = &bench.notes[..] else {
        panic!("{:?}", bench.notes);
    };
    assert!(said.contains("limited to 0 KiB: its oldest 7 lines"), "{said}");
    assert_eq!(bench.files().len(), 1);
    assert_eq!(bench.enforce_limits(10), None, "an empty file stays");
    assert_eq!((bench.console.first_seq(), bench.console.next_seq()), (11, 11));
}

#[test]
fn limits_are_said_as_people_say_them() {
    let said = |limits: Limits| {
        let mut bench = filled(10, 3);
        bench.writer().sync().unwrap();
        bench.writer().set_limits(limits);
        bench.enforce_limits(i64::MAX / 2).unwrap()
    };
    let age = |journal_age| Limits {
        journal_age,
        ..LIMITS
    };
    for (limits, words) in [
        (age(80_000), "kept for 80 s: 9 lines older than"),
        (age(5 * 3_600_000), "kept for 5 hours:"),
        (age(3 * 86_400_000 + 7_200_000), "kept for 3 days:"),
    ] {
        let said = said(limits);
        assert!(said.contains(words), "{said}");
    }
    // Some MiB of lines.
    let mut bench = Bench::new(LIMITS);
    let text = "x".repeat(60_000);
    for _ in 0..60 {
        bench.writer().notice(Source::Daemon, &text, 1).unwrap();
    }
    bench.writer().set_limits(Limits {
        journal_bytes: 3 << 20,
        ..LIMITS
    });
    let said = bench.enforce_limits(1).unwrap();
    assert!(said.contains("limited to 3 MiB:"), "{said}");
}

#[test]
fn a_quiet_servers_lines_go_in_time_and_none_sooner() {
    let mut bench = Bench::new(Limits {
        journal_age: 80_000,
        ..LIMITS
    });
    bench.writer().notice(Source::Daemon, "quiet", 0).unwrap();
    bench.enforce_limits(10_000);
    assert_eq!(bench.files().len(), 1);
    bench.enforce_limits(10_001);
    assert_eq!(bench.files().len(), 2, "closed after an eighth of the time");
    assert_eq!(bench.enforce_limits(80_000), None, "just as old as may be");
    let said = bench.enforce_limits(80_001).unwrap();
    assert!(
        said.contains("1 lines older than 1970-01-01T00:00:00.001Z were removed, it now begins at line 2"),
        "{said}"
    );
    assert_eq!(bench.files().len(), 1);

    let mut ageless = filled(2, 3);
    assert_eq!(ageless.enforce_limits(i64::MAX / 2), None);
    assert_eq!(ageless.files().len(), 1, "nothing is closed for its age");
}

#[test]
fn where_the_disk_is_full_all_goes_but_the_newest_file() {
    let mut bench = filled(10, 3);
    bench.writer().set_limits(Limits {
        disk_free_percent: 100,
        ..LIMITS
    });
    let said = bench.enforce_limits(10).unwrap();
    assert!(
        said.contains("Less than 100 % of the disk is free: the oldest 9 lines")
            && said.contains("begins at line 10"),
        "{said}"
    );
    assert_eq!(bench.enforce_limits(10), None);
    assert_eq!(held(&mut bench), [10]);
}

#[test]
fn a_file_goes_only_when_a_younger_one_is_safe() {
    let mut bench = filled(2, 3);
    bench.writer().sync().unwrap();
    write(&mut bench, 3);
    write(&mut bench, 4);
    assert_eq!(bench.files().len(), 2);
    bench.writer().set_limits(Limits {
        journal_bytes: 200,
        ..LIMITS
    });
    assert_eq!(bench.writer().enforce_limits(4).unwrap(), None);
    assert_eq!(bench.files().len(), 2, "the new one was not synced");
    bench.writer().sync().unwrap();
    assert!(bench.writer().enforce_limits(4).unwrap().is_some());
    assert_eq!(held(&mut bench), [4]);
}

#[test]
fn a_file_that_somebody_removed_is_no_hindrance() {
    let mut bench = filled(10, 3);
    bench.kill_and_open(LIMITS);
    std::fs::remove_file(&bench.files()[0]).unwrap();
    assert_eq!(bench.enforce_limits(10), None);
    let journal_bytes = bench.console.journal_bytes() - 1;
    bench.writer().set_limits(Limits {
        journal_bytes,
        ..LIMITS
    });
    let said = bench.enforce_limits(10).unwrap();
    assert!(said.contains("begins at line 4"), "{said}");
    assert_eq!(bench.console.journal_bytes(), on_disk(&bench));
}

#[test]
fn a_line_with_a_file_of_its_own_is_found_by_its_time() {
    let bench = filled(5, 1);
    assert_eq!(bench.files().len(), 5);
    for seq in 1..=5 {
        assert_eq!(bench.console.seq_at(seq).unwrap(), seq as u64);
    }
}

#[test]
fn what_stays_of_a_file_begins_with_its_first_line_and_has_no_old_one() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().begin_run(Uuid::from_u128(9), 1).unwrap();
    for time in [2, 3, 50, 4, 51] {
        write(&mut bench, time);
    }
    assert_eq!(bench.writer().erase_before(20).unwrap(), 3);
    let bytes = bench.files()[0].metadata().unwrap().len();
    assert_eq!(
        bytes,
        HEADER_LEN as u64 + 2 * 50,
        "neither the run's record nor a hole"
    );
    assert_eq!(bench.console.journal_bytes(), on_disk(&bench));
    assert_eq!(held(&mut bench), [50, 51]);
    assert_eq!(bench.console.seq_at(51).unwrap(), 5);
}

#[test]
fn what_is_erased_frees_its_bytes_and_what_stays_is_found_at_once() {
    let mut bench = filled(10, 4);
    assert_eq!(bench.writer().erase_before(1).unwrap(), 0);
    assert_eq!(bench.files().len(), 3, "nothing is closed for nothing");
    assert_eq!(bench.writer().erase_before(7).unwrap(), 6);
    assert_eq!(bench.files().len(), 2, "the first is gone");
    assert_eq!(bench.console.journal_bytes(), on_disk(&bench));
    assert_eq!(on_disk(&bench), 2 * HEADER_LEN as u64 + 4 * 50);
    for seq in 7..=10 {
        let lines = bench
            .console
            .journal
            .lines(seq, 11, 1, &bench.console.style())
            .unwrap();
        assert_eq!(lines.batches[0].first_seq(), seq);
        assert_eq!(bench.console.journal.seq_at(seq as i64).unwrap(), Some(seq));
    }
    assert_eq!(bench.writer().erase_before(9).unwrap(), 2);
    assert_eq!(
        bench.files().len(),
        1,
        "a file whose first line stays is not closed"
    );
    assert_eq!(held(&mut bench), [9, 10]);
}

#[test]
fn what_is_young_stays_compressed_and_what_is_rewritten_keeps_its_runs() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 500;
    bench.writer().begin_run(RUN, 1).unwrap();
    // The clock jumps back, so that an old line stands behind young ones.
    for time in [10, 60, 5, 61] {
        write(&mut bench, time);
    }
    let second = Uuid::from_u128(8);
    bench.writer().begin_run(second, 62).unwrap();
    bench.writer().output(b"00000000000063\n", 15, 63).unwrap();
    write(&mut bench, 6);
    while bench.files().len() < 4 {
        write(&mut bench, 70);
    }
    bench.compress();
    let young = bench.files()[1..3].to_vec();
    assert!(young.iter().all(|f| f.extension().unwrap() == "zlog"));
    let all = bench.history().len();
    assert_eq!(bench.writer().erase_before(20).unwrap(), 3);
    assert_eq!(bench.files()[1..3], young);
    let seen: Vec<_> = texts(&bench.history())
        .iter()
        .map(|t| t.parse::<i64>().unwrap())
        .collect();
    assert_eq!(seen[..4], [60, 61, 63, 70]);
    assert_eq!(seen.len(), all - 3);
    // All but the first file are lost: what it knows of the run is known.
    bench.writer = None;
    for file in &bench.files()[1..] {
        std::fs::remove_file(file).unwrap();
    }
    bench.kill_and_open(LIMITS);
    assert_eq!(
        bench.writer().position(),
        Some(Position {
            run: second,
            offset: 15
        })
    );
}

#[test]
fn a_compressed_file_whose_first_line_stays_is_written_anew() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 300;
    for time in [50, 5, 51, 52, 53, 54, 55] {
        write(&mut bench, time);
    }
    bench.compress();
    assert_eq!(bench.writer().erase_before(20).unwrap(), 1);
    assert!(bench.files()[0].ends_with("00000000000000000001.log"));
    assert_eq!(held(&mut bench), [50, 51, 52, 53, 54, 55]);
}

#[test]
fn an_original_that_came_back_beside_its_copy_gives_no_line_twice() {
    let mut bench = filled(10, 4);
    let original = bench.files()[0].clone();
    let bytes = std::fs::read(&original).unwrap();
    assert_eq!(bench.writer().erase_before(3).unwrap(), 2);
    // As after a power cut: its end was not on the disk yet, the copy was.
    bench.writer = None;
    std::fs::write(&original, bytes).unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(held(&mut bench), (1..=10).collect::<Vec<_>>());
    assert_eq!(bench.writer().erase_before(4).unwrap(), 3, "each counts once");
    assert_eq!(held(&mut bench), (4..=10).collect::<Vec<_>>());
    assert_eq!(bench.files().len(), 3, "the copy has its file to itself");
    assert_eq!(bench.console.journal_bytes(), on_disk(&bench));
}
