//! Closed segments are compressed, and nobody who reads can tell.

use super::*;
use crate::journal::{files::LogFile, frames::Table};
use proptest::prelude::*;

impl Bench {
    /// The table of the first compressed file.
    fn first_table(&self) -> Table {
        let name = self.compressed()[0].clone();
        let file: LogFile = self.console.journal.dir.read(&name).unwrap();
        Table::read(&file).unwrap().unwrap()
    }

    fn compressed(&self) -> Vec<String> {
        let names = self
            .files()
            .into_iter()
            .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name.ends_with(".zlog")).collect()
    }
}

fn filled(lines: usize) -> Bench {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 2000;
    bench.writer().begin_run(RUN, 0).unwrap();
    for n in 1..=lines {
        bench
            .writer()
            .notice(Source::Daemon, &format!("line {n} of many"), n as i64)
            .unwrap();
    }
    bench
}

#[test]
fn a_compressed_history_reads_as_before_and_takes_less() {
    let mut bench = filled(300);
    let (before, bytes) = (bench.history(), bench.console.journal_bytes());
    let closed = bench.files().len() - 1;
    bench.compress();
    assert_eq!(bench.compressed().len(), closed);
    assert_eq!(bench.files().len(), closed + 1, "the originals are gone");
    assert_eq!(bench.history(), before);
    let on_disk: u64 = bench.files().iter().map(|f| f.metadata().unwrap().len()).sum();
    assert_eq!(bench.console.journal_bytes(), on_disk);
    assert!(on_disk < bytes);
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.notes, Vec::<String>::new());
    assert_eq!(bench.history(), before);
    for seq in [1, 2, 150, 299, 300] {
        assert_eq!(bench.console.seq_at(seq as i64).unwrap(), seq);
        let mut cursor = bench.console.at(seq);
        let history = bench.console.history(&mut cursor, 1).unwrap();
        assert_eq!((history.missed, history.batches[0].first_seq()), (None, seq));
    }
}

#[test]
fn a_frame_holds_as_many_whole_records_as_fit() {
    let mut bench = Bench::new(LIMITS);
    bench.writer().journal.segment_bytes = 1000;
    // Records of 50 bytes, of which four are just a frame, one of 300, and one of 64 KiB.
    for n in 1..=10 {
        bench.writer().notice(Source::Daemon, &"x".repeat(14), n).unwrap();
    }
    bench
        .writer()
        .notice(Source::Daemon, &"y".repeat(264), 11)
        .unwrap();
    bench.writer().notice(Source::Daemon, "z", 12).unwrap();
    bench
        .writer()
        .notice(Source::Daemon, &"z".repeat(65_536), 13)
        .unwrap();
    bench.writer().notice(Source::Daemon, "behind", 14).unwrap();
    let before = bench.history();
    bench.compress();
    let frames: Vec<_> = bench.first_table().frames.iter().map(|f| f.plain_len).collect();
    assert_eq!(frames, [200, 200, 100, 300, 37, 65_572]);
    assert_eq!(bench.history(), before);
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.history(), before);
}

#[test]
fn a_reader_goes_on_undisturbed_while_its_segment_is_compressed() {
    let mut bench = filled(300);
    let mut reader = Follower::new(bench.console.at(1));
    for _ in 0..3 {
        reader.step(&bench.console, 500);
    }
    bench.compress();
    reader.follow(&bench.console, 500);
    assert_eq!((reader.missed, reader.seen.len()), (0, 300));
}

#[test]
fn a_job_whose_segment_went_meanwhile_leaves_nothing_behind() {
    let mut bench = filled(100);
    let job = bench.writer().compress_job().unwrap();
    let age = Limits {
        journal_age: 1,
        ..LIMITS
    };
    bench.writer().set_limits(age);
    bench.enforce_limits(1000).unwrap();
    let files = bench.files();
    assert_eq!(job.run().unwrap(), None);
    assert_eq!(bench.files(), files);
}

