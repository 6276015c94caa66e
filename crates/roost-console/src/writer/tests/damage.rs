//! What a bad disk, a cut, or somebody's hands can do to the files, and what is said about it.

use super::*;
use crate::journal::segment::{Form, HEADER_LEN, Header, RECORD_LEN};

/// Empty lines as old as their numbers, three a file; the last file holds what is left.
fn filled(lines: i64) -> Bench {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = (HEADER_LEN + 2 * RECORD_LEN + 1) as u64;
    for time in 1..=lines {
        bench.writer().notice(Source::Daemon, "", time).unwrap();
    }
    bench.writer = None;
    bench
}

/// The numbers of all lines that are held.
fn numbers(bench: &Bench) -> Vec<u64> {
    bench.history().iter().map(|(seq, _, _)| *seq).collect()
}

/// Changes the bytes of the journal's file `at`.
fn change(bench: &Bench, at: usize, change: impl FnOnce(&mut Vec<u8>)) {
    let path = &bench.files()[at];
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

/// Opens it, whatever stream it is now. Returns what is said.
fn reopen(bench: &mut Bench) -> Vec<String> {
    bench.writer = None;
    let (writer, console, recovery) = open(&bench.path(), "Roost", LIMITS, 0, BOOT).unwrap();
    (bench.writer, bench.console) = (Some(writer), console);
    recovery.notes
}

fn place(line: usize) -> std::ops::Range<usize> {
    HEADER_LEN + (line - 1) * RECORD_LEN..HEADER_LEN + line * RECORD_LEN
}

#[test]
fn damaged_lines_are_counted_and_said_once() {
    let mut bench = Bench::new(LIMITS);
    for time in 1..=10 {
        bench.writer().notice(Source::Daemon, "", time).unwrap();
    }
    bench.writer = None;
    change(&bench, 0, |bytes| {
        bytes[place(4)].fill(0xFF);
        bytes[place(5)].fill(0);
        bytes.truncate(bytes.len() - 7);
    });
    let said = reopen(&mut bench);
    assert_eq!(
        said,
        [
            "2 lines of this console's history were damaged on the disk and are lost.",
            "The last 29 bytes of this console's history were not written completely and were cut off."
        ]
    );
    assert_eq!(numbers(&bench), [1, 2, 3, 6, 7, 8, 9]);
    assert_eq!(bench.files().len(), 2, "what follows stands in a file of its own");
    assert_eq!(reopen(&mut bench), [""; 0]);
    bench.writer().notice(Source::Daemon, "on", 11).unwrap();
    assert_eq!(numbers(&bench), [1, 2, 3, 6, 7, 8, 9, 10]);
    assert_eq!(bench.console.seq_at(7).unwrap(), 7);
}

#[test]
fn an_old_record_in_a_later_place_is_damage() {
    let mut bench = Bench::new(LIMITS);
    for time in 1..=10 {
        bench.writer().notice(Source::Daemon, "", time).unwrap();
    }
    bench.writer = None;
    change(&bench, 0, |bytes| {
        bytes.copy_within(place(3), place(7).start);
        // Twice in a row.
        bytes.copy_within(place(9), place(10).start);
    });
    let said = reopen(&mut bench);
    assert!(
        said[0].starts_with("1 lines of this console's history were damaged"),
        "{said:?}"
    );
    assert!(said[1].starts_with("The last 36 bytes"), "{said:?}");
    assert_eq!(numbers(&bench), [1, 2, 3, 4, 5, 6, 8, 9]);
}

#[test]
fn a_file_whose_head_is_damaged_is_put_aside_and_its_numbers_never_come_again() {
    let mut bench = filled(6);
    change(&bench, 1, |bytes| bytes[20] ^= 1);
    let said = reopen(&mut bench);
    assert_eq!(
        said,
        [
            "A part of this console's history is damaged and was put aside as 00000000000000000004.log.damaged.",
            "3 lines of this console's history could not be read any more."
        ]
    );
    assert_eq!((numbers(&bench), bench.console.next_seq()), (vec![1, 2, 3], 7));
    assert_eq!(reopen(&mut bench), [""; 0]);
    bench.writer().notice(Source::Daemon, "", 7).unwrap();
    assert_eq!(numbers(&bench), [1, 2, 3, 7]);
}

#[test]
fn a_compressed_file_knows_its_numbers_by_its_table() {
    for (is_table_whole, next) in [(true, 4), (false, 932_068)] {
        let mut bench = filled(0);
        reopen(&mut bench);
        bench.writer().journal.segment_bytes = 100;
        for time in 1..=4 {
            bench.writer().notice(Source::Daemon, "", time).unwrap();
            bench.writer().journal.segment_bytes = (HEADER_LEN + 2 * RECORD_LEN + 1) as u64;
        }
        bench.compress();
        bench.writer = None;
        std::fs::remove_file(&bench.files()[1]).unwrap();
        change(&bench, 0, |bytes| {
            bytes[20] ^= 1;
            if !is_table_whole {
                bytes.truncate(bytes.len() - 1);
            }
        });
        reopen(&mut bench);
        assert_eq!(bench.console.next_seq(), next, "at most so many were in it");
    }
}

#[test]
fn a_file_under_another_name_is_put_aside() {
    let mut bench = filled(3);
    let files = bench.files();
    std::fs::copy(&files[0], bench.path().join("00000000000000000009.log")).unwrap();
    let said = reopen(&mut bench);
    assert!(
        said[0].contains("put aside as 00000000000000000009.log.damaged"),
        "{said:?}"
    );
    assert_eq!((numbers(&bench), bench.console.next_seq()), (vec![1, 2, 3], 12));

    let mut bench = filled(6);
    let files = bench.files();
    std::fs::rename(&files[1], files[1].with_extension("zlog")).unwrap();
    let said = reopen(&mut bench);
    assert!(
        said[0].contains("put aside as 00000000000000000004.zlog.damaged"),
        "{said:?}"
    );
    assert_eq!(numbers(&bench), [1, 2, 3]);
}

#[test]
fn what_never_became_a_file_of_lines_goes_and_what_is_none_stays() {
    let mut bench = filled(3);
    let put = |name: &str, len: usize| std::fs::write(bench.path().join(name), vec![b'x'; len]).unwrap();
    put("00000000000000000004.log", HEADER_LEN - 1);
    put("1.log", 10);
    put("notes.txt", 10);
    let said = reopen(&mut bench);
    assert_eq!(said, [""; 0]);
    assert_eq!((numbers(&bench), bench.console.next_seq()), (vec![1, 2, 3], 4));
    let names = |bench: &Bench| -> Vec<_> {
        let files = bench.files().into_iter();
        files
            .map(|f| f.file_name().unwrap().to_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names(&bench), ["00000000000000000001.log", "1.log", "notes.txt"]);
    let whole = bench.path().join("00000000000000000004.log");
    std::fs::write(whole, vec![b'x'; HEADER_LEN]).unwrap();
    let said = reopen(&mut bench);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(names(&bench).contains(&"00000000000000000004.log.damaged".to_owned()));
}

#[test]
fn files_of_another_history_are_put_aside() {
    let (mut bench, other) = (filled(6), filled(3));
    std::fs::copy(&other.files()[0], &bench.files()[0]).unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(
        bench.notes,
        ["Files of another console's history were put aside."]
    );
    assert_eq!(numbers(&bench), [4, 5, 6]);

    // A compressed one is no reason to remove the original.
    let (mut bench, mut other) = (filled(6), filled(6));
    other.kill_and_open(LIMITS);
    other.compress();
    let name = "00000000000000000001.zlog";
    std::fs::copy(&other.files()[0], bench.path().join(name)).unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(numbers(&bench), [1, 2, 3, 4, 5, 6]);
    assert!(!bench.path().join(name).exists());
}

#[test]
fn a_line_that_claims_more_than_its_file_has_hides_none_behind_it() {
    let mut bench = filled(8);
    for file in [0, 2] {
        change(&bench, file, |bytes| {
            bytes[HEADER_LEN + 4..HEADER_LEN + 8].copy_from_slice(&60_000u32.to_le_bytes());
        });
    }
    let said = reopen(&mut bench);
    assert_eq!(numbers(&bench), [2, 3, 4, 5, 6, 8]);
    assert_eq!(
        said,
        ["1 lines of this console's history were damaged on the disk and are lost."],
        "of the last file; the others are not read"
    );
}

#[test]
fn a_file_ends_where_the_next_one_begins() {
    let mut bench = Bench::new(LIMITS);
    for time in 1..=10 {
        bench.writer().notice(Source::Daemon, "old", time).unwrap();
    }
    bench.writer = None;
    let header = Header {
        form: Form::Plain,
        salt: 1,
        stream: bench.console.stream(),
        first_seq: 6,
        run: None,
        open: false,
        before: (1, 5),
    };
    std::fs::write(bench.path().join("00000000000000000006.log"), header.encode()).unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, [""; 0]);
    assert_eq!(bench.console.seq_at(8).unwrap(), 6, "no line is that young");
    bench.writer().notice(Source::Daemon, "early", 2).unwrap();
    bench.writer().notice(Source::Daemon, "new", 20).unwrap();
    assert_eq!(
        texts(&bench.history()),
        ["old", "old", "old", "old", "old", "early", "new"]
    );
    for time in [6, 7, 8] {
        assert_eq!(
            bench.console.seq_at(time).unwrap(),
            7,
            "the sixth of the old is not there"
        );
    }
    assert_eq!(bench.console.seq_at(5).unwrap(), 5);
}

#[test]
fn what_is_cut_off_under_the_readers_is_a_gap() {
    let mut bench = Bench::new(Limits {
        ring_bytes: 0,
        ..LIMITS
    });
    for time in 1..=10 {
        bench.writer().notice(Source::Daemon, "", time).unwrap();
    }
    change(&bench, 0, |bytes| bytes.truncate(place(7).end));
    let mut reader = Follower::new(bench.console.at(1));
    reader.follow(&bench.console, 1 << 20);
    assert_eq!((reader.missed, reader.next), (2, 11), "the last is in memory");
}

#[test]
fn a_file_that_somebody_removed_is_a_gap_between_the_others() {
    let mut bench = filled(9);
    bench.kill_and_open(LIMITS);
    std::fs::remove_file(&bench.files()[1]).unwrap();
    let mut cursor = bench.console.at(1);
    let before = bench.console.history(&mut cursor, 1 << 20).unwrap();
    assert_eq!((before.missed, cursor.seq), (None, 4));
    let behind = bench.console.history(&mut cursor, 1 << 20).unwrap();
    assert_eq!(behind.missed, Some(crate::Missed { lines: 3 }));
    assert_eq!(behind.batches[0].first_seq(), 7);
    assert_eq!(bench.console.seq_at(5).unwrap(), 7);
}

#[test]
fn history_comes_in_large_batches_whatever_files_it_is_in() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 20_000;
    for time in 1..=1400 {
        bench
            .writer()
            .notice(Source::Daemon, &"x".repeat(64), time)
            .unwrap();
    }
    bench.kill_and_open(LIMITS);
    let mut cursor = bench.console.at(1);
    let history = bench.console.history(&mut cursor, 1 << 20).unwrap();
    let sizes: Vec<_> = history.batches.iter().map(|b| b.lines().len()).collect();
    assert_eq!(sizes, [656, 656, 88], "64 KiB each");
    assert_eq!(cursor.seq, 1401);
    let mut cursor = bench.console.at(11);
    let history = bench.console.history(&mut cursor, 1000).unwrap();
    assert_eq!((history.batches.len(), history.batches[0].first_seq()), (1, 11));
    assert_eq!(cursor.seq, 21, "as many as are wanted");
}

#[test]
fn a_file_longer_than_what_is_read_at_once_is_walked_to_its_end() {
    let mut bench = Bench::new(LIMITS);
    let texts: Vec<_> = (0..14)
        .map(|n| format!("{n}{}", "x".repeat(60_000 + n)))
        .collect();
    for (time, text) in texts.iter().enumerate() {
        bench.writer().notice(Source::Daemon, text, time as i64).unwrap();
    }
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, [""; 0]);
    assert_eq!(super::texts(&bench.history()), texts);
    assert_eq!(bench.console.seq_at(9).unwrap(), 10);
}

#[test]
fn the_first_line_of_a_run_is_known_after_a_kill() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().notice(Source::Daemon, "before", 1).unwrap();
    bench.writer().notice(Source::Daemon, "it", 1).unwrap();
    bench.writer().begin_run(RUN, 2).unwrap();
    bench.writer().output(b"one\ntwo\n", 8, 3).unwrap();
    assert_eq!(bench.writer().run_first_seq(), 3);
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.writer().run_first_seq(), 3);
}
