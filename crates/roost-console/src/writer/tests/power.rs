//! The power is cut at any moment: the last second may be missing, nothing else.
//!
//! SIGKILL keeps what the kernel holds and proves nothing here. So the journal's files leave a note of each change, and
//! the disk is rebuilt from what was synced and any part of what was not.

use super::*;
use crate::journal::files::tape::{Disk, read_disk};
use proptest::prelude::*;
use std::collections::{BTreeMap, VecDeque};

#[derive(Debug, Clone)]
enum Step {
    /// So many lines at once, so long each.
    Lines(usize, usize),
    /// Text without a line end, and it is shown.
    Prompt,
    Notice,
    /// The program is started again.
    Run,
    /// What was written is taken to the syncer ...
    TakeSync,
    /// ... and the syncer is done.
    Synced,
    /// The oldest segments go.
    Retain,
    /// The older half goes.
    Erase,
    /// The oldest closed segment is compressed.
    Compress,
    /// The disk is full after so many bytes, or no longer.
    Room(Option<u64>),
    /// SIGKILL, and the next life of the node.
    Kill,
    /// The node ends in order, the machine is started anew.
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1_usize..6, 0_usize..60).prop_map(|(lines, len)| Step::Lines(lines, len)),
        2 => Just(Step::Prompt),
        2 => Just(Step::Notice),
        1 => Just(Step::Run),
        3 => Just(Step::TakeSync),
        3 => Just(Step::Synced),
        2 => Just(Step::Retain),
        1 => Just(Step::Erase),
        4 => Just(Step::Compress),
        2 => prop_oneof![(0_u64..200).prop_map(Some), Just(None)].prop_map(Step::Room),
        1 => Just(Step::Kill),
        1 => Just(Step::Close),
    ]
}

/// A line, without its number.
type Text = (Source, Millis, String);

/// What must be there from a moment on.
#[derive(Debug, Clone, Copy, Default)]
struct Promise {
    /// Changes of the disk up to here.
    at: usize,
    /// Lines before this number were synced, ...
    synced: u64,
    /// ... but those before this one may have been removed or erased.
    kept_from: u64,
    /// Lines before this number were erased for good.
    erased: u64,
    /// The stream's id was synced.
    named: bool,
}

struct World {
    bench: Bench,
    tape: Tape,
    now: Millis,
    offset: u64,
    written: usize,
    jobs: VecDeque<(SyncJob, u64)>,
    promises: Vec<Promise>,
    /// Every line that was ever handed out, by its number.
    handed: BTreeMap<u64, Vec<Text>>,
    /// What viewers were shown at each place, and behind how many changes of the disk. No place is ever another line's.
    places: BTreeMap<(Uuid, u64), (usize, Text)>,
    /// When the disk was full: the first lines of what was refused may be there after a cut, as they may after a kill.
    refused: Vec<(Millis, u64)>,
}

const TIGHT: Limits = Limits {
    journal_bytes: 2500,
    ..LIMITS
};

impl World {
    fn new() -> Self {
        Self::with(Bench::new_in(fast_dir(), LIMITS))
    }

    fn with(mut bench: Bench) -> Self {
        bench.writer().set_limits(TIGHT);
        bench.writer().journal.segment_bytes = 400;
        let tape = bench.writer().journal.shared.dir.tape.clone();
        Self {
            tape,
            now: 0,
            offset: 0,
            written: 0,
            jobs: VecDeque::new(),
            promises: Vec::new(),
            handed: BTreeMap::new(),
            places: BTreeMap::new(),
            refused: Vec::new(),
            bench,
        }
    }

    fn promise(&mut self, change: impl FnOnce(&mut Promise)) {
        let mut promise = self.promises.last().copied().unwrap_or_default();
        promise.at = self.tape.len();
        change(&mut promise);
        self.promises.push(promise);
    }

    /// Lines that are handed out by now; the ring holds the last ones.
    fn note_handed(&mut self, from: u64) {
        let mut reader = self.bench.console.at(from);
        while let Ok(history) = self.bench.console.lines(&mut reader, 1 << 20)
            && !history.batches.is_empty()
        {
            for batch in history.batches {
                for line in batch.lines().filter(|line| line.seq >= from) {
                    let text = (batch.source(), line.time, line.text().into_owned());
                    let place = (self.bench.console.stream(), line.seq);
                    let shown = (self.tape.len(), text.clone());
                    let (_, known) = self.places.entry(place).or_insert(shown);
                    assert_eq!(known, &text, "line {} is another one", line.seq);
                    self.handed.entry(line.seq).or_default().push(text);
                }
            }
        }
    }

