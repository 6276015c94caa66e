//! Which node of this machine has which user id: two nodes with one range must not give two servers one user, or they
//! could read each other's files, and ending one would end the other.
//!
//! A claim is a file named by the id that holds the path of the node's list of users. It counts as long as that list is
//! there and names the id, so that what a removed node left behind is free. Who gets which id is the list's business.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};
use uuid::Uuid;

/// Where all nodes of a machine look.
pub(super) const PLACE: &str = "/run/roost/users";

/// A claim that no list names counts for this long.
const FRESH: Duration = Duration::from_secs(10);

/// The claims of one node.
#[derive(Debug)]
pub(super) struct Claims {
    place: PathBuf,
    /// This node's list of users.
    list: PathBuf,
}

impl Claims {
    pub(super) fn new(place: &Path, list: &Path) -> io::Result<Self> {
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(place)?;
        Ok(Self {
            place: place.to_owned(),
            list: std::path::absolute(list)?,
        })
    }

    /// Claims an id. The error is the list of the node that has it.
    pub(super) fn take(&self, uid: u32) -> io::Result<Result<(), PathBuf>> {
        let file = self.place.join(uid.to_string());
        loop {
            let made = std::fs::OpenOptions::new()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&file);
            match made {
                Ok(mut claim) => {
                    use std::os::unix::ffi::OsStrExt;
                    claim.write_all(self.list.as_os_str().as_bytes())?;
                    return Ok(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
            let holder = match std::fs::read_to_string(&file) {
                Ok(path) => PathBuf::from(path),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if holder == self.list {
                return Ok(Ok(()));
            }
            if names(&holder, uid) || is_fresh(&file) {
                return Ok(Err(holder));
            }
            match std::fs::remove_file(&file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }

    /// Lets go of an id.
    pub(super) fn release(&self, uid: u32) {
        let file = self.place.join(uid.to_string());
        if std::fs::read_to_string(&file).is_ok_and(|holder| Path::new(&holder) == self.list) {
            let _ = std::fs::remove_file(file);
        }
    }
}

/// Whether a claim was made just now: its list is written a moment later.
fn is_fresh(claim: &Path) -> bool {
    let age = claim
        .metadata()
        .and_then(|meta| meta.modified())
        .map(|at| at.elapsed());
    matches!(age, Ok(Ok(age)) if age < FRESH)
}

/// Whether the list at `path` gives `uid` to a server.
fn names(path: &Path, uid: u32) -> bool {
    let list = std::fs::read(path).ok();
    let given = list.and_then(|text| serde_json::from_slice::<BTreeMap<Uuid, u32>>(&text).ok());
    given.is_some_and(|given| given.values().any(|used| *used == uid))
}
