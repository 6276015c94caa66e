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

/// Ids that are kept for directories whose servers were not made.
const ASIDE_MAX: usize = 16;

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
        self.give(server, None, None)
    }

    /// The same; a server that has none yet is given the owner of its directory, where that is one of ours and free,
    /// else what was [set aside](Self::set_aside) for this directory.
    pub fn of_with(&self, server: Uuid, owner: Option<u32>, dir: &Path) -> io::Result<u32> {
        self.give(server, owner, Some(dir_key(dir)))
    }

    fn give(&self, server: Uuid, wanted: Option<u32>, aside: Option<Uuid>) -> io::Result<u32> {
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
        let set_aside = aside.and_then(|aside| given.get(&aside).copied());
        let first = [wanted, set_aside].into_iter().flatten();
        let first: Vec<u32> = first.filter(|uid| range.contains(uid)).collect();
        let mut found = None;
        for uid in first.into_iter().chain(range) {
            let is_free = given
                .iter()
                .all(|(who, used)| *used != uid || Some(*who) == aside);
            if is_free && self.claims.take(uid)?.is_ok() {
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
        let mut next = given.clone();
        if let Some(aside) = aside {
            next.remove(&aside);
        }
        next.insert(server, uid);
        self.write(&next).inspect_err(|_| {
            if set_aside != Some(uid) {
                self.claims.release(uid);
            }
        })?;
        if let Some(unused) = set_aside.filter(|kept| *kept != uid) {
            self.claims.release(unused);
        }
        *given = next;
        Ok(uid)
    }

    /// A server was not made: its user id is kept for the next one that is to have this directory, so that what its
    /// operator was told to do still helps. Of such ids [`ASIDE_MAX`] are kept.
    pub fn set_aside(&self, server: Uuid, dir: &Path) -> io::Result<()> {
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(uid) = given.remove(&server) else {
            return Ok(());
        };
        let kept: Vec<Uuid> = given.keys().copied().filter(is_dir_key).collect();
        let surplus = (kept.len() + 1).saturating_sub(ASIDE_MAX);
        let key = dir_key(dir);
        for dropped in kept
            .into_iter()
            .filter(|other| *other != key)
            .take(surplus)
            .chain([key])
        {
            if let Some(uid) = given.remove(&dropped) {
                self.claims.release(uid);
            }
        }
        given.insert(key, uid);
        self.write(&given)
    }

    /// The id that a server was given, whoever has it now.
    pub fn peek(&self, server: Uuid) -> Option<u32> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        given.get(&server).copied()
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

/// The name under which a directory stands in the list: FNV-1a of its path, as a UUID of version 8, which no server has.
fn dir_key(dir: &Path) -> Uuid {
    use std::os::unix::ffi::OsStrExt;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const BEGIN: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    let bytes = dir.as_os_str().as_bytes();
    let hash = bytes
        .iter()
        .fold(BEGIN, |hash, byte| (hash ^ u128::from(*byte)).wrapping_mul(PRIME));
    uuid::Builder::from_custom_bytes(hash.to_be_bytes()).into_uuid()
}

fn is_dir_key(key: &Uuid) -> bool {
    key.get_version_num() == 8
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
        let of = |server, owner| users.of_with(server, Some(owner), Path::new("/srv/x")).unwrap();
        assert_eq!(of(a, 700_005), 700_005);
        assert_eq!(of(a, 700_006), 700_005, "it has one");
        assert_eq!(of(b, 700_005), 700_000, "that is a's");
        assert_eq!(of(c, 0), 700_001, "that is nobody's to give");
        assert_eq!((users.peek(c), users.peek(Uuid::nil())), (Some(700_001), None));
    }

    #[test]
    fn the_id_of_a_server_that_was_not_made_waits_for_its_directory() {
        let dir = tempfile::tempdir().unwrap();
        let claims = dir.path().join("claims");
        let open = |count| Users::open(dir.path().join("users.json"), &claims, 700_000, count).unwrap();
        let mine = Path::new("/srv/mine");
        let [a, b, c, d] = [1, 2, 3, 4].map(Uuid::from_u128);
        let users = open(40);
        let of = |users: &Users, server| users.of_with(server, Some(0), mine).unwrap();
        for attempt in [a, b, c] {
            assert_eq!(of(&users, attempt), 700_000, "each attempt is told the same");
            users.set_aside(attempt, mine).unwrap();
        }
        // Others get other ids, also in the node's next life.
        let users = open(40);
        assert_eq!(users.of(d).unwrap(), 700_001);
        assert_eq!(of(&users, a), 700_000);
        assert!(
            !is_dir_key(&a) && users.given.lock().unwrap().len() == 2,
            "nothing is left aside"
        );
        // Where the operator took another free one, that is it, and the one kept is free again.
        users.set_aside(a, mine).unwrap();
        assert_eq!(users.of_with(a, Some(700_009), mine).unwrap(), 700_009);
        assert_eq!(users.of(b).unwrap(), 700_000);
        // Attempts on ever other directories use up a few at most.
        for n in 0..100 {
            let (attempt, dir) = (Uuid::new_v4(), PathBuf::from(format!("/srv/{n}")));
            let uid = users.of_with(attempt, None, &dir).unwrap();
            assert!(uid < 700_030, "{uid}");
            users.set_aside(attempt, &dir).unwrap();
        }
        let given = users.given.lock().unwrap();
        assert_eq!(given.keys().filter(|key| is_dir_key(key)).count(), ASIDE_MAX);
        assert_eq!(std::fs::read_dir(&claims).unwrap().count(), given.len());
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
