//! One user id a server, out of the node's range: given at the first start, kept in a file, free again at deletion.
//!
//! Real game servers refuse to run as root, and two servers must not read each other's files, also where two nodes share
//! a machine.

use super::claims::Claims;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};
use uuid::Uuid;

/// The range and who has what of it.
#[derive(Debug)]
pub struct Users {
    file: PathBuf,
    first: u32,
    count: u32,
    claims: Claims,
    given: Mutex<BTreeMap<Uuid, u32>>,
}

impl Users {
    /// Reads the file, if it is there. `claims` is where all nodes of this machine look.
    pub fn open(file: PathBuf, claims: &Path, first: u32, count: u32) -> io::Result<Self> {
        let given = match std::fs::read(&file) {
            Ok(text) => serde_json::from_slice(&text).map_err(io::Error::other)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        Ok(Self {
            claims: Claims::new(claims, &file)?,
            file,
            first,
            count,
            given: Mutex::new(given),
        })
    }

    /// The server's user id, which is its group id as well.
    pub fn of(&self, server: Uuid) -> io::Result<u32> {
        self.of_or(server, None)
    }

    /// The same; a server that has none yet is given `wanted`, where that is free and in the range.
    pub fn of_or(&self, server: Uuid, wanted: Option<u32>) -> io::Result<u32> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = given.get(&server) {
            return match self.claims.take(*uid)? {
                Ok(()) => Ok(*uid),
                Err(holder) => Err(io::Error::other(format!(
                    "user id {uid} is in use by another Roost on this machine ({}): give one of them another range with uid_first",
                    holder.display()
                ))),
            };
        }
        let range = self.first..self.first.saturating_add(self.count);
        let mut found = None;
        for uid in wanted.filter(|uid| range.contains(uid)).into_iter().chain(range) {
            if !given.values().any(|used| *used == uid) && self.claims.take(uid)?.is_ok() {
                found = Some(uid);
                break;
            }
        }
        let uid = found.ok_or_else(|| {
            io::Error::other(format!(
                "all {} user ids from {} on are in use: raise uid_count",
                self.count, self.first
            ))
        })?;
        given.insert(server, uid);
        self.write(&given).inspect_err(|_| {
            given.remove(&server);
            self.claims.release(uid);
        })?;
        Ok(uid)
    }

    /// The server's user id, if it was given one before and no other node has it.
    pub fn known(&self, server: Uuid) -> Option<u32> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given
            .get(&server)
            .copied()
            .filter(|uid| matches!(self.claims.take(*uid), Ok(Ok(()))))
    }

    /// The server is gone.
    pub fn forget(&self, server: Uuid) -> io::Result<()> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(uid) = given.remove(&server) {
            self.claims.release(uid);
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
        let open = || {
            Users::open(
                dir.path().join("users.json"),
                &dir.path().join("claims"),
                700_000,
                2,
            )
            .unwrap()
        };
        let (a, b, c) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        let users = open();
        assert_eq!((users.of(a).unwrap(), users.of(b).unwrap()), (700_000, 700_001));
        assert!(users.of(c).unwrap_err().to_string().contains("uid_count"));
        users.forget(a).unwrap();
        assert_eq!((open().of(b).unwrap(), open().of(c).unwrap()), (700_001, 700_000));
    }

    #[test]
    fn an_id_that_is_asked_for_is_given_where_it_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::open(
            dir.path().join("users.json"),
            &dir.path().join("claims"),
            700_000,
            9,
        )
        .unwrap();
        let [a, b, c] = [1, 2, 3].map(Uuid::from_u128);
        assert_eq!(users.of_or(a, Some(700_005)).unwrap(), 700_005);
        assert_eq!(users.of_or(a, Some(700_006)).unwrap(), 700_005, "it has one");
        assert_eq!(users.of_or(b, Some(700_005)).unwrap(), 700_000, "that is a's");
        assert_eq!(
            users.of_or(c, Some(0)).unwrap(),
            700_001,
            "that is nobody's to give"
        );
    }

    #[test]
    fn two_nodes_of_one_machine_never_share_an_id() {
        let dir = tempfile::tempdir().unwrap();
        let claims = dir.path().join("claims");
        let node = |name: &str| Users::open(dir.path().join(name), &claims, 700_000, 9).unwrap();
        let (a, b) = (Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(node("first").of(a).unwrap(), 700_000);
        assert_eq!(node("second").of(b).unwrap(), 700_001);
        // A node that was removed lets go of its ids.
        std::fs::remove_file(dir.path().join("first")).unwrap();
        let claim = std::fs::File::options()
            .write(true)
            .open(claims.join("700000"))
            .unwrap();
        claim.set_modified(std::time::UNIX_EPOCH).unwrap();
        assert_eq!(node("third").of(a).unwrap(), 700_000);
        // One that comes back with an old list is told.
        std::fs::write(dir.path().join("first"), format!("{{\"{a}\":700000}}")).unwrap();
        let told = node("first").of(a).unwrap_err().to_string();
        assert!(told.contains("uid_first") && told.contains("third"), "{told}");
    }
}
