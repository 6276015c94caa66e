//! A journal's directory: every file is opened relative to it, never through a symbolic link, for its owner only.
//!
//! What is in the files is not its business.

use rustix::fs::{AtFlags, Mode, OFlags};
use std::{ffi::OsString, fs::File, io, os::fd::OwnedFd, os::unix::ffi::OsStringExt, path::Path};

const FILE: OFlags = OFlags::CLOEXEC.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK);

/// An open directory.
#[derive(Debug)]
pub(crate) struct Dir(OwnedFd);

impl Dir {
    /// Opens `path`, which is made (mode 0700) if it is missing; its parent must be there.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match rustix::fs::mkdir(path, Mode::RWXU) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(explain(path, "could not be made", &e.into())),
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::open(path, flags, Mode::empty()).map_err(|e| match e {
            rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => explain(
                path,
                "is a symbolic link or no directory: remove it, or choose another data directory",
                &e.into(),
            ),
            _ => explain(path, "could not be opened", &e.into()),
        })?;
        rustix::fs::fchmod(&fd, Mode::RWXU)
            .map_err(|e| explain(path, "could not be closed to other users", &e.into()))?;
        Ok(Self(fd))
    }

    /// Names of the files in it.
    pub(crate) fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let name = OsString::from_vec(entry?.file_name().to_bytes().to_vec());
            // Others are none of the journal's.
            names.extend(name.into_string());
        }
        Ok(names)
    }

    /// Makes `name` (mode 0600), which must not exist.
    pub(crate) fn create(&self, name: &str) -> io::Result<File> {
        let flags = FILE | OFlags::RDWR | OFlags::CREATE | OFlags::EXCL;
        Ok(rustix::fs::openat(&self.0, name, flags, Mode::RUSR | Mode::WUSR)?.into())
    }

    /// Opens `name` for reading.
    pub(crate) fn read(&self, name: &str) -> io::Result<File> {
        self.existing(name, OFlags::RDONLY)
    }

    /// Opens `name` for reading and writing.
    pub(crate) fn write(&self, name: &str) -> io::Result<File> {
        self.existing(name, OFlags::RDWR)
    }

    fn existing(&self, name: &str, mode: OFlags) -> io::Result<File> {
        let file: File = rustix::fs::openat(&self.0, name, FILE | mode, Mode::empty())?.into();
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{name} is no plain file"),
            ));
        }
        Ok(file)
    }

    /// Gives a file another name, in one step.
    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
    }

    /// Removes a file; one that is not there is fine.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match rustix::fs::unlinkat(&self.0, name, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }

    /// Names last through a power cut.
    pub(crate) fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// A second descriptor of the same directory.
    pub(crate) fn duplicate(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// How many bytes are missing until `percent` of the disk are free.
    pub(crate) fn missing_free(&self, percent: u8) -> io::Result<u64> {
        let disk = rustix::fs::fstatvfs(&self.0)?;
        let wanted = u128::from(disk.f_blocks) * u128::from(percent.min(100)) / 100;
        let missing = wanted.saturating_sub(u128::from(disk.f_bavail));
        Ok(u64::try_from(missing * u128::from(disk.f_frsize)).unwrap_or(u64::MAX))
    }
}

/// The error with the path, which the kernel leaves out.
fn explain(path: &Path, what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{} {what} ({error})", path.display()))
}
