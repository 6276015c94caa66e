//! Writer, journal and ring together: a bench with a kill switch and a reader that counts.

mod compressed;
mod damage;
mod epochs;
mod full;
mod installer;
mod power;
mod properties;
mod retention;
mod stories;
mod syncing;

use super::*;
use crate::journal::{epoch, files::tape::Tape};
use crate::{Cursor, Read};

const LIMITS: Limits = Limits {
    journal_bytes: 1 << 30,
    journal_age: 0,
    disk_free_percent: 0,
    ring_bytes: 4096,
};

struct Bench {
    dir: tempfile::TempDir,
    writer: Option<Writer>,
    console: Arc<Console>,
    notes: Vec<String>,
    /// Which life of the kernel this is.
    boot: Uuid,
}

impl Bench {
    fn new(limits: Limits) -> Self {
        Self::new_in(tempfile::tempdir().unwrap(), limits)
    }

    fn new_in(dir: tempfile::TempDir, limits: Limits) -> Self {
        let path = dir.path().join("journal");
        let (writer, console, recovery) = open(&path, "Roost", limits, 0, BOOT).unwrap();
        assert_eq!(recovery.notes, Vec::<String>::new());
        Self {
            dir,
            writer: Some(writer),
            console,
            notes: Vec::new(),
            boot: BOOT,
        }
    }

    fn path(&self) -> std::path::PathBuf {
        self.dir.path().join("journal")
    }

    /// Those of lines.
    fn files(&self) -> Vec<std::path::PathBuf> {
        let mut files: Vec<_> = std::fs::read_dir(self.path())
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|path| !path.ends_with(epoch::NAME))
            .collect();
        files.sort();
        files
    }

    fn writer(&mut self) -> &mut Writer {
        self.writer.as_mut().unwrap()
    }

    /// As after SIGKILL: nothing is closed, flushed or synced.
    fn kill_and_open(&mut self, limits: Limits) {
        let stream = self.console.stream();
        self.open(limits, 0);
        assert_eq!(self.console.stream(), stream);
    }

    /// The next life of the node, after one that ended anyhow.
    fn open(&mut self, limits: Limits, now: Millis) {
        self.writer = None;
        let (writer, console, recovery) = open(&self.path(), "Roost", limits, now, self.boot).unwrap();
        (self.writer, self.console, self.notes) = (Some(writer), console, recovery.notes);
    }

    /// The same on a disk that is full after so many bytes. [`Self::make_room`] ends it.
    fn open_with_left(&mut self, left: u64, limits: Limits, now: Millis) {
        let tape = self.console.journal.dir.tape.clone();
        tape.set_left(Some(left));
        Tape::hold(Some(tape));
        self.open(limits, now);
        Tape::hold(None);
    }

    fn make_room(&self) {
        self.console.journal.dir.tape.set_left(None);
    }

    /// As when a node ends in order.
    fn close(&mut self) {
        self.writer.take().unwrap().close().run().unwrap();
    }

    /// As the pump does in the end: what has to wait for a sync goes behind it.
    fn enforce_limits(&mut self, now: Millis) -> Option<String> {
        let said = self.writer().enforce_limits(now).unwrap();
        self.writer().sync().unwrap();
        let later = self.writer().enforce_limits(now).unwrap();
        said.or(later)
    }

    /// Compresses all closed segments.
    fn compress(&mut self) {
        while let Some(job) = self.writer().compress_job() {
            job.run().unwrap().unwrap();
        }
    }

    /// Everything that is held, oldest first.
    fn history(&self) -> Vec<(u64, Source, String)> {
        let mut reader = Follower::new(self.console.at(1));
        reader.follow(&self.console, 1 << 20);
        reader.seen
    }
}

/// A reader that checks that its numbers have neither a hole nor a double.
struct Follower {
    cursor: Cursor,
    next: u64,
    missed: u64,
    seen: Vec<(u64, Source, String)>,
}

impl Follower {
    fn new(cursor: Cursor) -> Self {
        Self {
            cursor,
            next: cursor.seq,
            missed: 0,
            seen: Vec::new(),
        }
    }

    /// One step. Says whether there was something.
    fn step(&mut self, console: &Console, max_bytes: usize) -> bool {
        let wanted = self.cursor.seq;
        match console.read(&mut self.cursor, max_bytes) {
            Read::Entries(entries) => {
                for entry in entries {
                    if let Entry::Lines(batch) = entry {
                        self.take(&batch, wanted);
                    }
                }
                true
            }
            Read::Empty | Read::Closed => false,
            Read::Behind => {
                let history = console.history(&mut self.cursor, max_bytes).unwrap();
                if let Some(missed) = history.missed {
                    self.next += missed.lines;
                    self.missed += missed.lines;
                }
                for batch in history.batches {
                    self.take(&batch, 0);
                }
                true
            }
        }
    }

    fn follow(&mut self, console: &Console, max_bytes: usize) {
        while self.step(console, max_bytes) {}
    }

    fn take(&mut self, batch: &Batch, wanted: u64) {
        for line in batch.lines().filter(|line| line.seq >= wanted) {
            assert_eq!(line.seq, self.next, "every number once and in order");
            self.next += 1;
            self.seen
                .push((line.seq, batch.source(), line.text().into_owned()));
        }
    }
}

const RUN: Uuid = Uuid::from_u128(7);
const BOOT: Uuid = Uuid::from_u128(100);

fn texts(seen: &[(u64, Source, String)]) -> Vec<&str> {
    seen.iter().map(|(_, _, text)| text.as_str()).collect()
}
