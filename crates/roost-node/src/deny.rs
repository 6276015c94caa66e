//! Tokens that open nothing any more although they have not expired: by name, or by user (and server, and credential).
//!
//! A denial holds for tokens issued up to its time, so that a fresh one works. It is on disk before it is answered, and
//! is forgotten once every token that it could concern has expired. Ending the sockets that are open is left to whoever
//! denies.

use roost_wire::{
    clock::{Clock, Millis},
    token::{LEEWAY_SECS, LIFETIME_SECS, Verified},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};
use uuid::Uuid;

/// The file's name in the node's root.
const FILE: &str = "denied.json";
/// Milliseconds after which a denial concerns no living token. Existing panels issue them for 10 or 15 minutes; one that
/// issues longer ones gets some room.
const KEPT_MS: i64 = 4 * LIFETIME_SECS * 1000;

/// Shared by all who check tokens.
pub struct DenyList {
    path: PathBuf,
    clock: Arc<dyn Clock>,
    entries: Mutex<Entries>,
    /// Milliseconds by which the panel's clock was seen to be ahead: a token from just before a denial may carry a later
    /// time than the denial.
    panel_is_ahead: AtomicI64,
}

#[derive(Debug, Default)]
struct Entries {
    tokens: HashMap<(Uuid, String), i64>,
    users: HashMap<UserKey, i64>,
}

/// `None` stands for all.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct UserKey {
    user: Uuid,
    server: Option<Uuid>,
    credential: Option<String>,
}

/// The file. `at` is in milliseconds since the epoch.
#[derive(Default, Serialize, Deserialize)]
struct Saved {
    tokens: Vec<SavedToken>,
    users: Vec<SavedUser>,
}

#[derive(Serialize, Deserialize)]
struct SavedToken {
    server: Uuid,
    jti: String,
    at: i64,
}

#[derive(Serialize, Deserialize)]
struct SavedUser {
    user: Uuid,
    server: Option<Uuid>,
    credential: Option<String>,
    at: i64,
}

impl DenyList {
    /// Reads the list in `root`, or begins one. An unreadable list is an error: to go on without it would let denied
    /// tokens in.
    pub fn open(root: &Path, clock: Arc<dyn Clock>) -> io::Result<Self> {
        let path = root.join(FILE);
        let saved = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| {
                let text = format!(
                    "the list of denied tokens can't be read ({error}): if every console token is older than {} \
                     minutes, remove {}",
                    KEPT_MS / 60_000,
                    path.display()
                );
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Saved::default(),
            Err(error) => return Err(error),
        };
        let mut entries = Entries::default();
        for SavedToken { server, jti, at } in saved.tokens {
            entries.tokens.insert((server, jti), at);
        }
        for SavedUser {
            user,
            server,
            credential,
            at,
        } in saved.users
        {
            entries.users.insert(
                UserKey {
                    user,
                    server,
                    credential,
                },
                at,
            );
        }
        Ok(Self {
            path,
            clock,
            entries: Mutex::new(entries),
            panel_is_ahead: AtomicI64::new(0),
        })
    }

    /// Denies the tokens of these names on `server`, issued up to now. On an error they are denied all the same, but
    /// only until the node restarts: the caller should be asked to try again.
    pub fn deny_tokens(&self, server: Uuid, jtis: &[String]) -> io::Result<()> {
        self.add(|entries, at| {
            for jti in jtis {
                later(&mut entries.tokens, (server, jti.clone()), at);
            }
        })
    }

    /// Denies a user's tokens issued up to a time, or up to now: on these servers (empty: on all), and only those of one
    /// credential if one is named. Errors as in [`Self::deny_tokens`].
    pub fn deny_user(
        &self,
        user: Uuid,
        servers: &[Uuid],
        credential: Option<&str>,
        issued_until: Option<Millis>,
    ) -> io::Result<()> {
        let everywhere = servers.is_empty().then_some(None);
        self.add(|entries, at| {
            for server in everywhere
                .into_iter()
                .chain(servers.iter().map(|server| Some(*server)))
            {
                let key = UserKey {
                    user,
                    server,
                    credential: credential.map(str::to_owned),
                };
                // Both times are the panel's then: how far its clock is ahead does not matter.
                later(&mut entries.users, key, issued_until.unwrap_or(at));
            }
        })
    }

    /// Whether a genuine token is denied.
    pub fn is_denied(&self, token: &Verified) -> bool {
        let ahead = (token.issued_ms - self.clock.now()).clamp(0, LEEWAY_SECS * 1000);
        self.panel_is_ahead.fetch_max(ahead, Ordering::Relaxed);
        let entries = self.lock();
        let holds = |at: Option<&i64>| at.is_some_and(|at| token.issued_ms <= *at);
        if !entries.tokens.is_empty() && holds(entries.tokens.get(&(token.server, token.token_id.clone()))) {
            return true;
        }
        let credentials = [None, token.credential.clone()];
        let user = |server, credential: &Option<String>| {
            holds(entries.users.get(&UserKey {
                user: token.user,
                server,
                credential: credential.clone(),
            }))
        };
        !entries.users.is_empty()
            && credentials
                .iter()
                .any(|credential| user(None, credential) || user(Some(token.server), credential))
    }

    fn add(&self, change: impl FnOnce(&mut Entries, i64)) -> io::Result<()> {
        let now = self.clock.now();
        let mut entries = self.lock();
        entries.tokens.retain(|_, at| *at + KEPT_MS > now);
        entries.users.retain(|_, at| *at + KEPT_MS > now);
        change(&mut entries, now + self.panel_is_ahead.load(Ordering::Relaxed));
        // Under the lock, so that an older list never takes the place of a newer one.
        self.save(&entries)
    }

