//! When viewers see another stream, and when they do not.

use super::*;
use crate::journal::files::tape::read_disk;
use std::os::unix::fs::PermissionsExt;

const NEXT_BOOT: Uuid = Uuid::from_u128(101);

fn with_lines(lines: i64) -> Bench {
    let mut bench = Bench::new(LIMITS);
    for time in 1..=lines {
        bench.writer().notice(Source::Daemon, "line", time).unwrap();
    }
    bench
}

fn epoch_file(bench: &Bench) -> std::path::PathBuf {
    bench.path().join(epoch::NAME)
}

/// Says whether the next life, in this one of the kernel, has another stream. The numbers go on anyway.
fn changes(bench: &mut Bench, boot: Uuid) -> bool {
    let (stream, next) = (bench.console.stream(), bench.console.next_seq());
    bench.boot = boot;
    bench.open(LIMITS, 0);
    assert_eq!(bench.console.next_seq(), next);
    bench.console.stream() != stream
}

#[test]
fn another_boot_is_another_stream_and_a_kill_is_none() {
    let mut bench = with_lines(3);
    let (first, journal) = (bench.console.stream(), bench.console.journal.stream);
    assert!(!changes(&mut bench, BOOT));
    assert!(changes(&mut bench, NEXT_BOOT));
    assert!(!changes(&mut bench, NEXT_BOOT), "it is written down");
    assert!(changes(&mut bench, BOOT));
    assert_ne!(bench.console.stream(), first, "no id comes again");
    assert_eq!(bench.console.journal.stream, journal);
    assert_eq!(texts(&bench.history()), ["line"; 3]);
    let mode = epoch_file(&bench).metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn a_journal_that_was_closed_keeps_its_stream_until_it_is_opened() {
    let mut bench = with_lines(3);
    bench.close();
    assert!(!changes(&mut bench, NEXT_BOOT));
    assert!(changes(&mut bench, BOOT), "it was not closed again");
    bench.close();
    assert!(!changes(&mut bench, BOOT));
    assert!(
        changes(&mut bench, NEXT_BOOT),
        "the mark is gone in the same boot too"
    );
}

#[test]
fn an_earlier_versions_journal_keeps_its_stream() {
    let mut bench = with_lines(3);
    assert_eq!(bench.console.stream(), bench.console.journal.stream);
    bench.writer = None;
    std::fs::remove_file(epoch_file(&bench)).unwrap();
    assert!(!changes(&mut bench, NEXT_BOOT));
    assert!(changes(&mut bench, BOOT));
}

#[test]
fn a_file_that_says_nothing_or_is_anothers_makes_another_stream() {
    let mut bench = with_lines(3);
    bench.close();
    std::fs::write(epoch_file(&bench), "").unwrap();
    assert!(changes(&mut bench, BOOT));
    let mut other = with_lines(3);
    other.close();
    bench.close();
    std::fs::copy(epoch_file(&other), epoch_file(&bench)).unwrap();
    assert!(changes(&mut bench, BOOT));
    assert_ne!(bench.console.stream(), other.console.stream());
    // Where all lines are gone, the numbers begin again.
    bench.close();
    std::fs::remove_file(&bench.files()[0]).unwrap();
    let stream = bench.console.stream();
    bench.open(LIMITS, 0);
    assert_eq!(bench.console.next_seq(), 1);
    assert_ne!(bench.console.stream(), stream);
}

#[test]
fn a_link_in_the_files_place_is_told() {
    let mut bench = with_lines(1);
    bench.writer = None;
    std::fs::rename(epoch_file(&bench), bench.dir.path().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("../elsewhere", epoch_file(&bench)).unwrap();
    let error = open(&bench.path(), "Roost", LIMITS, 0, BOOT)
        .unwrap_err()
        .to_string();
    assert!(error.contains("epoch") && error.contains("remove it"), "{error}");
}

#[test]
fn what_a_kill_left_half_written_is_removed() {
    let mut bench = with_lines(1);
    std::fs::write(bench.path().join("epoch.new"), "boo").unwrap();
    assert!(!changes(&mut bench, BOOT));
    assert_eq!(read_disk(&bench.path()).unwrap().len(), 2);
}

#[test]
fn after_a_sync_that_failed_no_journal_is_closed_in_order() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 1;
    for n in 1..=3 {
        bench.writer().notice(Source::Daemon, "line", n).unwrap();
    }
    bench.kill_and_open(LIMITS);
    let first = bench.files().remove(0);
    let aside = bench.dir.path().join("aside");
    std::fs::rename(&first, &aside).unwrap();
    std::fs::create_dir(&first).unwrap();
    bench.writer().sync().unwrap_err();
    std::fs::remove_dir(&first).unwrap();
    std::fs::rename(&aside, &first).unwrap();
    bench.writer().sync().unwrap();
    bench.close();
    assert!(changes(&mut bench, NEXT_BOOT));
}

#[test]
fn closing_syncs_what_another_job_has_not_synced_yet_and_else_no_more_than_it_must() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().sync().unwrap();
    bench.writer().journal.segment_bytes = 1;
    for n in 1..=3 {
        bench.writer().notice(Source::Daemon, "line", n).unwrap();
    }
    let waiting = bench.writer().sync_job();
    let tape = bench.console.journal.dir.tape.clone();
    bench.close();
    let disk = tape.disk_after(tape.len(), &mut |_| 0).unwrap();
    let mut now = read_disk(&bench.path()).unwrap();
    now.insert(epoch::NAME.to_owned(), disk[epoch::NAME].clone());
    assert_eq!(disk, now, "the mark alone may be lost");
    drop(waiting);

    bench.open(LIMITS, 0);
    bench.writer().sync().unwrap();
    let tape = bench.console.journal.dir.tape.clone();
    let before = tape.len();
    bench.close();
    assert_eq!(
        tape.len() - before,
        4,
        "the active file is synced, the mark written in three steps"
    );
}

