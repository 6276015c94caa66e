//! The queue file: one JSON row a line, appended; how much of it the panel has taken stands in a second file.
//!
//! ```text
//!   activity.queue   [taken ......|waiting ..............|
//!   activity.taken    bytes ──────^                      ^ the next row
//! ```
//!
//! When and to whom rows are sent is left to `ship`.

use roost_wire::{clock::parse_rfc3339, remote::Activity};
use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{FileExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

/// Taken bytes at the front of the file that are worth a rewrite.
const COMPACT_AT: u64 = 4 << 20;
/// The longest row read back, in bytes; a command has at most 4 KiB.
const ROW_MAX: usize = 64 << 10;

/// Rows that wait, oldest first.
#[derive(Debug)]
pub(super) struct Queue {
    path: PathBuf,
    file: File,
    end: u64,
    taken: u64,
    max: u64,
}

/// Rows, and where the file goes on behind them.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) rows: Vec<Activity>,
    pub(super) upto: u64,
}

impl Queue {
    /// Opens or makes the file. A row that was cut by a power failure is taken off.
    pub(super) fn open(path: &Path, max: u64) -> io::Result<Self> {
        let file = open_private(path)?;
        let len = file.metadata()?.len();
        let taken = match std::fs::read_to_string(taken_path(path)) {
            Ok(text) => text.trim().parse().unwrap_or(0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => 0,
            Err(e) => return Err(e),
        };
        let end = last_line_end(&file, len)?;
        if end < len {
            file.set_len(end)?;
        }
        let queue = Self {
            path: path.to_owned(),
            file,
            end,
            // A rewrite that was cut off between its two files leaves a mark past the end: send all again.
            taken: if taken <= end { taken } else { 0 },
            max,
        };
        Ok(queue)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.taken >= self.end
    }

    pub(super) fn waiting_bytes(&self) -> u64 {
        self.end.saturating_sub(self.taken)
    }

    /// Appends a row; it is in the file when this returns.
    pub(super) fn push(&mut self, row: &Activity) -> io::Result<()> {
        let mut line = serde_json::to_vec(row)?;
        line.push(b'\n');
        if self.end - self.taken + line.len() as u64 > self.max {
            self.drop_oldest(row)?;
        }
        self.append(&line)
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all_at(line, self.end) {
            // A disk that is full may have taken a part.
            self.file.set_len(self.end)?;
            return Err(error);
        }
        self.end += line.len() as u64;
        Ok(())
    }

    /// The oldest `most` rows. A line that is no row is skipped.
    pub(super) fn peek(&self, most: usize) -> io::Result<Batch> {
        let mut rows = Vec::new();
        let mut upto = self.taken;
        while rows.len() < most && upto < self.end {
            let (line, next) = self.line_at(upto)?;
            match serde_json::from_slice(&line) {
                Ok(row) => rows.push(row),
                Err(error) => {
                    tracing::warn!(%error, offset = upto, "an audit row on disk is damaged and was skipped");
                }
            }
            upto = next;
        }
        Ok(Batch { rows, upto })
    }

    fn line_at(&self, offset: u64) -> io::Result<(Vec<u8>, u64)> {
        let mut line = Vec::new();
        let mut at = offset;
        loop {
            let mut piece = [0; 2048];
            let want = piece
                .len()
                .min(usize::try_from(self.end - at).unwrap_or(usize::MAX));
            let got = self.file.read_at(&mut piece[..want], at)?;
            if got == 0 {
                return Ok((line, self.end));
            }
            if let Some(i) = memchr::memchr(b'\n', &piece[..got]) {
                line.extend_from_slice(&piece[..i]);
                return Ok((line, at + i as u64 + 1));
            }
            if line.len() < ROW_MAX {
                line.extend_from_slice(&piece[..got]);
            }
            at += got as u64;
        }
    }

    /// Everything before `upto` was taken, and is not sent again.
    pub(super) fn advance(&mut self, upto: u64) -> io::Result<()> {
        self.taken = self.taken.max(upto.min(self.end));
        if self.taken == self.end {
            // The mark first: an empty file with an old mark is only seen as "send all again", of nothing.
            self.file.set_len(0)?;
            (self.end, self.taken) = (0, 0);
        } else if self.taken > COMPACT_AT && self.taken > self.end / 2 {
            return self.rewrite(&[]);
        }
        self.mark()
    }

    fn mark(&self) -> io::Result<()> {
        crate::config::replace_file(&taken_path(&self.path), self.taken.to_string().as_bytes())
    }

    /// Makes room by an eighth of the bound, and leaves a row in the place of those that go.
    fn drop_oldest(&mut self, newest: &Activity) -> io::Result<()> {
        let goal = self.taken + self.max / 8;
        let mut dropped: u64 = 0;
        while self.taken < goal && self.taken < self.end {
            self.taken = self.line_at(self.taken)?.1;
            dropped += 1;
        }
        tracing::error!(
            rows = dropped,
            "the panel has been away for so long that the oldest audit rows were dropped"
        );
        let mut metadata = serde_json::Map::new();
        metadata.insert("rows".to_owned(), dropped.into());
        let notice = Activity {
            user: None,
            event: "server:audit.dropped".to_owned(),
            metadata: Some(metadata),
            ip: None,
            id: Some(super::row_id(parse_rfc3339(&newest.timestamp).unwrap_or(0))),
            ..newest.clone()
        };
        let mut line = serde_json::to_vec(&notice)?;
        line.push(b'\n');
        self.rewrite(&line)
    }

    /// A new file with `first` and what still waits.
    fn rewrite(&mut self, first: &[u8]) -> io::Result<()> {
        let mut name = self.path.as_os_str().to_owned();
        name.push(".new");
        let new_path = PathBuf::from(name);
        match std::fs::remove_file(&new_path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut new = open_private(&new_path)?;
        new.write_all(first)?;
        let mut at = self.taken;
        let mut piece = vec![0; 256 << 10];
        while at < self.end {
            let want = piece
                .len()
                .min(usize::try_from(self.end - at).unwrap_or(usize::MAX));
            let got = self.file.read_at(&mut piece[..want], at)?;
            if got == 0 {
                break;
            }
            new.write_all(&piece[..got])?;
            at += got as u64;
        }
        new.sync_data()?;
        let end = new.metadata()?.len();
        // The mark goes to the start before the file is exchanged: killed in between, rows are sent twice, and the
        // panel takes each once.
        self.taken = 0;
        self.mark()?;
        std::fs::rename(&new_path, &self.path)?;
        self.file = new;
        self.end = end;
        Ok(())
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

fn taken_path(path: &Path) -> PathBuf {
    path.with_extension("taken")
}

/// The offset behind the last line end.
fn last_line_end(file: &File, len: u64) -> io::Result<u64> {
    let mut end = len;
    let mut piece = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(piece.len() as u64);
        let want = usize::try_from(end - start).unwrap_or(piece.len());
        file.read_exact_at(&mut piece[..want], start)?;
        if let Some(i) = memchr::memrchr(b'\n', &piece[..want]) {
            return Ok(start + i as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn row(n: u128) -> Activity {
        Activity {
            id: Some(Uuid::from_u128(n)),
            user: None,
            server: Uuid::from_u128(7),
            event: "server:console.command".to_owned(),
            metadata: None,
            ip: None,
            timestamp: "2026-11-24T08:20:00.000Z".to_owned(),
        }
    }

    fn ids(batch: &Batch) -> Vec<u128> {
        batch
            .rows
            .iter()
            .filter_map(|r| r.id.map(|id| id.as_u128()))
            .collect()
    }

    #[test]
    fn rows_wait_in_order_over_a_restart_until_they_are_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("activity.queue");
        let mut queue = Queue::open(&path, 1 << 20).unwrap();
        for n in 1..=5 {
            queue.push(&row(n)).unwrap();
        }
        let first = queue.peek(2).unwrap();
        assert_eq!(ids(&first), [1, 2]);
        queue.advance(first.upto).unwrap();
        drop(queue); // As a kill would: nothing is flushed at the end.

        let mut queue = Queue::open(&path, 1 << 20).unwrap();
        let rest = queue.peek(100).unwrap();
        assert_eq!(ids(&rest), [3, 4, 5]);
        queue.push(&row(6)).unwrap();
        queue.advance(rest.upto).unwrap();
        let last = queue.peek(100).unwrap();
        assert_eq!(ids(&last), [6]);
        queue.advance(last.upto).unwrap();
        assert!(queue.is_empty());
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 0, "drained means empty");
        queue.push(&row(7)).unwrap();
        drop(queue);
        assert_eq!(ids(&Queue::open(&path, 1 << 20).unwrap().peek(9).unwrap()), [7]);
    }

    #[test]
    fn a_row_cut_by_a_power_failure_is_taken_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("activity.queue");
        let mut queue = Queue::open(&path, 1 << 20).unwrap();
        queue.push(&row(1)).unwrap();
        let end = queue.end;
        queue.file.write_all_at(b"{\"id\":\"00", end).unwrap();
        drop(queue);
        let mut queue = Queue::open(&path, 1 << 20).unwrap();
        queue.push(&row(2)).unwrap();
        assert_eq!(ids(&queue.peek(9).unwrap()), [1, 2]);
    }

    #[test]
    fn past_the_bound_the_oldest_go_and_a_row_counts_them() {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = Queue::open(&dir.path().join("activity.queue"), 8 << 10).unwrap();
        let many = 200;
        for n in 1..=many {
            queue.push(&row(n)).unwrap();
        }
        assert!(queue.end <= 8 << 10);
        let rows = queue.peek(1000).unwrap().rows;
        let dropped: u64 = rows
            .iter()
            .filter(|r| r.event == "server:audit.dropped")
            .map(|r| r.metadata.as_ref().unwrap()["rows"].as_u64().unwrap())
            .sum();
        assert!(dropped > 0);
        assert_eq!(rows.last().unwrap().id, Some(Uuid::from_u128(many)));
    }
}
