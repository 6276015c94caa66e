//! A full disk: what gives room is done, what takes room is done later, and a journal opens all the same.

use super::*;
use crate::journal::segment::{HEADER_LEN, RECORD_LEN};

const AGED: Limits = Limits {
    journal_age: 80,
    ..LIMITS
};

/// Empty lines of these times, so many a file.
fn filled(times: impl IntoIterator<Item = i64>, a_file: usize) -> Bench {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = (HEADER_LEN + (a_file - 1) * RECORD_LEN + 1) as u64;
    for time in times {
        bench.writer().notice(Source::Daemon, "", time).unwrap();
    }
    bench
}

fn fill(bench: &Bench) {
    bench.console.journal.dir.tape.set_left(Some(0));
}

fn numbers(bench: &Bench) -> Vec<u64> {
    bench.history().iter().map(|(seq, _, _)| *seq).collect()
}

/// Makes the last file's first line unreadable.
fn damage(bench: &mut Bench, at: usize) {
    bench.writer = None;
    let path = bench.files().pop().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[at] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn old_files_go_although_no_new_one_can_be_begun() {
    // Of an active file with old lines too, which is to be closed.
    let mut bench = filled(1..=4, 3);
    bench.writer().sync().unwrap();
    fill(&bench);
    bench.writer().set_limits(AGED);
    let said = bench.writer().enforce_limits(84).unwrap().unwrap();
    assert!(said.contains("3 lines older than"), "{said}");
    assert_eq!((bench.files().len(), bench.console.journal.first_seq()), (1, 4));
    // Where nothing can go, it is said that there is no room.
    let error = bench.writer().enforce_limits(85).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    bench.make_room();
    assert_eq!(bench.writer().enforce_limits(84).unwrap(), None);
    assert_eq!(bench.files().len(), 2, "closed once there is room");
    bench.writer().sync().unwrap();
    assert!(bench.writer().enforce_limits(85).unwrap().is_some());
    assert_eq!(
        (bench.console.journal.first_seq(), bench.console.next_seq()),
        (5, 5)
    );
}

#[test]
fn a_file_alone_over_the_limit_is_no_reason_to_keep_others_and_waits_for_room() {
    let mut bench = filled(1..=4, 3);
    bench.writer().sync().unwrap();
    fill(&bench);
    bench.writer().set_limits(Limits {
        journal_bytes: 1,
        ..LIMITS
    });
    let said = bench.writer().enforce_limits(4).unwrap().unwrap();
    assert!(said.contains("its oldest 3 lines"), "{said}");
    assert_eq!(
        bench.writer().enforce_limits(4).unwrap_err().kind(),
        io::ErrorKind::StorageFull
    );
    bench.make_room();
    bench.enforce_limits(4).unwrap();
    assert_eq!(
        (bench.console.journal.first_seq(), bench.console.next_seq()),
        (5, 5)
    );
}

#[test]
fn an_old_journal_opens_on_a_full_disk() {
    let mut bench = filled(1..=4, 9);
    bench.open_with_left(0, AGED, 84);
    assert_eq!(bench.notes, [NO_ROOM]);
    assert_eq!(numbers(&bench), [1, 2, 3, 4]);
    bench.make_room();
    bench.enforce_limits(85).unwrap();
    assert_eq!(
        (bench.console.journal.first_seq(), bench.console.next_seq()),
        (5, 5)
    );

    // What gives room is done at once.
    let mut bench = filled(1..=4, 3);
    let tight = Limits {
        disk_free_percent: 100,
        ..AGED
    };
    bench.open_with_left(0, tight, 60);
    assert_eq!(bench.notes.len(), 1);
    assert!(bench.notes[0].contains("100 % of the disk"), "{:?}", bench.notes);
    assert_eq!(numbers(&bench), [4]);

    // What still waits for room is said beside it.
    let mut bench = filled(1..=4, 3);
    bench.boot = Uuid::from_u128(101);
    bench.open_with_left(0, tight, 60);
    assert_eq!(bench.notes[1..], [NO_ROOM]);
    assert_eq!(numbers(&bench), [4]);
}

#[test]
fn a_damaged_journal_opens_on_a_full_disk_and_its_next_file_is_made_for_its_next_line() {
    let mut bench = filled(1..=6, 3);
    damage(&mut bench, HEADER_LEN + RECORD_LEN);
    for _ in 0..2 {
        bench.open_with_left(0, LIMITS, 0);
        assert_eq!(bench.notes.len(), 2, "{:?}", bench.notes);
        assert_eq!(bench.notes[1], NO_ROOM);
        assert_eq!(
            (numbers(&bench), bench.console.next_seq()),
            (vec![1, 2, 3, 4, 6], 7)
        );
        assert_eq!(bench.console.seq_at(7).unwrap(), 7);
        let on_disk: u64 = bench.files().iter().map(|f| f.metadata().unwrap().len()).sum();
        assert_eq!((bench.files().len(), bench.console.journal_bytes()), (2, on_disk));
        bench.writer().notice(Source::Daemon, "unheard", 7).unwrap_err();
        bench.writer().sync().unwrap();
        assert!(!bench.writer().needs_sync());
    }
    bench.make_room();
    bench.writer().notice(Source::Daemon, "", 7).unwrap();
    assert_eq!(bench.files().len(), 3);
    assert!(bench.writer().needs_sync());
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, [""; 0]);
    assert_eq!(numbers(&bench), [1, 2, 3, 4, 6, 7]);
}

