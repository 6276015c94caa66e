//! The files in a keeper's directory, and how a node finds the keeper there.
//!
//! `keeper.lock` is held by the living keeper, `keeper.sock` is its socket, `keeper.json` says which run it holds, and
//! `keeper.spool` holds output that did not fit in memory. All are of mode 0600. What is said over the socket is
//! described in [`crate::protocol`].

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, Permissions},
    io,
    os::fd::AsRawFd,
    os::unix::fs::PermissionsExt,
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    time::Duration,
};
use uuid::Uuid;

pub(crate) const LOCK: &str = "keeper.lock";
pub(crate) const SOCKET: &str = "keeper.sock";
pub(crate) const RECORD: &str = "keeper.json";
pub(crate) const SPOOL: &str = "keeper.spool";

/// How long a new keeper waits for the one before it to go.
const HANDOVER: Duration = Duration::from_secs(5);

/// What is known of a keeper before anybody has spoken with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Protocol version that it speaks.
    pub version: u32,
    /// The server.
    pub server: Uuid,
    /// The run.
    pub run: Uuid,
    /// The keeper's pid.
    pub keeper: u32,
    /// The program's pid; 0 for a container's stream.
    pub pid: u32,
    /// When the run began, milliseconds since the epoch.
    pub started_ms: i64,
}

/// The keeper that lives in `directory`, if one does: what it holds, and a connection to it. A connection that says
/// nothing does not end the one of the node that is served.
pub fn find(directory: &Path) -> io::Result<Option<(Record, UnixStream)>> {
    let missing = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
        _ => Err(error),
    };
    let Some(record) = record(directory)? else {
        return Ok(None);
    };
    match connect(directory) {
        Ok(stream) => Ok(Some((record, stream))),
        Err(error) => missing(error),
    }
}

/// What is written of the keeper in `directory`, which may be gone by now.
pub fn record(directory: &Path) -> io::Result<Option<Record>> {
    match std::fs::read(directory.join(RECORD)) {
        Ok(text) => serde_json::from_slice(&text).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Connects to the keeper in `directory`. Paths may be longer than a socket address holds.
pub fn connect(directory: &Path) -> io::Result<UnixStream> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    UnixStream::connect(format!("/proc/self/fd/{}/{SOCKET}", directory.as_raw_fd()))
}

/// The keeper's hold on its directory, which is the working directory from then on.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) listener: UnixListener,
    /// Held as long as the keeper lives; the kernel lets go of it.
    _lock: File,
}

impl Place {
    /// Goes there and takes it, once the keeper before has gone.
    pub(crate) fn take(directory: &Path) -> Result<Self, String> {
        let shown = directory.display();
        std::env::set_current_dir(directory).map_err(|error| {
            format!("The keeper's directory {shown} can't be used ({error}): make it, with mode 0700.")
        })?;
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let lock = rustix::fs::open(LOCK, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|error| {
                format!("The keeper can't make {shown}/{LOCK} ({error}): make the directory writable.")
            })?;
        let mut waited = Duration::ZERO;
        while let Err(error) = lock.try_lock() {
            if waited >= HANDOVER {
                return Err(format!(
                    "Another keeper still holds {shown} ({error}): end the server's earlier run first."
                ));
            }
            let pause = Duration::from_millis(10);
            std::thread::sleep(pause);
            waited += pause;
        }
        // Left behind by a keeper that was killed.
        for name in [SOCKET, RECORD, SPOOL] {
            let _ = std::fs::remove_file(name);
        }
        let listener = UnixListener::bind(SOCKET)
            .and_then(|listener| {
                std::fs::set_permissions(SOCKET, Permissions::from_mode(0o600))?;
                listener.set_nonblocking(true)?;
                Ok(listener)
            })
            .map_err(|error| {
                format!("The keeper can't make its socket in {shown} ({error}): look at the disk.")
            })?;
        Ok(Self {
            listener,
            _lock: lock,
        })
    }

    /// Says which run is held.
    pub(crate) fn record(record: &Record) -> Result<(), String> {
        let written = serde_json::to_vec(record)
            .map_err(io::Error::other)
            .and_then(|text| std::fs::write("keeper.json.new", text))
            .and_then(|()| std::fs::rename("keeper.json.new", RECORD));
        written
            .map_err(|error| format!("The keeper can't write its record ({error}): make room on the disk."))
    }

    /// Removes what others find the keeper by.
    pub(crate) fn leave() {
        for name in [SOCKET, RECORD] {
            let _ = std::fs::remove_file(name);
        }
    }
}
