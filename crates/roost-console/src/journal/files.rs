//! A journal's directory and files: every file is opened relative to it, never through a symbolic link, for its owner
//! only.
//!
//! All that changes the disk goes through here. In tests each change leaves a note on a [`tape::Tape`], from which a
//! power cut at any moment is played; in a release there is no trace of it. What is in the files is not its business.

#[cfg(test)]
pub(crate) mod tape;

use rustix::fs::{AtFlags, Mode, OFlags};
use std::{ffi::OsString, fs::File, io, os::fd::OwnedFd, os::unix::ffi::OsStringExt, path::Path};

const FILE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);
const NEW_FILE: OFlags = FILE.union(OFlags::RDWR).union(OFlags::CREATE).union(OFlags::EXCL);
const DIR: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir {
    fd: OwnedFd,
    #[cfg(test)]
    pub(crate) tape: tape::Tape,
}

impl Dir {
    /// Opens `path`, which is made (mode 0700) if it is missing; its parent must be there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        #[cfg(test)]
        let tape = tape::Tape::of(path);
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) => {
                #[cfg(test)]
                tape.note(tape::Op::MakeDir);
            }
            Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(explain(path, "could not be made", &e.into())),
        }
        let fd = rustix::fs::open(path, DIR.union(OFlags::NOFOLLOW), Mode::empty()).map_err(|e| match e {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => explain(
                path,
                "is a symbolic link or no directory: remove it, or choose another data directory",
                &e.into(),
            ),
            _ => explain(path, "could not be opened", &e.into()),
        })?;
        rustix::fs::fchmod(&fd, Mode::RWXU)
            .map_err(|e| explain(path, "could not be closed to other users", &e.into()))?;
        Ok(Self {
            fd,
            #[cfg(test)]
            tape,
        })
    }

    /// Names of the files in it.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            // Others are none of the journal's.
            names.extend(name.into_string());
        }
        Ok(names)
    }

    /// Makes `name` (mode 0600), which must not exist.
    pub(crate) fn create(&self, name: &str) -> io::Result<LogFile> {
        let mode = Mode::RUSR.union(Mode::WUSR);
        let file = rustix::fs::openat(&self.fd, name, NEW_FILE, mode)?.into();
        #[cfg(test)]
        self.tape.note(tape::Op::Create(name.to_owned()));
        Ok(self.known(name, file))
    }

    /// Opens `name` for reading.
    pub(crate) fn read(&self, name: &str) -> io::Result<LogFile> {
        self.existing(name, OFlags::RDONLY)
    }

    /// Opens `name` for reading and writing.
    pub(crate) fn write(&self, name: &str) -> io::Result<LogFile> {
        self.existing(name, OFlags::RDWR)
    }

    fn existing(&self, name: &str, mode: OFlags) -> io::Result<LogFile> {
        let odd = || {
            let text = format!("{name} in the journal's directory is no plain file: remove it");
            io::Error::new(io::ErrorKind::InvalidInput, text)
        };
        let file: File = match rustix::fs::openat(&self.fd, name, FILE.union(mode), Mode::empty()) {
            Ok(fd) => fd.into(),
            Err(rustix::io::Errno::LOOP) => return Err(odd()),
            Err(e) => return Err(e.into()),
        };
        match file.metadata()?.is_file() {
            true => Ok(self.known(name, file)),
            false => Err(odd()),
        }
    }

    #[cfg_attr(
        not(test),
        expect(unused_variables, clippy::unused_self, reason = "only tests keep track")
    )]
    fn known(&self, name: &str, file: File) -> LogFile {
        LogFile {
            file,
            #[cfg(test)]
            spool: self.tape.spool(name),
        }
    }

    /// Gives a file another name, in one step.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        rustix::fs::renameat(&self.fd, from, &self.fd, to)?;
        #[cfg(test)]
        self.tape.note(tape::Op::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    /// Removes a file; one that is not there is fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) => {
                #[cfg(test)]
                self.tape.note(tape::Op::Remove(name.to_owned()));
                Ok(())
            }
            Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Names last through a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        rustix::fs::fsync(&self.fd)?;
        #[cfg(test)]
        self.tape.note(tape::Op::SyncDir);
        Ok(())
    }

    /// The directory's own name lasts through a power cut.
    pub(crate) fn sync_parent(&self) -> io::Result<()> {
        let parent = rustix::fs::openat(&self.fd, "..", DIR, Mode::empty())?;
        rustix::fs::fsync(parent)?;
        #[cfg(test)]
        self.tape.note(tape::Op::SyncParent);
        Ok(())
    }

    /// How many bytes are missing until `percent` of the disk are free.
    pub(crate) fn missing_free(&self, percent: u8) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.fd)?;
        Ok(missing_of(disk.f_blocks, disk.f_bavail, disk.f_frsize, percent))
    }
}

