//! What the console promises, whatever happens.

use super::*;
use crate::{Audience, LineJoiner};
use proptest::prelude::*;
use std::fs::OpenOptions;

#[derive(Debug, Clone)]
enum Step {
    /// So many bytes come.
    Chunk(usize),
    /// 50 ms pass.
    Flush,
    /// A line of the daemon's own.
    Notice,
    /// SIGKILL; so many bytes at the end of the last file were not written.
    Kill(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_usize..60).prop_map(Step::Chunk),
        2 => Just(Step::Flush),
        1 => Just(Step::Notice),
        2 => prop_oneof![Just(0), 0_u64..60, 0_u64..1000].prop_map(Step::Kill),
    ]
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        3 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        1 => proptest::collection::vec(Just(b'\r'), 1..9),
        5 => "[a-z ]{0,12}".prop_map(String::into_bytes),
        2 => "[\u{e4}\u{20ac}\u{1f600}]{1,6}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(word, 0..80).prop_map(|words| words.concat())
}

/// The lines of a stream, by the rule and on the whole stream at once.
fn lines_of(stream: &[u8], cap: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<Vec<u8>> = stream
        .split(|&b| b == b'\n')
        .map(|line| {
            let cr = line.iter().rev().take_while(|&&b| b == b'\r').count();
            line[..line.len() - cr.min(cap)].to_vec()
        })
        .collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

/// Joined lines of the server's output in the whole history; checks that numbers have no hole.
fn joined(console: &Console) -> Vec<Vec<u8>> {
    let mut cursor = Cursor {
        seq: 1,
        entry: Cursor::NOT_ALIGNED,
    };
    let (mut joiner, mut lines, mut next) = (LineJoiner::default(), Vec::new(), 1);
    loop {
        let history = console.history(&mut cursor, 300).unwrap();
        assert_eq!(history.missed, None);
        let mut batches = history.batches;
        if batches.is_empty() {
            match console.read(&mut cursor, 300) {
                Read::Entries(entries) => {
                    batches.extend(entries.into_iter().filter_map(|entry| match entry {
                        Entry::Lines(batch) => Some(batch),
                        Entry::Event(_) => None,
                    }));
                }
                _ => return lines,
            }
        }
        for batch in batches {
            for line in batch.lines() {
                assert_eq!(line.seq, next);
                next += 1;
                if batch.source() == Source::Output {
                    lines.extend(joiner.push(line).map(<[u8]>::to_vec));
                }
            }
        }
    }
}

/// Cuts `bytes` off the last file; the header of the very first segment, which holds the stream's id, stays.
fn tear(bench: &Bench, bytes: u64) {
    let mut files = bench.files();
    let last = files.pop().unwrap();
    let least = match files.is_empty() {
        true => crate::journal::segment::HEADER_LEN as u64,
        false => 0,
    };
    let file = OpenOptions::new().write(true).open(last).unwrap();
    let len = file.metadata().unwrap().len();
    file.set_len(len.saturating_sub(bytes).max(least)).unwrap();
}

proptest! {
    /// The node is killed again and again, in the middle of lines, prompts and writes; the keeper sends again what the
    /// journal does not have. The lines are those of a node that was never killed.
    #[test]
    fn a_kill_at_any_point_neither_loses_nor_doubles(
        stream in stream(),
        steps in proptest::collection::vec(step(), 1..60),
        cap in 10_usize..40,
    ) {
        let mut bench = Bench::new(LIMITS);
        bench.writer().make_small(cap, 400);
        bench.writer().begin_run(RUN, 0).unwrap();
        let mut sent = 0;
        for step in steps.iter().chain([&Step::Chunk(usize::MAX)]) {
            match *step {
                Step::Chunk(len) => {
                    let end = sent + len.min(stream.len() - sent);
                    bench.writer().output(&stream[sent..end], end as u64, 1).unwrap();
                    sent = end;
                }
                Step::Flush => {
                    bench.writer().flush_partial(2).unwrap();
                }
                Step::Notice => bench.writer().notice(Source::Daemon, "notice", 3).unwrap(),
                Step::Kill(torn) => {
                    bench.writer = None;
                    tear(&bench, torn);
                    bench.kill_and_open(LIMITS);
                    bench.writer().make_small(cap, 400);
                    match bench.writer().position() {
                        Some(Position { run: RUN, offset }) => sent = offset as usize,
                        _ => {
                            bench.writer().begin_run(RUN, 0).unwrap();
                            sent = 0;
                        }
                    }
                }
            }
        }
        bench.writer().end_of_stream(4).unwrap();
        prop_assert_eq!(bench.writer().position().unwrap().offset, stream.len() as u64);
        let expected = lines_of(&stream, cap);
        prop_assert_eq!(joined(&bench.console), expected.clone());
        bench.kill_and_open(LIMITS);
        prop_assert_eq!(joined(&bench.console), expected);
    }

    /// A file is cut at any byte: what is whole is kept, what is torn is said, numbers go on.
    #[test]
    fn a_journal_torn_at_any_byte_opens_with_every_whole_line(
        lines in proptest::collection::vec("[a-z]{0,20}", 1..12),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bench = Bench::new(LIMITS);
        for line in &lines {
            bench.writer().notice(Source::Daemon, line, 1).unwrap();
        }
        let file = bench.files().remove(0);
        let len = file.metadata().unwrap().len();
        let cut = at.index(len as usize + 1) as u64;
        bench.writer = None;
        OpenOptions::new().write(true).open(file).unwrap().set_len(cut).unwrap();
        let stream = bench.console.stream();
        let (writer, console, recovery) = open(&bench.path(), "Roost", LIMITS, 0, BOOT).unwrap();
        let mut end = crate::journal::segment::HEADER_LEN as u64;
        let header_is_whole = cut >= end;
        prop_assert_eq!(console.stream() == stream, header_is_whole);
        let mut whole = 0;
        for line in &lines {
            let next = end + (crate::journal::segment::RECORD_LEN + line.len()) as u64;
            if cut < next {
                break;
            }
            (end, whole) = (next, whole + 1);
        }
        let torn = header_is_whole && cut > end;
        prop_assert_eq!(recovery.notes.len(), usize::from(torn), "{:?}", recovery.notes);
        prop_assert_eq!(console.next_seq(), whole as u64 + 1);
        bench.writer = Some(writer);
        bench.console = console;
        bench.writer().notice(Source::Daemon, "after", 2).unwrap();
        let history = bench.history();
        let expected: Vec<_> = lines[..whole].iter().map(String::as_str).chain(["after"]).collect();
        prop_assert_eq!(texts(&history), expected);
    }

    /// Any byte of any file is damaged: it opens, no wrong line is shown, and what is missing is counted exactly.
    #[test]
    fn damage_anywhere_is_a_gap_of_the_right_size(
        count in 1_usize..40,
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 1_u8..), 1..4),
        compressed in any::<bool>(),
    ) {
        let mut bench = Bench::new(LIMITS);
        bench.writer().journal.segment_bytes = 400;
        for n in 1..=count {
            bench.writer().notice(Source::Daemon, &format!("line {n}"), n as i64).unwrap();
        }
        if compressed {
            bench.compress();
        }
        bench.writer = None;
        let files = bench.files();
        for (file, at, flip) in hits {
            let file = file.get(&files);
            let mut bytes = std::fs::read(file).unwrap();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            std::fs::write(file, bytes).unwrap();
        }
        let (mut writer, console, _) = match open(&bench.path(), "Roost", LIMITS, 0, BOOT) {
            Ok(opened) => opened,
            // The version byte was hit: refused with a reason.
            Err(e) => {
                prop_assert_eq!(e.kind(), io::ErrorKind::Unsupported);
                return Ok(());
            }
        };
        writer.notice(Source::Daemon, "after", 1).unwrap();
        let mut reader = Follower::new(console.at(1));
        reader.follow(&console, 200);
        prop_assert_eq!(reader.missed + reader.seen.len() as u64, console.next_seq() - 1);
        let (last, before) = reader.seen.split_last().unwrap();
        prop_assert_eq!(&last.2, "after");
        for (seq, _, text) in before {
            prop_assert_eq!(text, &format!("line {seq}"));
        }
        if console.stream() == bench.console.stream() {
            console.seq_at(count as i64 / 2).unwrap();
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// So many lines at once.
    Write(usize),
    Event,
    /// The clock moves on, and what is old is removed.
    Retain,
    /// Reader `.0` reads at most `.1` bytes.
    Read(usize, usize),
    /// Reader `.0` comes back with only a number, `.1` lines before the end.
    Return(usize, u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1_usize..30).prop_map(Act::Write),
        1 => Just(Act::Event),
        1 => Just(Act::Retain),
        6 => (0_usize..4, 1_usize..2000).prop_map(|(who, bytes)| Act::Read(who, bytes)),
        1 => (0_usize..4, 0_u64..200).prop_map(|(who, back)| Act::Return(who, back)),
    ]
}

