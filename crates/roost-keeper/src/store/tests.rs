//! The store against a plain copy of the output: whatever is not told as a hole arrives, once and in order.

use super::*;
use crate::protocol::Decoder;
use proptest::prelude::*;

/// What a node would have: it takes frames, records them, and counts what is missing.
#[derive(Debug, Default)]
struct Reader {
    decoder: Decoder,
    at: u64,
    missing: u64,
    /// Holes that it was told of: it records each whole, so that it never stands inside one.
    told: Vec<std::ops::Range<u64>>,
}

impl Reader {
    fn outside_holes(&self, offset: u64) -> u64 {
        let inside = self.told.iter().find(|hole| hole.contains(&offset));
        inside.map_or(offset, |hole| hole.end)
    }

    /// Takes what the store sends until nothing is left, and compares it with `output`.
    fn drain(&mut self, store: &mut Store, output: &[u8], most: usize) {
        for _ in 0..most {
            let mut out = Vec::new();
            store.fill(&mut out, 1);
            if out.is_empty() {
                break;
            }
            self.decoder.push(&out);
            while let Some(frame) = self.decoder.next_from_keeper().unwrap() {
                let at = usize::try_from(self.at).unwrap();
                match frame {
                    KeeperFrame::Chunk { offset, bytes, .. } => {
                        assert_eq!(offset, self.at);
                        assert!(output[at..].starts_with(bytes), "other bytes at {at}");
                        self.at += bytes.len() as u64;
                    }
                    KeeperFrame::Hole { from, to, newlines } => {
                        assert_eq!(from, self.at);
                        let lost = &output[at..usize::try_from(to).unwrap()];
                        assert_eq!(newlines, u64::from(memory::newlines(lost)), "in {from}..{to}");
                        self.missing += to - from;
                        self.told.push(from..to);
                        self.at = to;
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// The program prints: milliseconds since the last, bytes.
    Print(i64, Vec<u8>),
    /// The node takes up to so many frames.
    Take(usize),
    /// The node acknowledges so much (in 255ths) of what it has not acknowledged.
    Ack(u8),
    /// The node goes, and comes back with an earlier place (in 255ths between acknowledged and recorded).
    Reconnect(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Bytes with a newline about every `gap` of them; cheap to make and to shrink.
    let text = (1..9000usize, 1..200usize).prop_map(|(length, gap)| {
        (0..length)
            .map(|n| if n % gap == 0 { b'\n' } else { (n % 251) as u8 })
            .collect()
    });
    proptest::collection::vec(
        prop_oneof![
            6 => (0..2i64, text).prop_map(|(a, b)| Step::Print(a, b)),
            2 => (1..30usize).prop_map(Step::Take),
            2 => any::<u8>().prop_map(Step::Ack),
            1 => any::<u8>().prop_map(Step::Reconnect),
        ],
        1..150,
    )
}

fn run(store: &mut Store, steps: Vec<Step>) -> u64 {
    let (mut output, mut now, mut acked) = (Vec::new(), 0, 0);
    let mut reader = Reader::default();
    let part = |range: u64, part: u8| range * u64::from(part) / 255;
    store.seek(0);
    for step in steps {
        match step {
            Step::Print(later, bytes) => {
                now += later;
                store.append(now, &bytes);
                output.extend(bytes);
            }
            Step::Take(most) => reader.drain(store, &output, most),
            Step::Ack(share) => {
                acked = reader.outside_holes(acked + part(reader.at - acked, share));
                store.ack(acked);
                assert!(store.first() >= acked);
            }
            Step::Reconnect(share) => {
                reader = Reader {
                    at: reader.outside_holes(acked + part(reader.at - acked, share)),
                    decoder: Decoder::default(),
                    ..reader
                };
                reader.told.retain(|hole| hole.end <= reader.at);
                store.seek(reader.at);
            }
        }
        assert!(store.memory.weight() <= store.memory_bound + PIECE_MAX);
    }
    reader.drain(store, &output, usize::MAX);
    assert_eq!(reader.at, output.len() as u64);
    assert!(!store.has_unsent());
    store.ack(reader.at);
    assert_eq!((store.first(), store.end()), (reader.at, reader.at));
    reader.missing
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..Default::default() })]

    #[test]
    fn a_node_gets_everything_or_is_told_how_much_is_missing(steps in steps()) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::new(dir.path().join("spool"), 8 << 10, 1);
        run(&mut store, steps);
        prop_assert!(dir.path().join("spool").metadata().map_or(0, |file| file.len()) == 0, "not emptied");
    }

    #[test]
    fn a_disk_that_is_full_costs_lines_but_never_the_order(steps in steps()) {
        let full = std::fs::OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
        let mut store = Store::with_file(SpoolFile::opened(full), 8 << 10, 1);
        run(&mut store, steps);
    }
}

#[test]
fn what_fits_in_the_spool_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::new(dir.path().join("spool"), 64 << 10, 64 << 20);
    let steps = (0..2000).map(|n| Step::Print(n % 2, format!("line {n}\n").into_bytes().repeat(500)));
    assert_eq!(run(&mut store, steps.collect()), 0);
}

#[test]
fn the_spool_keeps_to_its_bound_and_the_oldest_goes() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::new(dir.path().join("spool"), 16 << 10, 1 << 20);
    let mut output = Vec::new();
    for n in 0..100_000 {
        let line = format!("this is line {n}\n");
        store.append(n, line.as_bytes());
        output.extend(line.bytes());
    }
    assert!(dir.path().join("spool").metadata().unwrap().len() <= 1 << 20);
    let mut reader = Reader::default();
    store.seek(0);
    reader.drain(&mut store, &output, usize::MAX);
    let kept = output.len() as u64 - reader.missing;
    assert!(kept > 300 << 10, "only {kept} bytes were kept");
}

#[test]
fn a_spool_that_somebody_put_a_link_in_place_of_is_not_written() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("victim"), "mine").unwrap();
    std::os::unix::fs::symlink(dir.path().join("victim"), dir.path().join("spool")).unwrap();
    let mut store = Store::new(dir.path().join("spool"), 8 << 10, 1);
    let missing = run(&mut store, vec![Step::Print(1, vec![b'\n'; 100_000])]);
    assert!(missing > 0);
    assert_eq!(std::fs::read(dir.path().join("victim")).unwrap(), b"mine");
}

#[test]
fn a_spool_that_was_spoilt_is_told_as_missing() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = Store::new(dir.path().join("spool"), 8 << 10, 1 << 20);
    let output = b"a line\n".repeat(20_000);
    store.append(1, &output);
    std::fs::File::options()
        .write(true)
        .open(dir.path().join("spool"))
        .unwrap()
        .set_len(30)
        .unwrap();
    let mut reader = Reader::default();
    store.seek(0);
    reader.drain(&mut store, &output, usize::MAX);
    assert_eq!(reader.at, output.len() as u64);
    assert!(reader.missing > 100_000);
}
