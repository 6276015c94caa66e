//! Opens a journal as it was left: by a clean end, by SIGKILL, by a power cut, by a bad disk.
//!
//! The last segment is walked through. What follows its last whole record was not written to the end, and is cut off.
//! Where the disk is full, what would have to be made is left until there is room. Damage anywhere else becomes a gap that the numbers tell. No number is used twice. Nothing is removed but drafts and
//! what never became a segment; a file whose header is damaged is put aside as `*.damaged`.

use super::{
    DRAFT, Journal, Segment, Shared, compress, create_segment, epoch, file_name,
    files::{Dir, LogFile, is_full},
    frames::Table,
    fresh_salt,
    index::Index,
    retention,
    scan::Scanner,
    segment::{self, BadHeader, Form, HEADER_LEN, Header, Kind},
    sync,
};
use roost_wire::{clock::Millis, node_api::Source};
use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, RwLock, atomic::AtomicBool},
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

/// Opens the journal in `path`, or makes it, in the kernel's life `boot`.
pub(crate) fn open(path: &Path, segment_bytes: u64, boot: Uuid) -> io::Result<Opened> {
    let dir = Dir::open(path)?;
    dir.remove(DRAFT)?;
    dir.remove(compress::DRAFT)?;
    dir.remove(epoch::DRAFT)?;
    let mut notes = Vec::new();
    let Kept {
        mut headers,
        floor,
        aside,
    } = keep_good(&dir, &mut notes)?;

    let stream = headers.last().map_or_else(Uuid::new_v4, |h| h.stream);
    let last = headers.pop();
    let mut segments: Vec<Arc<Segment>> = Vec::new();
    for (at, header) in headers.iter().enumerate() {
        let next = headers.get(at + 1).or(last.as_ref()).unwrap_or(header);
        let len = dir.read(&file_name(header.first_seq, header.form))?.len()?;
        let segment = Segment::new(*header, len, next.first_seq, None);
        segments.push(Arc::new(segment));
    }

    let (mut run, mut open, mut next_seq, mut active) = (None, false, floor.max(1), None);
    let mut before = (Millis::MIN, Millis::MAX);
    let mut run_first_seq = next_seq;
    if let Some(header) = last {
        let file = dir.write(&file_name(header.first_seq, header.form))?;
        let len = file.len()?;
        let walk = walk(&dir, &header, len)?;
        (run, open, run_first_seq) = (walk.run, walk.open, walk.run_first_seq);
        if walk.lost > 0 {
            notes.push(format!(
                "{} lines of this console's history were damaged on the disk and are lost.",
                walk.lost
            ));
        }
        // Compressed, it is what it was made to be; the one that was active is gone.
        let is_plain = header.form == Form::Plain;
        if is_plain && len > walk.end {
            file.truncate(walk.end)?;
            notes.push(format!(
                "The last {} bytes of this console's history were not written completely and were cut off.",
                len - walk.end
            ));
        }
        before = walk.index.times();
        // Damage is behind a closed segment, so that it is said once.
        let is_last = is_plain && floor <= walk.next_seq && walk.lost == 0;
        next_seq = floor.max(walk.next_seq);
        if floor > walk.next_seq {
            notes.push(format!(
                "{} lines of this console's history could not be read any more.",
                floor - walk.next_seq
            ));
        }
        let (len, index) = match header.form {
            Form::Plain => (walk.end, Some(walk.index)),
            Form::Frames => (len, None),
        };
        let segment = Segment::new(header, len, next_seq, index);
        segments.push(Arc::new(segment));
        active = is_last.then_some(file);
    }

    let file = match active {
        Some(file) => Some(file),
        None => {
            let header = Header {
                form: Form::Plain,
                salt: fresh_salt(),
                stream,
                first_seq: next_seq,
                run,
                open,
                before,
            };
            let (file, len) = match create_segment(&dir, &header, false) {
                Err(e) if is_full(&e) => {
                    // Nothing else on the disk knows which numbers its lines had.
                    if let Some(name) = aside {
                        dir.rename(&format!("{name}{DAMAGED}"), &name)?;
                    }
                    (None, 0)
                }
                file => (Some(file?), HEADER_LEN as u64),
            };
            let index = Some(Index::default());
            segments.push(Arc::new(Segment::new(header, len, next_seq, index)));
            file
        }
    };
    let found = epoch::Found::read(&dir)?;
    let epoch = found.opened(boot, stream, Uuid::new_v4());
    let mut epoch_due = found != epoch::Found::Epoch(epoch);
    if epoch_due {
        match epoch.write(&dir, true) {
            Err(e) if is_full(&e) => {}
            written => epoch_due = written.map(|()| false)?,
        }
    }
    let Some((active, closed)) = segments.split_last() else {
        return Err(io::Error::other("a journal without a segment"));
    };
    let (active, unsynced) = (Arc::clone(active), sync::Unsynced::after_open(closed));
    let shared = Shared {
        dir,
        stream,
        epoch,
        segments: RwLock::new(Arc::new(segments)),
        sync_everything: AtomicBool::new(false),
        syncs: sync::Syncs::default(),
        upkeep: Mutex::new(()),
        hurry: AtomicBool::new(false),
    };
    Ok(Opened {
        journal: Journal {
            shared: Arc::new(shared),
            active,
            file: file.map(Arc::new),
            epoch_due,
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
    /// The last file whose header is damaged; it was put aside.
    aside: Option<String>,
}

fn keep_good(dir: &Dir, notes: &mut Vec<String>) -> io::Result<Kept> {
    let mut names = dir.names()?;
    names.sort_unstable();
    let mut kept = Kept {
        headers: Vec::new(),
        floor: 1,
        aside: None,
    };
    for name in names {
        let Some((first_seq, form)) = segment_of(&name) else {
            continue;
        };
        let file = dir.read(&name)?;
        let len = file.len()?;
        kept.floor = kept.floor.max(first_seq);
        match read_header(&file)? {
            Ok(header) if header.first_seq == first_seq && header.form == form => {
                if form == Form::Frames && !keep_compressed(dir, &file, &header, &mut kept)? {
                    continue;
                }
                // All are of the last one's stream: a file of another was copied here by hand.
                if kept.headers.last().is_some_and(|h| h.stream != header.stream) {
                    for foreign in kept.headers.drain(..) {
                        put_aside(dir, &file_name(foreign.first_seq, foreign.form))?;
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
                kept.floor = kept.floor.max(first_seq + most_lines(&file, form, len)?);
                put_aside(dir, &name)?;
                notes.push(format!(
                    "A part of this console's history is damaged and was put aside as {name}{DAMAGED}."
                ));
                kept.aside = Some(name);
            }
        }
    }
    Ok(kept)
}

/// How many lines a file whose header is damaged can have held.
fn most_lines(file: &LogFile, form: Form, len: u64) -> io::Result<u64> {
    let plain = match form {
        Form::Plain => len - HEADER_LEN as u64,
        Form::Frames => match Table::read(file)? {
            Some(table) => return Ok(table.lines()),
            None => 4 * retention::SEGMENT_MAX,
        },
    };
    Ok(plain / segment::RECORD_LEN as u64)
}

/// The first number and the form that a name tells.
fn segment_of(name: &str) -> Option<(u64, Form)> {
    let (number, form) = match name.strip_suffix(".zlog") {
        Some(number) => (number, Form::Frames),
        None => (name.strip_suffix(".log")?, Form::Plain),
    };
    (number.len() == 20).then_some(())?;
    Some((number.parse().ok()?, form))
}

/// Decides on a compressed file, which may have its original beside it still. Says whether it is to be kept.
fn keep_compressed(dir: &Dir, file: &LogFile, header: &Header, kept: &mut Kept) -> io::Result<bool> {
    let table = Table::read(file)?;
    if let Some(table) = &table {
        kept.floor = kept.floor.max(table.end_seq);
    }
    let Some(original) = kept.headers.pop_if(|h| h.first_seq == header.first_seq) else {
        return Ok(true);
    };
    if table.is_some() && original.stream == header.stream {
        // Its bytes were safe before it got its name; the name is, before the other goes.
        dir.sync()?;
        dir.remove(&file_name(original.first_seq, original.form))?;
        return Ok(true);
    }
    kept.headers.push(original);
    dir.remove(&file_name(header.first_seq, header.form))?;
    Ok(false)
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

fn walk(dir: &Dir, header: &Header, len: u64) -> io::Result<Walk> {
    let mut walk = Walk {
        run: header.run,
        open: header.open,
        run_first_seq: header.first_seq,
        end: HEADER_LEN as u64,
        next_seq: header.first_seq,
        lost: 0,
        index: Index::default(),
    };
    let file = dir.read(&file_name(header.first_seq, header.form))?;
    let mut scanner = match header.form {
        Form::Plain => Scanner::plain(file, header.salt, walk.end, len, header.first_seq),
        Form::Frames => {
            let table = Table::read(&file)?.map_or_else(|| Table::rebuild(&file, header.salt, 0), Ok)?;
            let frames = table.frames.into();
            Scanner::frames(file, header.salt, frames, walk.end, header.first_seq)
        }
    };
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
            *run = Some((segment::run_of(bytes), meta.offset));
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
