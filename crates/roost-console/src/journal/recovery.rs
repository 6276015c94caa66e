//! Opens a journal as it was left: by a clean end, by SIGKILL, by a power cut, by a bad disk.
//!
//! The last segment is walked through. What follows its last whole record was not written to the end, and is cut off.
//! Damage anywhere else becomes a gap that the numbers tell. No number is used twice. Nothing is removed but drafts and
//! what never became a segment; a file whose header is damaged is put aside as `*.damaged`.

use super::{
    DRAFT, Journal, Segment, Shared, create_segment, file_name,
    files::{Dir, LogFile},
    fresh_salt,
    index::Index,
    scan::Scanner,
    segment::{self, BadHeader, HEADER_LEN, Header, Kind},
    sync,
};
use roost_wire::{clock::Millis, node_api::Source};
use std::{
    io,
    path::Path,
    sync::{Arc, RwLock, atomic::AtomicBool},
};
use uuid::Uuid;

/// The end of the name of a file that was put aside.
pub(super) const DAMAGED: &str = ".damaged";

/// A journal and the state that its last record left.
pub(crate) struct Opened {
    pub(crate) journal: Journal,
    pub(crate) run: Option<(Uuid, u64)>,
    /// The last line of output had not ended.
    pub(crate) open: bool,
    /// The first line of the run that is still in the last segment.
    pub(crate) run_first_seq: u64,
    /// For people.
    pub(crate) notes: Vec<String>,
}

/// What the walk over the last segment found.
struct Walk {
    run: Option<(Uuid, u64)>,
    open: bool,
    run_first_seq: u64,
    /// Behind the last whole record.
    end: u64,
    next_seq: u64,
    lost: u64,
    index: Index,
}

/// Opens the journal in `path`, or makes it.
pub(crate) fn open(path: &Path, segment_bytes: u64) -> io::Result<Opened> {
    let dir = Dir::open(path)?;
    dir.remove(DRAFT)?;
    let mut notes = Vec::new();
    let Kept { mut headers, floor } = keep_good(&dir, &mut notes)?;

    let stream = headers.last().map_or_else(Uuid::new_v4, |h| h.stream);
    let last = headers.pop();
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    for (at, header) in headers.iter().enumerate() {
        let next = headers.get(at + 1).or(last.as_ref()).unwrap_or(header);
        let len = dir.read(&file_name(header.first_seq))?.len()?;
        let segment = Segment::new(*header, len, next.first_seq, None);
        segments.push(Arc::new(segment));
    }

    let (mut run, mut open, mut next_seq, mut active) = (None, false, floor.max(1), None);
    let mut before = (Millis::MIN, Millis::MAX);
    let mut run_first_seq = next_seq;
    if let Some(header) = last {
        let file = dir.write(&file_name(header.first_seq))?;
        let len = file.len()?;
        let walk = walk(&file, &header, len)?;
        (run, open, run_first_seq) = (walk.run, walk.open, walk.run_first_seq);
        if walk.lost > 0 {
            notes.push(format!(
                "{} lines of this console's history were damaged on the disk and are lost.",
                walk.lost
            ));
        }
        if len > walk.end {
            file.truncate(walk.end)?;
            notes.push(format!(
                "The last {} bytes of this console's history were not written completely and were cut off.",
                len - walk.end
            ));
        }
        before = walk.index.times();
        // Damage is behind a closed segment, so that it is said once.
        let is_last = floor <= walk.next_seq && walk.lost == 0;
        next_seq = floor.max(walk.next_seq);
        if floor > walk.next_seq {
            notes.push(format!(
                "{} lines of this console's history could not be read any more.",
                floor - walk.next_seq
            ));
        }
        let segment = Segment::new(header, walk.end, next_seq, Some(walk.index));
        segments.push(Arc::new(segment));
        active = is_last.then_some(file);
    }

    let file = match active {
        Some(file) => file,
        None => {
            let header = Header {
                salt: fresh_salt(),
                stream,
                first_seq: next_seq,
                run,
                open,
                before,
            };
            let file = create_segment(&dir, &header, false)?;
            let index = Some(Index::default());
            segments.push(Arc::new(Segment::new(header, HEADER_LEN as u64, next_seq, index)));
            file
        }
    };
    let Some((active, closed)) = segments.split_last() else {
        return Err(io::Error::other("a journal without a segment"));
    };
    let (active, unsynced) = (Arc::clone(active), sync::Unsynced::after_open(closed));
    let shared = Shared {
        dir,
        stream,
        segments: RwLock::new(Arc::new(segments)),
        sync_everything: AtomicBool::new(false),
    };
    Ok(Opened {
        journal: Journal {
            shared: Arc::new(shared),
            active,
            file: Arc::new(file),
            spoiled: false,
            unsynced,
            segment_bytes,
        },
        run,
        open,
        run_first_seq,
        notes,
    })
}

