//! What happened to a journal's files, change by change, and the disks that a power cut could leave behind.
//!
//! ```text
//!   create a │ write a │ sync a │ rename a b │ write b │ sync dir │ write b ║ cut
//!              └─ there for sure ─┘  └──── there for sure ────┘     └ whole, in parts, or not at all
//! ```
//!
//! Sure is what was synced: bytes by their file's sync, names by the directory's. Of the bytes that were not, any part
//! may be there, in any order, and the file may be as long as if all were, with zeros where they are not. Of the names,
//! any part of the changes, in their order. That is more than a journaling file system would do to us.

use crate::journal::lock;
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::Path,
    sync::{Arc, Mutex},
};

/// A file, whatever its name is.
pub(crate) type FileId = usize;

/// One change, or a sync.
#[derive(Debug, Clone)]
pub(crate) enum Op {
    MakeDir,
    Create(String),
    Rename(String, String),
    Remove(String),
    SyncDir,
    SyncParent,
    Write(FileId, u64, Vec<u8>),
    Truncate(FileId, u64),
    SyncFile(FileId),
}

/// Files by name.
pub(crate) type Disk = BTreeMap<String, Vec<u8>>;

#[derive(Debug, Default)]
struct Roll {
    /// What there was at first; `None` if there was no directory.
    base: Option<Disk>,
    ops: Vec<Op>,
    /// As the running system sees it. Files of the base are numbered in the order of their names.
    names: BTreeMap<String, FileId>,
    files: usize,
    /// So many bytes can still be written.
    left: Option<u64>,
    /// The error of what is more; `None` for a disk that is full.
    refusal: Option<io::ErrorKind>,
}

/// Shared by a directory and its files.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tape(Arc<Mutex<Roll>>);

thread_local! {
    static HELD: RefCell<Option<Tape>> = const { RefCell::new(None) };
}

impl Tape {
    /// For a directory that is opened now: the tape that this thread holds, or a fresh one.
    pub(super) fn of(path: &Path) -> Self {
        HELD.with_borrow(Clone::clone)
            .unwrap_or_else(|| Self::fresh(path))
    }

    fn fresh(path: &Path) -> Self {
        let base = read_disk(path);
        let names = base.iter().flatten().map(|(name, _)| name.clone());
        let names: BTreeMap<_, _> = names.zip(0..).collect();
        Self(Arc::new(Mutex::new(Roll {
            files: names.len(),
            names,
            base,
            ..Roll::default()
        })))
    }

    /// Directories that this thread opens from now on go on with this tape.
    pub(crate) fn hold(tape: Option<Self>) {
        HELD.set(tape);
    }

    pub(super) fn note(&self, op: Op) {
        let mut roll = lock(&self.0);
        match &op {
            Op::Create(name) => {
                let file = roll.files;
                roll.files += 1;
                roll.names.insert(name.clone(), file);
            }
            Op::Rename(from, to) => {
                if let Some(file) = roll.names.remove(from) {
                    roll.names.insert(to.clone(), file);
                }
            }
            Op::Remove(name) => {
                roll.names.remove(name);
            }
            _ => {}
        }
        roll.ops.push(op);
    }

    /// `usize::MAX` for a file that came here by other ways than ours.
    pub(super) fn spool(&self, name: &str) -> Spool {
        let file = lock(&self.0).names.get(name).copied();
        Spool {
            tape: self.clone(),
            file: file.unwrap_or(usize::MAX),
        }
    }

    /// The disk is full after so many more bytes.
    pub(crate) fn set_left(&self, left: Option<u64>) {
        lock(&self.0).left = left;
    }

    /// What can't be written is refused with this.
    pub(crate) fn set_refusal(&self, refusal: io::ErrorKind) {
        lock(&self.0).refusal = Some(refusal);
    }

    /// How many changes and syncs there were.
    pub(crate) fn len(&self) -> usize {
        lock(&self.0).ops.len()
    }

