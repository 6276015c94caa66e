//! Blocks as a story: which stretches are read, and what is seen in them.

use super::*;
use crate::{Limits, Writer, journal::segment::HEADER_LEN};
use roost_wire::node_api::Source;

const ALL: RangeInclusive<Millis> = Millis::MIN..=Millis::MAX;
/// Bytes of each record: two are a stretch, three a frame.
const RECORD: usize = 64;

struct Bench {
    dir: tempfile::TempDir,
    writer: Writer,
}

impl Bench {
    /// Each line is as old as its number says.
    fn new(lines: u64, segment_bytes: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let limits = Limits {
            journal_bytes: 1 << 30,
            journal_age: 0,
            disk_free_percent: 0,
            ring_bytes: 0,
        };
        let (mut writer, _, _) = crate::open(&dir.path().join("journal"), "Roost", limits, 0).unwrap();
        writer.make_small(64, segment_bytes);
        for n in 1..=lines {
            let text = format!("{n:0len$}", len = RECORD - RECORD_LEN);
            writer.notice(Source::Daemon, &text, n as Millis).unwrap();
        }
        Self { dir, writer }
    }

    fn journal(&self) -> &Shared {
        &self.writer.console().journal
    }

    /// Numbers in the block that ends before `before`, and the number to go on with behind it.
    fn before(&self, before: u64, within: &RangeInclusive<Millis>, max: u64) -> Option<(Vec<u64>, u64)> {
        let mut block = Block::default();
        let found = self.journal().block_before(before, within, max, &mut block);
        found.unwrap().then(|| seen(&block))
    }

    fn at(&self, from: u64) -> Option<(Vec<u64>, u64)> {
        let mut block = Block::default();
        let found = self.journal().block_at(from, &mut block);
        found.unwrap().then(|| seen(&block))
    }

    fn files(&self) -> Vec<std::path::PathBuf> {
        let files = std::fs::read_dir(self.dir.path().join("journal")).unwrap();
        let mut files: Vec<_> = files.map(|f| f.unwrap().path()).collect();
        files.sort();
        files
    }
}

fn seen(block: &Block) -> (Vec<u64>, u64) {
    let read = (block.end_seq - block.first_seq) as usize * RECORD;
    assert_eq!(block.buf.len(), read, "what is read is what is shown");
    let lines: Vec<_> = block.lines().map(|(meta, _)| meta.seq).collect();
    assert_eq!(lines.first(), Some(&block.first_seq));
    (lines, block.end_seq)
}

fn numbers(first: u64, end: u64) -> Option<(Vec<u64>, u64)> {
    Some(((first..end).collect(), end))
}

#[test]
fn a_block_is_as_many_stretches_as_are_wanted_and_not_more() {
    let bench = Bench::new(20, 1 << 20);
    assert_eq!(bench.before(21, &ALL, 1), numbers(19, 21));
    assert_eq!(bench.before(20, &ALL, 1), numbers(19, 21));
    assert_eq!(bench.before(19, &ALL, 1), numbers(17, 19));
    assert_eq!(bench.before(21, &ALL, 256), numbers(17, 21), "256 bytes");
    assert_eq!(bench.before(21, &ALL, 257), numbers(15, 21));
    assert_eq!(bench.before(9, &ALL, u64::MAX), numbers(1, 9));
    assert_eq!(bench.before(1, &ALL, u64::MAX), None);
}

#[test]
fn stretches_of_other_times_are_not_read() {
    let bench = Bench::new(20, 1 << 20);
    assert_eq!(bench.before(21, &(5..=6), u64::MAX), numbers(5, 7));
    assert_eq!(bench.before(21, &(4..=7), u64::MAX), numbers(3, 9));
    assert_eq!(bench.before(5, &(4..=7), u64::MAX), numbers(3, 5));
    assert_eq!(bench.before(21, &(20..=99), u64::MAX), numbers(19, 21));
    assert_eq!(bench.before(21, &(-9..=1), u64::MAX), numbers(1, 3));
    assert_eq!(bench.before(21, &(21..=99), u64::MAX), None);
    assert_eq!(bench.before(21, &(-9..=0), u64::MAX), None);
}