/// The same for a disk of `blocks`, of which `free` are, each of `block` bytes.
fn missing_of(blocks: u64, free: u64, block: u64, percent: u8) -> u64 {
    let wanted = u128::from(blocks) * u128::from(percent.min(100)) / 100;
    let missing = wanted.saturating_sub(u128::from(free));
    u64::try_from(missing * u128::from(block)).unwrap_or(u64::MAX)
}

/// An open file.
#[derive(Debug)]
pub(crate) struct LogFile {
    file: File,
    #[cfg(test)]
    spool: tape::Spool,
}

impl LogFile {
    /// All of it, or an error: then any part of it may have been written.
    pub(crate) fn write_all_at(&self, bytes: &[u8], pos: u64) -> io::Result<()> {
        #[cfg(test)]
        return self.spool.write(&self.file, bytes, pos);
        #[cfg(not(test))]
        std::os::unix::fs::FileExt::write_all_at(&self.file, bytes, pos)
    }

    /// As much as there is, up to the length of `bytes`.
    pub(crate) fn read_at(&self, bytes: &mut [u8], pos: u64) -> io::Result<usize> {
        let mut have = 0;
        while !bytes[have..].is_empty() {
            let (rest, from) = (&mut bytes[have..], pos + have as u64);
            match rustix::io::retry_on_intr(|| rustix::io::pread(&self.file, &mut *rest, from))? {
                0 => break,
                read => have += read,
            }
        }
        Ok(have)
    }

    pub(crate) fn truncate(&self, len: u64) -> io::Result<()> {
        rustix::fs::ftruncate(&self.file, len)?;
        #[cfg(test)]
        self.spool.note(|file| tape::Op::Truncate(file, len));
        Ok(())
    }

    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Its bytes last through a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        rustix::fs::fdatasync(&self.file)?;
        #[cfg(test)]
        self.spool.note(tape::Op::SyncFile);
        Ok(())
    }
}

/// No room: on the disk, or in the owner's share of it.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// The error with the path, which the kernel leaves out.
fn explain(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} {what} ({error})", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_until_a_part_of_the_disk_is_free() {
        assert_eq!(missing_of(1000, 150, 4096, 15), 0, "just enough");
        assert_eq!(missing_of(1000, 149, 4096, 15), 4096);
        assert_eq!(missing_of(1000, 0, 512, 100), 512_000);
        assert_eq!(missing_of(1000, 0, 512, 255), 512_000, "all of it at most");
        assert_eq!(missing_of(1000, 0, 512, 0), 0);
        assert_eq!(missing_of(u64::MAX, 0, 4096, 100), u64::MAX, "and no overflow");
    }

    #[test]
    fn a_disk_is_full_for_all_or_for_its_owner() {
        for (error, full) in [
            (rustix::io::Errno::NOSPC, true),
            (rustix::io::Errno::DQUOT, true),
            (rustix::io::Errno::IO, false),
            (rustix::io::Errno::FBIG, false),
        ] {
            assert_eq!(is_full(&error.into()), full, "{error}");
        }
    }

    #[test]
    fn a_read_gives_what_there_is_and_says_how_much() {
        let home = tempfile::tempdir().unwrap();
        let dir = Dir::open(&home.path().join("journal")).unwrap();
        let file = dir.create("file").unwrap();
        file.write_all_at(b"0123456789", 0).unwrap();
        let mut bytes = [b'.'; 4];
        assert_eq!(file.read_at(&mut bytes, 3).unwrap(), 4);
        assert_eq!(&bytes, b"3456");
        let mut bytes = [b'.'; 4];
        assert_eq!(file.read_at(&mut bytes, 8).unwrap(), 2);
        assert_eq!(&bytes, b"89..");
        assert_eq!(file.read_at(&mut bytes, 10).unwrap(), 0);
        assert_eq!(file.read_at(&mut [], 3).unwrap(), 0);
        let errors = LogFile {
            file: File::open(home.path()).unwrap(),
            spool: dir.tape.spool("none"),
        };
        errors.read_at(&mut bytes, 0).unwrap_err();
    }
}
