//! Journals as nodes left them, and what a disk can make of them: each opens, shows no line that was never written, counts
//! what is missing, opens the same way again, and is written on.

use super::segment;
use crate::{Console, Limits, Writer};
use roost_wire::node_api::Source;
use std::{collections::HashSet, io, path::Path, sync::Arc};

const LIMITS: Limits = Limits {
    journal_bytes: 1 << 30,
    journal_age: 0,
    disk_free_percent: 0,
    ring_bytes: 4096,
};

type Text = (u64, Source, Vec<u8>);

/// Opens a journal of this one file.
fn opened(dir: &Path, file: &[u8]) -> io::Result<(Writer, Arc<Console>)> {
    let journal = dir.join("journal");
    std::fs::create_dir(&journal)?;
    let first = file.get(32..40).map_or(1, |bytes| segment::u64_at(bytes, 0));
    let ending = match file.get(9) {
        Some(1) => "zlog",
        _ => "log",
    };
    std::fs::write(journal.join(format!("{first:020}.{ending}")), file)?;
    let (writer, console, _) = crate::open(&journal, "Roost", LIMITS, 0)?;
    Ok((writer, console))
}

/// Every line, and how many are missing.
fn lines(console: &Console) -> (Vec<Text>, u64) {
    let (mut seen, mut missed, mut cursor) = (Vec::new(), 0, console.at(1));
    let mut next = 1;
    loop {
        let history = console.lines(&mut cursor, 1000).unwrap();
        let gap = history.missed.map_or(0, |m| m.lines);
        (missed, next) = (missed + gap, next + gap);
        if gap == 0 && history.batches.is_empty() {
            return (seen, missed);
        }
        for batch in history.batches {
            // The first batch may begin before the cursor.
            let from = next;
            for line in batch.lines().filter(|line| line.seq >= from) {
                assert_eq!(line.seq, next, "every number once and in order");
                next += 1;
                seen.push((line.seq, batch.source(), line.bytes.to_vec()));
            }
        }
    }
}

fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

#[test]
fn fuzz_journal() {
    let home = env!("CARGO_MANIFEST_DIR");
    let mut written: HashSet<Text> = HashSet::new();
    for seed in std::fs::read_dir(format!("{home}/fuzz/journal")).unwrap() {
        let path = seed.unwrap().path();
        if path.extension().is_some_and(|e| e == "log" || e == "zlog") {
            let dir = scratch();
            let (_writer, console) = opened(dir.path(), &std::fs::read(path).unwrap()).unwrap();
            written.extend(lines(&console).0);
        }
    }
    assert!(written.len() > 50, "the recorded journals are read");
    roost_fuzz::run(home, "journal", &[b"ROOSTLOG", b"ROOSTEND"], |input| {
        let dir = scratch();
        let (mut writer, console) = match opened(dir.path(), input) {
            Ok(opened) => opened,
            Err(e) => {
                assert_eq!(e.kind(), io::ErrorKind::Unsupported, "{e}");
                return 1;
            }
        };
        let (before, missed) = lines(&console);
        assert!(
            before.iter().all(|line| written.contains(line)),
            "a line that was never written"
        );
        assert_eq!(before.len() as u64 + missed + 1, console.next_seq());
        writer.notice(Source::Daemon, "after", 1).unwrap();
        drop(writer);

        let (_writer, again, _) = crate::open(&dir.path().join("journal"), "Roost", LIMITS, 0).unwrap();
        let (mut after, missed_again) = lines(&again);
        let last = after.pop().unwrap();
        assert_eq!(last.2, b"after");
        assert_eq!(
            (after, missed_again),
            (before.clone(), missed),
            "opened twice, read twice"
        );
        roost_fuzz::signature((before.len(), missed.min(99), again.stream() == console.stream()))
    });
}