#[test]
fn of_a_compressed_segment_the_frames_are_read_that_are_needed() {
    // Ten lines a segment.
    let bench = Bench::new(25, 700);
    while let Some(job) = bench.writer.compress_job() {
        job.run().unwrap().unwrap();
    }
    assert_eq!(bench.before(21, &ALL, 1), numbers(20, 21), "the fourth frame");
    assert_eq!(bench.before(20, &ALL, 1), numbers(17, 20));
    assert_eq!(bench.before(20, &ALL, 193), numbers(14, 20));
    assert_eq!(bench.before(17, &(12..=13), u64::MAX), numbers(11, 14));
    assert_eq!(bench.before(11, &ALL, u64::MAX), numbers(1, 11));
    assert_eq!(bench.at(12), numbers(11, 14));
    assert_eq!(bench.at(20), numbers(20, 21));
}

#[test]
fn reading_on_goes_from_stretch_to_stretch_and_from_file_to_file() {
    let bench = Bench::new(25, 700);
    for (from, first, end) in [
        (0, 1, 3),
        (1, 1, 3),
        (2, 1, 3),
        (3, 3, 5),
        (10, 9, 11),
        (11, 11, 13),
        (25, 25, 26),
    ] {
        assert_eq!(bench.at(from), numbers(first, end), "from {from}");
    }
    assert_eq!(bench.at(26), None);
}

#[test]
fn damage_is_stepped_over_and_an_old_record_in_a_later_place_is_damage() {
    let bench = Bench::new(20, 1 << 20);
    let path = bench.files().remove(0);
    let mut bytes = std::fs::read(&path).unwrap();
    let place = |n: usize| HEADER_LEN + (n - 1) * RECORD..HEADER_LEN + n * RECORD;
    bytes[place(5)].fill(0);
    bytes.copy_within(place(3), place(7).start);
    // Twice in a row.
    bytes.copy_within(place(9), place(10).start);
    std::fs::write(&path, bytes).unwrap();
    let (lines, end) = bench.before(21, &ALL, u64::MAX).unwrap();
    let expected: Vec<_> = (1..=20).filter(|n| ![5, 7, 10].contains(n)).collect();
    assert_eq!((lines, end), (expected, 21));
}

#[test]
fn a_file_that_somebody_removed_is_a_gap() {
    let bench = Bench::new(35, 700);
    let gone = bench.files().remove(1);
    std::fs::remove_file(gone).unwrap();
    assert_eq!(bench.before(21, &ALL, 1), numbers(9, 11), "what is before it");
    assert_eq!(bench.at(15), numbers(21, 23), "what is behind it");
    let other = bench.files().remove(0);
    std::fs::remove_file(&other).unwrap();
    std::fs::create_dir(&other).unwrap();
    let mut block = Block::default();
    bench.journal().block_at(1, &mut block).unwrap_err();
}

#[test]
fn a_file_that_was_compressed_meanwhile_stands_in_a_new_list() {
    let bench = Bench::new(25, 700);
    let old = Arc::clone(&bench.journal().segments()[0]);
    let missing = || io::Result::<()>::Err(io::ErrorKind::NotFound.into());
    let journal = bench.journal();
    assert_eq!(journal.tried(&old, missing()).unwrap(), Tried::Gone);
    bench.writer.compress_job().unwrap().run().unwrap().unwrap();
    assert_eq!(journal.tried(&old, missing()).unwrap(), Tried::Moved);
    assert_eq!(journal.tried(&old, Ok(7)).unwrap(), Tried::Done(7));
    let other = io::Result::<()>::Err(io::ErrorKind::InvalidInput.into());
    journal.tried(&old, other).unwrap_err();
}