#[test]
fn the_last_file_stays_until_the_next_one_is_made() {
    let all = Limits {
        journal_bytes: 0,
        disk_free_percent: 100,
        ..LIMITS
    };
    let mut bench = filled(1..=6, 3);
    damage(&mut bench, HEADER_LEN + RECORD_LEN);
    bench.open_with_left(0, all, 0);
    assert_eq!(bench.notes[2..], [NO_ROOM], "{:?}", bench.notes);
    assert_eq!(
        numbers(&bench),
        [4, 6],
        "a file that is not there is no younger one"
    );
    bench.writer().sync().unwrap();
    bench.writer().enforce_limits(0).unwrap_err();
    bench.writer().erase_before(100).unwrap_err();
    assert_eq!(numbers(&bench), [4, 6]);
    bench.make_room();
    assert_eq!(
        bench.writer().enforce_limits(0).unwrap(),
        None,
        "it is made, not yet safe"
    );
    assert_eq!(bench.files().len(), 2);
    bench.writer().sync().unwrap();
    assert!(bench.writer().enforce_limits(0).unwrap().is_some());
    assert_eq!(bench.files().len(), 1);
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.console.next_seq(), 7);
}

#[test]
fn lines_are_erased_from_a_journal_whose_next_file_was_not_made() {
    let mut bench = filled(1..=3, 3);
    damage(&mut bench, HEADER_LEN + RECORD_LEN);
    bench.open_with_left(0, LIMITS, 0);
    bench.make_room();
    assert_eq!(bench.writer().erase_before(100).unwrap(), 2);
    bench.kill_and_open(LIMITS);
    assert_eq!(
        (bench.console.journal.first_seq(), bench.console.next_seq()),
        (4, 4)
    );
}

#[test]
fn a_file_whose_head_is_damaged_keeps_its_numbers_while_the_disk_is_full() {
    let mut bench = filled(1..=6, 3);
    damage(&mut bench, 20);
    bench.open_with_left(0, LIMITS, 0);
    assert_eq!(bench.console.next_seq(), 7);
    assert_eq!(bench.files().len(), 2, "it has its name still");
    bench.make_room();
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.console.next_seq(), 7);
    assert!(bench.files()[1].ends_with("00000000000000000004.log.damaged"));
    bench.writer().notice(Source::Daemon, "", 7).unwrap();
    assert_eq!(numbers(&bench), [1, 2, 3, 7]);
}

#[test]
fn a_new_journal_waits_for_room() {
    let mut bench = Bench::new(LIMITS);
    bench.writer = None;
    std::fs::remove_dir_all(bench.path()).unwrap();
    bench.open_with_left(0, LIMITS, 0);
    assert_eq!(bench.notes, [NO_ROOM]);
    assert_eq!((bench.console.next_seq(), bench.console.journal_bytes()), (1, 0));
    bench.writer().notice(Source::Daemon, "unheard", 1).unwrap_err();
    bench.make_room();
    bench.writer().notice(Source::Daemon, "heard", 2).unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, [""; 0]);
    assert_eq!(texts(&bench.history()), ["heard"]);
}

#[test]
fn an_error_that_room_does_not_mend_is_an_error() {
    let bad = |bench: &mut Bench, limits| {
        bench.writer = None;
        let tape = bench.console.journal.dir.tape.clone();
        tape.set_left(Some(0));
        tape.set_refusal(io::ErrorKind::ReadOnlyFilesystem);
        Tape::hold(Some(tape));
        let found = journal::recovery::open(&bench.path(), 1 << 20, bench.boot).map(drop);
        let opened = open(&bench.path(), "Roost", limits, 84, bench.boot);
        Tape::hold(None);
        assert_eq!(opened.unwrap_err().kind(), io::ErrorKind::ReadOnlyFilesystem);
        found.is_err()
    };
    assert!(
        !bad(&mut filled(1..=4, 9), AGED),
        "only the old file can't be closed"
    );
    let mut damaged = filled(1..=6, 3);
    damage(&mut damaged, HEADER_LEN + RECORD_LEN);
    assert!(bad(&mut damaged, LIMITS), "the next file can't be made");
    let mut unclean = filled(1..=4, 9);
    unclean.boot = Uuid::from_u128(101);
    assert!(bad(&mut unclean, LIMITS), "the stream can't be written down");

    // Nothing is removed meanwhile.
    let mut bench = filled(1..=4, 3);
    bench.writer().sync().unwrap();
    fill(&bench);
    let tape = bench.console.journal.dir.tape.clone();
    tape.set_refusal(io::ErrorKind::ReadOnlyFilesystem);
    bench.writer().set_limits(AGED);
    bench.writer().enforce_limits(84).unwrap_err();
    assert_eq!(bench.files().len(), 2);
}