proptest! {
    /// Readers that keep up, lag, sleep and come back, while old lines go: each sees every line from its place on
    /// once and in order, or a gap of exactly the right size, and a gap only where the line is really gone.
    #[test]
    fn every_reader_sees_every_line_once_or_is_told_how_many_are_gone(
        acts in proptest::collection::vec(act(), 1..150),
    ) {
        let limits = Limits { journal_bytes: 4000, ring_bytes: 1500, ..LIMITS };
        let mut bench = Bench::new(limits);
        bench.writer().begin_run(RUN, 0).unwrap();
        bench.writer().journal.segment_bytes = 500;
        let console = Arc::clone(&bench.console);
        let mut readers: Vec<_> = (0..4).map(|_| Follower::new(console.tail())).collect();
        let (mut written, mut offset, mut now) = (0, 0, 0);
        for act in acts.into_iter().chain((0..4).map(|who| Act::Read(who, usize::MAX))) {
            now += 1;
            match act {
                Act::Write(lines) => {
                    let chunk: String = (0..lines).map(|n| format!("line {}\n", written + n + 1)).collect();
                    written += lines;
                    offset += chunk.len() as u64;
                    bench.writer().output(chunk.as_bytes(), offset, now).unwrap();
                }
                Act::Event => bench.writer().event(Event { classic: Bytes::from_static(b"event"), v1: Bytes::new(), audience: Audience::All }),
                Act::Retain => {
                    bench.enforce_limits(now);
                    prop_assert!(console.journal_bytes() <= limits.journal_bytes);
                }
                Act::Read(who, max_bytes) => {
                    let reader = &mut readers[who];
                    let (missed, held) = (reader.missed, console.first_seq());
                    let next = reader.next;
                    match max_bytes {
                        usize::MAX => reader.follow(&console, 777),
                        _ => { reader.step(&console, max_bytes); }
                    }
                    prop_assert_eq!(reader.missed - missed, held.saturating_sub(next).min(reader.missed - missed));
                }
                Act::Return(who, back) => {
                    let seq = console.next_seq().saturating_sub(back).max(1);
                    readers[who] = Follower::new(console.at(seq));
                }
            }
        }
        for reader in readers {
            prop_assert_eq!(reader.next, console.next_seq());
            for (seq, _, text) in reader.seen {
                prop_assert_eq!(text, format!("line {seq}"));
            }
        }
    }

    /// The clock jumps both ways; the answer is that of a walk over all lines.
    #[test]
    fn the_first_line_at_a_time_is_found_though_the_clock_jumps(
        times in proptest::collection::vec(0_i64..50, 1..80),
        asked in 0_i64..55,
        compressed in any::<bool>(),
    ) {
        let mut bench = Bench::new(LIMITS);
        bench.writer().journal.segment_bytes = 300;
        for &time in &times {
            bench.writer().notice(Source::Daemon, "x", time).unwrap();
        }
        if compressed {
            bench.compress();
        }
        let expected = times.iter().position(|&t| t >= asked).unwrap_or(times.len()) as u64 + 1;
        prop_assert_eq!(bench.console.seq_at(asked).unwrap(), expected);
        bench.kill_and_open(LIMITS);
        prop_assert_eq!(bench.console.seq_at(asked).unwrap(), expected);
    }
}