    fn act(&mut self, step: &Step) {
        self.now += 1;
        let (now, from) = (self.now, self.bench.console.next_seq());
        let writer = self.bench.writer.as_mut().unwrap();
        match *step {
            Step::Lines(lines, len) => {
                let text: String = (0..lines)
                    .map(|n| format!("{:0len$}\n", self.written + n))
                    .collect();
                let end = self.offset + text.len() as u64;
                if writer.output(text.as_bytes(), end, now).is_ok() {
                    (self.written, self.offset) = (self.written + lines, end);
                }
            }
            Step::Prompt => {
                if writer.output(b"name: ", self.offset + 6, now).is_ok() {
                    self.offset += 6;
                    let _ = writer.flush_partial(now);
                }
            }
            Step::Notice => {
                let _ = writer.notice(Source::Daemon, &format!("notice {now}"), now);
            }
            Step::Run => {
                if writer.begin_run(Uuid::from_u128(now as u128), now).is_ok() {
                    self.offset = 0;
                }
            }
            Step::TakeSync => {
                if let Some(job) = writer.sync_job() {
                    self.jobs.push_back((job, from));
                }
            }
            Step::Synced => {
                if let Some((job, seq)) = self.jobs.pop_front() {
                    job.run().unwrap();
                    self.promise(|p| (p.synced, p.named) = (p.synced.max(seq), true));
                }
            }
            Step::Retain => {
                let before = self.tape.len();
                let _ = writer.enforce_limits(now);
                let first = self.bench.console.journal.first_seq();
                self.take_back(before, first);
            }
            Step::Erase => {
                let before = self.tape.len();
                let erased = writer.erase_before(now / 2);
                let first = self
                    .handed
                    .range(..from)
                    .find(|(_, texts)| texts.iter().any(|t| t.1 >= now / 2));
                let first = first.map_or(from, |(seq, _)| *seq);
                self.take_back(before, first);
                if erased.is_ok() {
                    self.promise(|p| {
                        (p.synced, p.named) = (p.synced.max(from), true);
                        p.erased = p.erased.max(first);
                    });
                }
            }
            Step::Compress => {
                if let Some(job) = writer.compress_job() {
                    let _ = job.run();
                }
            }
            Step::Room(left) => self.tape.set_left(left),
            Step::Kill => {
                self.jobs.clear();
                self.tape.set_left(None);
                self.reopen();
            }
            Step::Close => {
                self.jobs.clear();
                self.tape.set_left(None);
                self.bench.close();
                self.promise(|p| (p.synced, p.named) = (p.synced.max(from), true));
                self.bench.boot = after(self.bench.boot);
                self.reopen();
            }
        }
        if self.bench.writer().journal.spoiled {
            self.refused.push((now, self.bench.console.next_seq()));
        }
        self.note_handed(from);
    }

    /// The next life of the node, to which nothing was lost.
    fn reopen(&mut self) {
        let before = self.tape.len();
        Tape::hold(Some(self.tape.clone()));
        self.bench.kill_and_open(TIGHT);
        Tape::hold(None);
        self.bench.writer().journal.segment_bytes = 400;
        self.offset = self.bench.writer().position().map_or(0, |p| p.offset);
        let first = self.bench.console.journal.first_seq();
        self.take_back(before, first);
    }

    /// Lines before `first` may have gone from change `at` on.
    fn take_back(&mut self, at: usize, first: u64) {
        self.promise(|p| {
            p.at = at;
            p.kept_from = p.kept_from.max(first);
        });
    }

