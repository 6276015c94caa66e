//! The ring as a story: what it holds, what it drops, what a reader gets.

use super::*;
use crate::{batch::Style, journal::staged::Staged};
use roost_wire::{encoding::Encoding, node_api::Source};

/// A batch of one line. All weigh the same.
fn line(seq: u64, time: Millis) -> Entry {
    let mut staged = Staged::new(0, seq, time, 1, 4);
    staged.line(Source::Output, false, false, 0, b"line");
    let (buf, mut groups) = staged.into_parts();
    let group = groups.remove(0);
    let style = Style {
        app: "Roost".into(),
        encoding: Encoding::Utf8,
    };
    let batch = Batch::new(buf.into(), group.starts, Source::Output, seq, style);
    Entry::Lines(Arc::new(batch))
}

fn event(classic: usize, v1: usize) -> Entry {
    Entry::Event(Arc::new(Event {
        classic: vec![b'c'; classic].into(),
        v1: vec![b'v'; v1].into(),
        audience: Audience::All,
    }))
}

fn weight() -> usize {
    line(1, 0).weight()
}

/// A ring with room for `room` lines, to which the lines with the numbers 1 to `lines` came.
fn ring(room: usize, lines: u64) -> Ring {
    let ring = Ring::new(room * weight(), 1);
    for seq in 1..=lines {
        ring.push([line(seq, 0)]);
    }
    ring
}

/// The number of each line that one read gives, and nothing for an event.
fn read(ring: &Ring, cursor: &mut Cursor, max_bytes: usize) -> Vec<Option<u64>> {
    match ring.read(cursor, max_bytes) {
        Read::Entries(entries) => entries
            .iter()
            .map(|entry| match entry {
                Entry::Lines(batch) => Some(batch.first_seq()),
                Entry::Event(_) => None,
            })
            .collect(),
        other => panic!("nothing to read: {other:?}"),
    }
}

#[test]
fn what_fits_exactly_stays_and_one_more_costs_the_oldest() {
    let ring = ring(3, 3);
    assert_eq!(ring.first_seq(), 1);
    for seq in 4..=20 {
        ring.push([line(seq, 0)]);
        assert_eq!(ring.first_seq(), seq - 2, "three are held");
    }
    ring.set_max_bytes(2 * weight());
    assert_eq!(ring.first_seq(), 19, "a lower bound holds at once");
    ring.set_max_bytes(0);
    assert_eq!(ring.first_seq(), 20, "the newest stays, whatever the bound");
    ring.push([line(21, 0)]);
    assert_eq!((ring.first_seq(), ring.next_seq()), (21, 22));
}

#[test]
fn an_event_weighs_what_it_holds_and_something_for_itself() {
    let ring = Ring::new(10_000, 1);
    let held = |ring: &Ring| lock(&ring.state).slots.len();
    for _ in 0..100 {
        ring.push([event(1000, 1000)]);
    }
    assert_eq!(held(&ring), 4);
    for _ in 0..100 {
        ring.push([event(0, 3000)]);
    }
    assert_eq!(held(&ring), 3);
    for _ in 0..10_000 {
        ring.push([event(0, 0)]);
    }
    assert_eq!(held(&ring), 10_000 / size_of::<Event>());
}

#[test]
fn a_read_gives_about_as_much_as_is_wanted_and_goes_on_behind_it() {
    let ring = ring(5, 8);
    let mut cursor = ring.at(5);
    assert_eq!(read(&ring, &mut cursor, 2 * weight()), [Some(5), Some(6)]);
    assert_eq!(cursor, Cursor { seq: 7, entry: 6 });
    assert_eq!(cursor, ring.at(7), "as if it had come for that line");
    assert_eq!(read(&ring, &mut cursor, 0), [Some(7)], "at least one");
    assert_eq!(read(&ring, &mut cursor, 1 << 20), [Some(8)]);
    assert_eq!(cursor, ring.tail());
    assert!(matches!(ring.read(&mut cursor, 1), Read::Empty));
    let mut first = ring.at(4);
    assert_eq!(first, Cursor { seq: 4, entry: 3 });
    assert_eq!(
        read(&ring, &mut first, 2 * weight() + 1),
        [Some(4), Some(5), Some(6)],
        "the last one may go over"
    );
}

#[test]
fn an_event_between_two_lines_is_met_there_once() {
    let ring = ring(9, 1);
    let mut cursor = ring.at(1);
    ring.push([event(1, 1), line(2, 0)]);
    let met: Vec<_> = (0..3).flat_map(|_| read(&ring, &mut cursor, 1)).collect();
    assert_eq!(met, [Some(1), None, Some(2)]);
}

#[test]
fn who_is_too_late_is_told_so_wherever_it_stood() {
    let ring = ring(3, 3);
    let mut slow = ring.at(1);
    let mut edge = ring.at(2);
    ring.push([line(4, 0)]);
    assert!(matches!(ring.read(&mut slow, 1), Read::Behind));
    assert_eq!(ring.at(1).entry, Cursor::NOT_ALIGNED);
    assert!(matches!(ring.read(&mut ring.at(1), 1), Read::Behind));
    assert_eq!(ring.align(&mut slow), Some(2), "the first line held");
    assert_eq!(read(&ring, &mut edge, 1), [Some(2)]);
}

#[test]
fn what_is_forgotten_are_old_lines_and_all_before_them() {
    let ring = Ring::new(1 << 20, 1);
    ring.push([line(1, 10), line(2, 30), event(1, 1), line(3, 20), line(4, 40)]);
    ring.forget(10);
    assert_eq!(ring.first_seq(), 1, "a line of that very time stays");
    ring.forget(11);
    assert_eq!(ring.first_seq(), 2);
    ring.forget(21);
    assert_eq!(ring.first_seq(), 4, "the clock had jumped back");
    ring.forget(100);
    assert_eq!((ring.first_seq(), ring.next_seq()), (5, 5));
    assert_eq!(lock(&ring.state).bytes, 0, "nothing is counted that is not there");
}

#[test]
fn what_came_before_the_close_is_read_first() {
    let ring = ring(3, 1);
    let mut cursor = ring.at(1);
    ring.close();
    assert_eq!(read(&ring, &mut cursor, 1), [Some(1)]);
    assert!(matches!(ring.read(&mut cursor, 1), Read::Closed));
}