    fn save(&self, entries: &Entries) -> io::Result<()> {
        let tokens = entries.tokens.iter().map(|((server, jti), at)| SavedToken {
            server: *server,
            jti: jti.clone(),
            at: *at,
        });
        let users = entries.users.iter().map(|(key, at)| SavedUser {
            user: key.user,
            server: key.server,
            credential: key.credential.clone(),
            at: *at,
        });
        let saved = Saved {
            tokens: tokens.collect(),
            users: users.collect(),
        };
        let new = self.path.with_extension("new");
        // One that a crash left behind; a link put there must not be followed.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(&serde_json::to_vec(&saved)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.path)?;
        match self.path.parent() {
            Some(root) => File::open(root)?.sync_all(),
            None => Ok(()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DenyList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DenyList")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

fn later<K: std::hash::Hash + Eq>(map: &mut HashMap<K, i64>, key: K, at: i64) {
    let known = map.entry(key).or_insert(at);
    *known = at.max(*known);
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::{clock::ManualClock, permission::PermissionSet};
    use std::os::unix::fs::PermissionsExt;

    const NOW: i64 = 1_700_000_000;
    const SERVER: Uuid = Uuid::from_u128(1);
    const USER: Uuid = Uuid::from_u128(2);

    fn token(issued_at: i64) -> Verified {
        Verified {
            server: SERVER,
            user: USER,
            user_name: None,
            permissions: PermissionSet::owner(),
            issued_ms: issued_at * 1000,
            expires_at: issued_at + LIFETIME_SECS,
            token_id: "t1".into(),
            credential: Some("key1".into()),
            history_from: None,
        }
    }

    fn list(dir: &Path) -> (DenyList, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::at(NOW * 1000));
        (DenyList::open(dir, clock.clone()).unwrap(), clock)
    }

    #[test]
    fn a_denial_holds_for_what_was_issued_before_it_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let (denied, _) = list(dir.path());
        assert!(!denied.is_denied(&token(NOW)));
        denied.deny_tokens(SERVER, &["t1".into()]).unwrap();
        drop(denied);
        let (denied, _) = list(dir.path());
        assert!(denied.is_denied(&token(NOW)) && denied.is_denied(&token(NOW - 100)));
        assert!(!denied.is_denied(&token(NOW + 1)));
        let a_moment_later = Verified {
            issued_ms: NOW * 1000 + 1,
            ..token(NOW)
        };
        assert!(!denied.is_denied(&a_moment_later));
        assert!(!denied.is_denied(&Verified {
            token_id: "t2".into(),
            ..token(NOW)
        }));
        let mode = fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_user_is_denied_on_a_server_everywhere_or_by_one_credential() {
        let dir = tempfile::tempdir().unwrap();
        let (denied, _) = list(dir.path());
        let elsewhere = Verified {
            server: Uuid::from_u128(9),
            ..token(NOW)
        };
        let other_key = Verified {
            credential: Some("key2".into()),
            ..token(NOW)
        };
        denied.deny_user(USER, &[], Some("key1"), None).unwrap();
        assert!(denied.is_denied(&token(NOW)) && denied.is_denied(&elsewhere));
        assert!(!denied.is_denied(&other_key));
        denied.deny_user(USER, &[SERVER], None, None).unwrap();
        assert!(denied.is_denied(&other_key));
        let other_key_elsewhere = Verified {
            server: Uuid::from_u128(9),
            ..other_key
        };
        assert!(!denied.is_denied(&other_key_elsewhere));
        assert!(!denied.is_denied(&Verified {
            user: Uuid::from_u128(3),
            ..token(NOW)
        }));
    }

    #[test]
    fn what_no_token_can_outlive_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let (denied, clock) = list(dir.path());
        denied.deny_tokens(SERVER, &["t1".into()]).unwrap();
        clock.advance(KEPT_MS);
        denied.deny_user(Uuid::from_u128(8), &[], None, None).unwrap();
        let entries = denied.lock();
        assert_eq!((entries.tokens.len(), entries.users.len()), (0, 1));
    }

    #[test]
    fn a_panel_whose_clock_is_ahead_gains_no_token() {
        let dir = tempfile::tempdir().unwrap();
        let (denied, _) = list(dir.path());
        assert!(!denied.is_denied(&token(NOW + 3)));
        denied.deny_tokens(SERVER, &["t1".into()]).unwrap();
        assert!(denied.is_denied(&token(NOW + 3)));
    }

    #[test]
    fn where_the_panel_says_up_to_when_no_clock_matters() {
        let dir = tempfile::tempdir().unwrap();
        let (denied, clock) = list(dir.path());
        assert!(!denied.is_denied(&token(NOW + 4)), "a panel that is ahead");
        // Told late: what was issued since the change is good.
        clock.advance(60_000);
        denied
            .deny_user(USER, &[SERVER], None, Some((NOW + 5) * 1000))
            .unwrap();
        assert!(denied.is_denied(&token(NOW + 5)));
        assert!(!denied.is_denied(&token(NOW + 6)));
    }

    #[test]
    fn a_broken_list_is_an_error_that_names_the_file() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE), b"{").unwrap();
        let error = DenyList::open(dir.path(), Arc::new(ManualClock::at(0))).unwrap_err();
        assert!(error.to_string().contains(FILE), "{error}");
    }
}
