//! One user id a server, out of the node's range: given at the first start, kept in a file, free again at deletion.
//!
//! Real game servers refuse to run as root, and two servers must not read each other's files.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// The range and who has what of it.
#[derive(Debug)]
pub struct Users {
    file: PathBuf,
    first: u32,
    count: u32,
    given: Mutex<BTreeMap<Uuid, u32>>,
}

impl Users {
    /// Reads the file, if it is there.
    pub fn open(file: PathBuf, first: u32, count: u32) -> io::Result<Self> {
        let given = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            file,
            first,
            count,
            given: Mutex::new(given),
        })
    }

    /// The server's user id, which is its group id as well.
    pub fn of(&self, server: Uuid) -> io::Result<u32> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = given.get(&server) {
            return Ok(*uid);
        }
        let free = (self.first..self.first.saturating_add(self.count))
            .find(|uid| !given.values().any(|used| used == uid));
        let uid = free.ok_or_else(|| {
            io::Error::other(format!(
                "all {} user ids from {} on are in use: raise uid_count",
                self.count, self.first
            ))
        })?;
        given.insert(server, uid);
        self.write(&given).inspect_err(|_| {
            given.remove(&server);
        })?;
        Ok(uid)
    }

    /// The server is gone.
    pub fn forget(&self, server: Uuid) -> io::Result<()> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if given.remove(&server).is_some() {
            self.write(&given)
        } else {
            Ok(())
        }
    }

    fn write(&self, given: &BTreeMap<Uuid, u32>) -> io::Result<()> {
        let fresh = self.file.with_extension("new");
        let _ = std::fs::remove_file(&fresh);
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(&serde_json::to_vec(given).map_err(io::Error::other)?)?;
        file.sync_all()?;
        std::fs::rename(&fresh, &self.file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_never_shared_and_free_again() {
        let dir = tempfile::tempdir().unwrap();
        let open = || Users::open(dir.path().join("users.json"), 700_000, 2).unwrap();
        let (a, b, c) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let users = open();
        assert_eq!((users.of(a).unwrap(), users.of(b).unwrap()), (700_000, 700_001));
        assert!(users.of(c).unwrap_err().to_string().contains("uid_count"));
        users.forget(a).unwrap();
        assert_eq!((open().of(b).unwrap(), open().of(c).unwrap()), (700_001, 700_000));
    }
}