#[test]
fn on_a_full_disk_a_stream_begins_and_is_kept_once_there_is_room() {
    let mut bench = with_lines(3);
    bench.writer().sync().unwrap();
    let stream = bench.console.stream();
    bench.boot = NEXT_BOOT;
    bench.open_with_left(60, LIMITS, 0);
    assert_eq!(bench.notes, [NO_ROOM]);
    let fresh = bench.console.stream();
    assert_ne!(fresh, stream);
    assert_eq!(read_disk(&bench.path()).unwrap().len(), 2, "no draft is left");
    assert_eq!(texts(&bench.history()), ["line"; 3]);
    // A line would fit; but nothing is written before its stream is safe.
    bench.console.journal.dir.tape.set_left(Some(60));
    bench.writer().notice(Source::Daemon, "unheard", 4).unwrap_err();
    assert_eq!(bench.console.next_seq(), 4);
    bench.make_room();
    bench.writer().notice(Source::Daemon, "heard", 5).unwrap();
    let tape = bench.console.journal.dir.tape.clone();
    let disk = tape.disk_after(tape.len(), &mut |_| 0).unwrap();
    let said = String::from_utf8(disk[epoch::NAME].clone()).unwrap();
    assert!(said.contains(&fresh.to_string()), "{said}");
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, [""; 0]);
    assert_eq!(bench.console.stream(), fresh);
}

#[test]
fn on_a_full_disk_the_mark_of_the_end_goes_before_anything_is_written() {
    let mut bench = with_lines(3);
    bench.close();
    let stream = bench.console.stream();
    bench.boot = NEXT_BOOT;
    bench.open_with_left(60, LIMITS, 0);
    assert_eq!(bench.console.stream(), stream);
    bench.writer().notice(Source::Daemon, "unheard", 4).unwrap_err();
    // Nothing was written, so it is closed still.
    assert!(!changes(&mut bench, BOOT));
    bench.close();
    bench.open_with_left(60, LIMITS, 0);
    bench.make_room();
    // At the next look, whether there is something to write or not.
    assert_eq!(bench.writer().enforce_limits(0).unwrap(), None);
    assert!(changes(&mut bench, NEXT_BOOT));
}