/// The segments that can be used.
struct Kept {
    /// Oldest first.
    headers: Vec<Header>,
    /// No line below this number may be written again.
    floor: u64,
}

fn keep_good(dir: &Dir, notes: &mut Vec<String>) -> io::Result<Kept> {
    let mut names = dir.names()?;
    names.sort_unstable();
    let mut kept = Kept {
        headers: Vec::new(),
        floor: 1,
    };
    for name in names {
        let Some(first_seq) = name.strip_suffix(".log").filter(|n| n.len() == 20) else {
            continue;
        };
        let Ok(first_seq) = first_seq.parse::<u64>() else {
            continue;
        };
        let file = dir.read(&name)?;
        let len = file.len()?;
        kept.floor = kept.floor.max(first_seq);
        match read_header(&file)? {
            Ok(header) if header.first_seq == first_seq => {
                // All are of the last one's stream: a file of another was copied here by hand.
                if kept.headers.last().is_some_and(|h| h.stream != header.stream) {
                    for foreign in kept.headers.drain(..) {
                        put_aside(dir, &file_name(foreign.first_seq))?;
                    }
                    notes.push("Files of another console's history were put aside.".to_owned());
                }
                kept.headers.push(header);
            }
            Err(BadHeader::Version(version)) => {
                return Err(io::Error::new(
                    io::ErrorKind::Unsupported,
                    format!(
                        "{name} was written by a later version of Roost (format {version}): use that version, or move the file away"
                    ),
                ));
            }
            // The machine went down while it was being made.
            Err(BadHeader::Damaged) if len < HEADER_LEN as u64 => dir.remove(&name)?,
            Ok(_) | Err(BadHeader::Damaged) => {
                // It held at most so many lines, whose numbers must not come again.
                let most = (len - HEADER_LEN as u64) / segment::RECORD_LEN as u64;
                kept.floor = kept.floor.max(first_seq + most);
                put_aside(dir, &name)?;
                notes.push(format!(
                    "A part of this console's history is damaged and was put aside as {name}{DAMAGED}."
                ));
            }
        }
    }
    Ok(kept)
}

/// Keeps the file for people, under a name that is no segment's.
fn put_aside(dir: &Dir, name: &str) -> io::Result<()> {
    // One at most: they count towards no limit.
    for old in dir.names()?.iter().filter(|n| n.ends_with(DAMAGED)) {
        dir.remove(old)?;
    }
    dir.rename(name, &format!("{name}{DAMAGED}"))
}

fn read_header(file: &LogFile) -> io::Result<Result<Header, BadHeader>> {
    let mut bytes = [0; HEADER_LEN];
    let read = file.read_at(&mut bytes, 0)?;
    Ok(Header::decode(&bytes[..read]))
}

fn walk(file: &LogFile, header: &Header, len: u64) -> io::Result<Walk> {
    let mut walk = Walk {
        run: header.run,
        open: header.open,
        run_first_seq: header.first_seq,
        end: HEADER_LEN as u64,
        next_seq: header.first_seq,
        lost: 0,
        index: Index::default(),
    };
    let mut scanner = Scanner::new(file, header.salt, walk.end, len, header.first_seq);
    while let Some(found) = scanner.next()? {
        walk.end = found.pos + found.bytes.len() as u64;
        walk.lost += found.meta.seq.saturating_sub(walk.next_seq);
        walk.next_seq = found.meta.seq;
        step(&mut walk.run, &mut walk.open, found.meta, found.bytes);
        match found.meta.kind {
            Kind::Line { .. } => {
                walk.index.note(found.meta.seq, found.meta.time, found.pos);
                walk.next_seq += 1;
            }
            Kind::Run => walk.run_first_seq = found.meta.seq,
        }
    }
    Ok(walk)
}

/// The state behind a record, from the state in front of it.
pub(super) fn step(run: &mut Option<(Uuid, u64)>, open: &mut bool, meta: segment::Meta, bytes: &[u8]) {
    match meta.kind {
        Kind::Run => {
            *run = Some((segment::run_of(bytes), 0));
            *open = false;
        }
        Kind::Line { source, open: o, .. } => {
            if let Some((_, offset)) = run {
                *offset = meta.offset;
            }
            if source == Source::Output {
                *open = o;
            }
        }
    }
}