#[test]
fn closing_stops_compressing_for_good() {
    let mut bench = filled(100);
    let job = bench.writer().compress_job().unwrap();
    let files = bench.files();
    bench.writer.take().unwrap().close().run().unwrap();
    assert_eq!(job.run().unwrap(), None);
    assert_eq!(bench.files(), files);
}

#[test]
fn a_kill_between_the_two_names_leaves_one_of_them() {
    let mut bench = filled(100);
    let before = bench.history();
    let original = bench.files()[0].clone();
    let bytes = std::fs::read(&original).unwrap();
    bench.compress();
    let files = bench.files();
    std::fs::write(&original, &bytes).unwrap();
    std::fs::write(bench.path().join("compress.new"), "half").unwrap();
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.files(), files);
    assert_eq!(bench.history(), before);
    // Where the compressed one is of no use, it is the original that stays.
    let compressed = bench.path().join(&bench.compressed()[0]);
    std::fs::write(&original, &bytes).unwrap();
    let half = std::fs::read(&compressed).unwrap();
    std::fs::write(&compressed, &half[..half.len() / 2]).unwrap();
    bench.kill_and_open(LIMITS);
    assert!(original.exists() && !compressed.exists());
    assert_eq!(bench.history(), before);
}

#[test]
fn erased_lines_are_gone_from_compressed_files_too() {
    let mut bench = filled(100);
    bench.compress();
    let erased = bench.writer().erase_before(31).unwrap();
    assert_eq!(erased, 30);
    let expected: Vec<_> = (31..=100).map(|n| format!("line {n} of many")).collect();
    assert_eq!(texts(&bench.history()), expected);
    let first = &bench.files()[0];
    assert!(first.ends_with("00000000000000000031.log"), "{first:?}");
    bench.compress();
    bench.kill_and_open(LIMITS);
    assert_eq!(texts(&bench.history()), expected);
    assert_eq!(bench.console.first_seq(), 31);
}

#[test]
fn the_last_number_is_known_from_a_compressed_file_alone() {
    let mut bench = filled(100);
    bench.compress();
    bench.writer = None;
    let last = bench.files().pop().unwrap();
    std::fs::remove_file(last).unwrap();
    let table = {
        let name = bench.compressed().pop().unwrap();
        Table::read(&bench.console.journal.dir.read(&name).unwrap())
            .unwrap()
            .unwrap()
    };
    bench.kill_and_open(LIMITS);
    assert_eq!(bench.console.next_seq(), table.end_seq);
    assert_eq!(
        bench.writer().position().unwrap(),
        Position { run: RUN, offset: 0 }
    );
}

proptest! {
    /// Any byte of a compressed file is damaged: what is missing is exactly one frame, or nothing.
    #[test]
    fn a_damaged_frame_costs_its_own_lines_and_no_other(
        at in any::<prop::sample::Index>(),
        flip in 1_u8..,
    ) {
        let mut bench = filled(120);
        bench.compress();
        let table = bench.first_table();
        let path = bench.path().join(&bench.compressed()[0]);
        let mut bytes = std::fs::read(&path).unwrap();
        let header = crate::journal::segment::HEADER_LEN;
        let at = header + at.index(bytes.len() - header);
        bytes[at] ^= flip;
        std::fs::write(&path, bytes).unwrap();
        bench.kill_and_open(LIMITS);
        let mut reader = Follower::new(bench.console.at(1));
        reader.follow(&bench.console, 300);
        let seen: Vec<_> = reader.seen.iter().map(|(seq, _, _)| *seq).collect();
        let expected: Vec<_> = match table.frame_at(at as u64) {
            Some((first, end)) => (1..=120).filter(|seq| !(first..end).contains(seq)).collect(),
            None => (1..=120).collect(),
        };
        prop_assert_eq!(&seen, &expected);
        prop_assert_eq!(reader.missed as usize, 120 - seen.len());
        for (seq, _, text) in reader.seen {
            prop_assert_eq!(text, format!("line {seq} of many"));
        }
    }
}
