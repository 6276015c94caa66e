//! When there is something to sync, and what a sync that failed means.

use super::*;

#[test]
fn there_is_something_to_sync_after_opening_and_after_each_write() {
    let mut bench = Bench::new(LIMITS);
    assert!(bench.writer().needs_sync());
    bench.writer().sync().unwrap();
    assert!(!bench.writer().needs_sync());
    assert!(bench.writer().sync_job().is_none());
    bench.writer().notice(Source::Daemon, "one", 1).unwrap();
    assert!(bench.writer().needs_sync());
    bench.writer().sync().unwrap();
    assert!(!bench.writer().needs_sync());
    bench.writer().begin_run(RUN, 2).unwrap();
    bench.writer().sync().unwrap();
    bench.writer().output(b"no end", 6, 2).unwrap();
    assert!(!bench.writer().needs_sync(), "nothing was written");
    // Names alone are to be synced too.
    bench.writer().journal.segment_bytes = 1;
    bench.writer().notice(Source::Daemon, "two", 2).unwrap();
    bench.writer().sync().unwrap();
    bench.writer().set_limits(Limits {
        journal_bytes: 130,
        ..LIMITS
    });
    assert!(bench.writer().enforce_limits(2).unwrap().is_some());
    assert!(bench.writer().needs_sync());
    bench.writer().sync().unwrap();
    assert!(!bench.writer().needs_sync());
}

#[test]
fn after_a_sync_that_failed_all_is_to_be_synced_again() {
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
    assert!(bench.writer().needs_sync());
    bench.writer().sync().unwrap_err();
    std::fs::remove_dir(&first).unwrap();
    // A file that was removed needs no sync.
    bench.writer().sync().unwrap();
    assert!(!bench.writer().needs_sync());
}

#[test]
fn a_writer_that_is_dropped_ends_the_compressing() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 1;
    bench.writer().notice(Source::Daemon, "one", 1).unwrap();
    bench.writer().notice(Source::Daemon, "two", 2).unwrap();
    let job = bench.writer().compress_job().unwrap();
    bench.writer = None;
    assert_eq!(job.run().unwrap(), None);
    assert_eq!(bench.files().len(), 2);
}