    /// The power is cut behind so many changes; the world afterwards.
    fn cut(&self, cut: usize, chance: &mut dyn FnMut(usize) -> usize) -> Result<Self, TestCaseError> {
        let promise = self.promises.iter().rfind(|p| p.at <= cut).copied();
        let Promise {
            synced,
            kept_from,
            erased,
            named,
            ..
        } = promise.unwrap_or_default();
        let dir = fast_dir();
        let path = dir.path().join("journal");
        let disk = self.tape.disk_after(cut, chance);
        write_disk(&path, disk.as_ref());
        let boot = after(self.bench.boot);
        let (writer, console, recovery) = open(&path, "Roost", LIMITS, 0, boot).unwrap();
        if named {
            prop_assert_eq!(console.journal.stream, self.bench.console.journal.stream);
        }
        prop_assert!(
            console.next_seq() >= synced,
            "{} < {}",
            console.next_seq(),
            synced
        );
        // What would have been shown behind the cut never was.
        let mut places = self.places.clone();
        places.retain(|_, (at, _)| *at <= cut);
        let mut bench = Bench {
            dir,
            writer: Some(writer),
            console,
            notes: recovery.notes,
            boot,
        };
        let lines = held(&bench.console);
        for seq in self.handed.keys().filter(|seq| (kept_from..synced).contains(seq)) {
            prop_assert!(
                lines.contains_key(seq),
                "line {seq} was synced: {:?}",
                bench.notes
            );
        }
        for (seq, text) in &lines {
            let known = self.handed.get(seq).is_some_and(|texts| texts.contains(text));
            let refused = self
                .refused
                .iter()
                .any(|(time, next)| *time == text.1 && seq >= next);
            prop_assert!(known || refused, "line {seq} is invented: {text:?}");
            prop_assert!(*seq >= erased, "line {seq} was erased");
            let place = (bench.console.stream(), *seq);
            let (_, shown) = places.entry(place).or_insert((0, text.clone()));
            prop_assert_eq!(&*shown, text, "line {} is another one", seq);
        }
        // Nothing of it depends on being opened once.
        let (stream, next) = (bench.console.stream(), bench.console.next_seq());
        let position = bench.writer().position();
        Tape::hold(
            bench
                .writer
                .take()
                .map(|writer| writer.journal.shared.dir.tape.clone()),
        );
        let (writer, console, recovery) = open(&path, "Roost", LIMITS, 0, boot).unwrap();
        Tape::hold(None);
        prop_assert_eq!(recovery.notes, Vec::<String>::new());
        prop_assert_eq!((console.stream(), console.next_seq()), (stream, next));
        prop_assert_eq!(writer.position(), position);
        prop_assert_eq!(&held(&console), &lines);
        (bench.writer, bench.console) = (Some(writer), console);
        let mut world = Self::with(bench);
        world.now = self.now;
        world.written = self.written;
        world.places = places
            .into_iter()
            .map(|(place, (_, text))| (place, (0, text)))
            .collect();
        world.offset = position.map_or(0, |p| p.offset);
        // What came through this cut comes through the next one.
        world.promises.push(Promise {
            synced: lines.keys().next_back().map_or(0, |last| last + 1),
            named: named || !lines.is_empty(),
            ..Promise::default()
        });
        world.handed = lines.into_iter().map(|(seq, text)| (seq, vec![text])).collect();
        Ok(world)
    }
}

/// The next life of the kernel.
fn after(boot: Uuid) -> Uuid {
    Uuid::from_u128(boot.as_u128() + 1)
}

/// In memory, where there is such a place: nothing here depends on a real disk.
fn fast_dir() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

fn write_disk(path: &Path, disk: Option<&Disk>) {
    let Some(disk) = disk else { return };
    std::fs::create_dir(path).unwrap();
    for (name, bytes) in disk {
        std::fs::write(path.join(name), bytes).unwrap();
    }
    assert_eq!(read_disk(path).as_ref(), Some(disk));
}

/// Every line that is held, with its number. Checks that each number comes once and in order.
fn held(console: &Console) -> BTreeMap<u64, Text> {
    let mut reader = console.at(1);
    let (mut lines, mut next) = (BTreeMap::new(), 1);
    loop {
        let history = console.lines(&mut reader, 500).unwrap();
        if history.batches.is_empty() && history.missed.is_none() {
            break;
        }
        next += history.missed.map_or(0, |missed| missed.lines);
        for batch in history.batches {
            for line in batch.lines() {
                assert_eq!(line.seq, next);
                next += 1;
                lines.insert(line.seq, (batch.source(), line.time, line.text().into_owned()));
            }
        }
    }
    assert_eq!(next, console.next_seq());
    lines
}

/// Numbers that look random, from a seed.
fn chances(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |below| {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % below.max(1) as u64) as usize
    }
}

fn cases() -> u32 {
    match std::env::var_os("ROOST_TEST_LONG") {
        Some(_) => 20_000,
        None => 400,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Lives that end by a power cut, three in a row. What was synced is there with its number, nothing is there twice,
    /// in another order, or was never written; numbers and the stream's id go on, and what viewers know as a place stays
    /// that line's.
    #[test]
    fn a_power_cut_takes_what_was_not_synced_and_nothing_else(
        lives in proptest::collection::vec((proptest::collection::vec(step(), 1..40), any::<u64>()), 1..4),
    ) {
        let mut world = World::new();
        for (steps, seed) in lives {
            for step in &steps {
                world.act(step);
            }
            let mut chance = chances(seed);
            let changes = world.tape.len();
            // Most of what can go wrong is near the end, but not all.
            let cut = match chance(3) {
                0 => chance(changes + 1),
                1 => changes - chance(changes.min(6) + 1),
                _ => changes,
            };
            world = match chance(8) {
                0 => world.cut(cut, &mut |_| 0)?,
                _ => world.cut(cut, &mut chance)?,
            };
        }
    }
}