    /// A disk after a power cut behind the first `cut` of them; `None` if not even the directory is there. `chance`
    /// gives a number below its argument; where it always gives 0, nothing more than what was synced is there.
    pub(crate) fn disk_after(&self, cut: usize, chance: &mut dyn FnMut(usize) -> usize) -> Option<Disk> {
        let roll = lock(&self.0);
        let ops = &roll.ops[..cut];
        let last = |sync: fn(&Op) -> bool| ops.iter().rposition(sync).map_or(0, |at| at + 1);
        let dir_is_there = roll.base.is_some()
            || last(|op| matches!(op, Op::SyncParent)) > 0
            || (ops.iter().any(|op| matches!(op, Op::MakeDir)) && chance(2) == 1);
        if !dir_is_there {
            return None;
        }
        let names_synced = last(|op| matches!(op, Op::SyncDir));
        let base: Vec<_> = roll.base.iter().flatten().collect();
        let mut names: BTreeMap<&str, FileId> = base.iter().map(|(name, _)| name.as_str()).zip(0..).collect();
        // What the running system sees, to know which file each change is about.
        let mut seen = names.clone();
        let mut files = base.len();
        for (at, op) in ops.iter().enumerate() {
            let happens = at < names_synced || chance(2) == 1;
            let (gone, come) = match op {
                Op::Create(name) => {
                    files += 1;
                    (None, Some((name.as_str(), files - 1)))
                }
                Op::Rename(from, to) => {
                    let file = seen[from.as_str()];
                    (Some((from.as_str(), file)), Some((to.as_str(), file)))
                }
                Op::Remove(name) => (Some((name.as_str(), seen[name.as_str()])), None),
                _ => continue,
            };
            for names in [Some(&mut seen), happens.then_some(&mut names)]
                .into_iter()
                .flatten()
            {
                if let Some((name, file)) = gone
                    && names.get(name) == Some(&file)
                {
                    names.remove(name);
                }
                names.extend(come);
            }
        }
        let disk = names.into_iter().map(|(name, file)| {
            let before = base.get(file).map(|(_, bytes)| (*bytes).clone());
            (
                name.to_owned(),
                bytes_after(ops, file, before.unwrap_or_default(), chance),
            )
        });
        Some(disk.collect())
    }
}

/// A file's bytes after a power cut.
fn bytes_after(
    ops: &[Op],
    file: FileId,
    mut bytes: Vec<u8>,
    chance: &mut dyn FnMut(usize) -> usize,
) -> Vec<u8> {
    let synced = ops
        .iter()
        .rposition(|op| matches!(op, Op::SyncFile(f) if *f == file));
    let mut longest = 0;
    for (at, op) in ops.iter().enumerate() {
        let is_sure = synced.is_some_and(|synced| at < synced);
        match op {
            Op::Write(f, pos, written) if *f == file => {
                let (from, to) = match is_sure {
                    true => (0, written.len()),
                    false => torn(written.len(), chance),
                };
                let pos = *pos as usize;
                longest = longest.max(pos + written.len());
                if from < to {
                    bytes.resize(bytes.len().max(pos + to), 0);
                    bytes[pos + from..pos + to].copy_from_slice(&written[from..to]);
                }
            }
            Op::Truncate(f, len) if *f == file && (is_sure || chance(2) == 1) => {
                bytes.resize(*len as usize, 0);
                longest = longest.min(bytes.len());
            }
            _ => {}
        }
    }
    if longest > bytes.len() && chance(3) == 1 {
        bytes.resize(bytes.len() + chance(longest - bytes.len() + 1), 0);
    }
    bytes
}

/// Which part of a write of `len` bytes is there.
fn torn(len: usize, chance: &mut dyn FnMut(usize) -> usize) -> (usize, usize) {
    match chance(6) {
        0 | 1 => (0, 0),
        2 => (0, chance(len + 1)),
        3 => (chance(len + 1), len),
        _ => (0, len),
    }
}

/// The files of a directory.
pub(crate) fn read_disk(path: &Path) -> Option<Disk> {
    let mut disk = Disk::new();
    for entry in std::fs::read_dir(path).ok()? {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            disk.insert(
                entry.file_name().into_string().unwrap(),
                std::fs::read(entry.path()).unwrap(),
            );
        }
    }
    Some(disk)
}

/// A file's end of the tape.
#[derive(Debug)]
pub(super) struct Spool {
    tape: Tape,
    file: FileId,
}

impl Spool {
    pub(super) fn note(&self, op: impl FnOnce(FileId) -> Op) {
        self.tape.note(op(self.file));
    }

    /// As much as the disk has room for.
    pub(super) fn write(&self, file: &File, bytes: &[u8], pos: u64) -> io::Result<()> {
        let fits = {
            let mut roll = lock(&self.tape.0);
            let fits = roll
                .left
                .map_or(bytes.len(), |left| bytes.len().min(left as usize));
            roll.left = roll.left.map(|left| left - fits as u64);
            fits
        };
        file.write_all_at(&bytes[..fits], pos)?;
        self.note(|file| Op::Write(file, pos, bytes[..fits].to_vec()));
        match fits == bytes.len() {
            true => Ok(()),
            false => {
                let refusal = lock(&self.tape.0).refusal;
                Err(refusal.unwrap_or(io::ErrorKind::StorageFull).into())
            }
        }
    }
}