/// The same with real threads: the writer at full speed, the oldest lines going, closed segments being compressed,
/// readers of every pace.
#[test]
fn readers_on_other_threads_meet_no_seam() {
    let limits = Limits {
        journal_bytes: 400_000,
        ring_bytes: 20_000,
        ..LIMITS
    };
    let mut bench = Bench::new(limits);
    bench.writer().begin_run(RUN, 0).unwrap();
    bench.writer().journal.segment_bytes = 50_000;
    let console = Arc::clone(&bench.console);
    let total = 20_000;
    std::thread::scope(|scope| {
        for pace in [300_usize, 3_000, 100_000] {
            let console = &console;
            scope.spawn(move || {
                let mut reader = Follower::new(console.at(1));
                while reader.next <= total {
                    if !reader.step(console, pace) {
                        std::thread::yield_now();
                    }
                }
                for (seq, _, text) in &reader.seen {
                    assert_eq!(text, &format!("line {seq}"));
                }
                assert_eq!(reader.missed + reader.seen.len() as u64, total);
            });
        }
        let (jobs, queue) = std::sync::mpsc::channel::<crate::CompressJob>();
        scope.spawn(move || {
            let compressed = queue.into_iter().filter_map(|job| job.run().unwrap()).count();
            assert!(compressed > 0);
        });
        let mut offset = 0;
        for first in (1..=total).step_by(5) {
            let chunk: String = (first..first + 5).map(|n| format!("line {n}\n")).collect();
            offset += chunk.len() as u64;
            bench.writer().output(chunk.as_bytes(), offset, 0).unwrap();
            if first % 200 == 1 {
                bench.enforce_limits(0);
                if let Some(job) = bench.writer().compress_job() {
                    jobs.send(job).unwrap();
                }
            }
        }
    });
}
