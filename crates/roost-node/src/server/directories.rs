//! Which directories an operator can give to a server: none of the system's, none of Roost's own, none of another
//! server's. Paths are compared as the kernel resolves them, so that a link leads nowhere else.
//!
//! Whether the server's user can work in one is the runtime's business.

use super::definition::Definition;
use crate::{node::Layout, runtime::StartError};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// Directories that nobody should give to a server. What lies in them may well be given.
const SYSTEM: [&str; 22] = [
    "/",
    "/dev",
    "/dev/shm",
    "/home",
    "/media",
    "/mnt",
    "/opt",
    "/run",
    "/run/lock",
    "/run/user",
    "/srv",
    "/tmp",
    "/usr",
    "/usr/games",
    "/usr/local",
    "/usr/local/games",
    "/var",
    "/var/games",
    "/var/lib",
    "/var/local",
    "/var/opt",
    "/var/tmp",
];
/// The same with everything in them.
const SYSTEM_WHOLE: [&str; 36] = [
    "/bin",
    "/boot",
    "/dev/pts",
    "/etc",
    "/lib",
    "/lib32",
    "/lib64",
    "/libx32",
    "/proc",
    "/root",
    "/run/docker",
    "/run/systemd",
    "/sbin",
    "/sys",
    "/usr/bin",
    "/usr/include",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/libx32",
    "/usr/local/bin",
    "/usr/local/etc",
    "/usr/local/lib",
    "/usr/local/sbin",
    "/usr/sbin",
    "/usr/share",
    "/usr/src",
    "/var/backups",
    "/var/cache",
    "/var/lib/apt",
    "/var/lib/docker",
    "/var/lib/dpkg",
    "/var/lib/systemd",
    "/var/log",
    "/var/spool",
];
/// What to do instead.
const INSTEAD: &str = "make a directory for the server, such as /srv/my-server, and give that.";

/// Roost's own places, and where all servers are.
#[derive(Debug)]
pub struct Directories {
    own: Vec<PathBuf>,
    servers: Mutex<BTreeMap<Uuid, Place>>,
}

/// A server's name and directory.
#[derive(Debug)]
struct Place {
    name: String,
    dir: PathBuf,
}

impl Directories {
    /// `own` is what servers must not get at: files and directories of Roost's.
    pub fn new(own: Vec<PathBuf>) -> Self {
        Self {
            own,
            servers: Mutex::default(),
        }
    }

    /// A server has this directory from now on.
    pub fn keep(&self, definition: &Definition, layout: &Layout) {
        let dir = match definition.roost().dir {
            Some(dir) => PathBuf::from(dir),
            None => layout.data(definition.uuid),
        };
        let name = definition.name();
        self.lock().insert(definition.uuid, Place { name, dir });
    }

    /// A server is gone.
    pub fn forget(&self, server: Uuid) {
        self.lock().remove(&server);
    }

    /// Where a server's directory is.
    pub fn of(&self, server: Uuid) -> Option<PathBuf> {
        self.lock().get(&server).map(|place| place.dir.clone())
    }

    /// Whether a directory can be given to `server`. The error says why not.
    pub fn check(&self, server: Uuid, dir: &Path) -> Result<(), StartError> {
        let real = where_it_would_be(dir);
        // The name says more than that it lies among Roost's own.
        if let Some(other) = self.other(server, |theirs| real.starts_with(theirs)) {
            return Err(used_by(&real, &other));
        }
        self.check_reserved(dir)?;
        match self.other(server, |theirs| theirs.starts_with(&real)) {
            Some(other) => Err(used_by(&real, &other)),
            None => Ok(()),
        }
    }

    /// Whether a directory is the system's or Roost's own, lies in one that is, or holds one.
    pub fn check_reserved(&self, dir: &Path) -> Result<(), StartError> {
        // Nobody should be told to make one that is refused then.
        let real = where_it_would_be(dir);
        let shown = real.display();
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let is_home = home.is_some_and(|home| home.canonicalize().is_ok_and(|home| home == real));
        if is_home
            || SYSTEM.iter().any(|name| Path::new(name) == real)
            || SYSTEM_WHOLE.iter().any(|name| real.starts_with(name))
        {
            let whose = if is_home {
                "is a home directory"
            } else {
                "belongs to the system"
            };
            return Err(StartError(format!("{shown} {whose}: {INSTEAD}")));
        }
        for own in &self.own {
            let own = own.canonicalize().unwrap_or_else(|_| own.clone());
            let what = if real.starts_with(&own) {
                format!("{shown} is Roost's own")
            } else if own.starts_with(&real) {
                format!("{shown} holds what is Roost's own ({})", own.display())
            } else {
                continue;
            };
            return Err(StartError(format!(
                "{what}, and a server there could read its secrets: {INSTEAD}"
            )));
        }
        resolve(dir).map(drop)
    }

    /// The refusal for a directory that overlaps another server's, if it does.
    pub fn check_others(&self, server: Uuid, dir: &Path) -> Result<(), StartError> {
        let real = resolve(dir)?;
        let overlaps = |theirs: &Path| real.starts_with(theirs) || theirs.starts_with(&real);
        match self.other(server, overlaps) {
            Some(other) => Err(used_by(&real, &other)),
            None => Ok(()),
        }
    }

    /// The name of another server for whose directory `fits` holds.
    fn other(&self, server: Uuid, fits: impl Fn(&Path) -> bool) -> Option<String> {
        let servers = self.lock();
        let mut others = servers.iter().filter(|(uuid, _)| **uuid != server);
        others
            .find(|(_, place)| fits(&place.dir.canonicalize().unwrap_or_else(|_| place.dir.clone())))
            .map(|(_, place)| place.name.clone())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Place>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The real path of what may not be there yet: links on the way are resolved as far as it is.
fn where_it_would_be(dir: &Path) -> PathBuf {
    let found = dir.ancestors().find_map(|parent| {
        let rest = dir.strip_prefix(parent).ok()?;
        Some(parent.canonicalize().ok()?.join(rest))
    });
    // Joined with nothing, a path ends with a slash.
    found.map_or_else(|| dir.to_owned(), |path| path.components().collect())
}

fn resolve(dir: &Path) -> Result<PathBuf, StartError> {
    dir.canonicalize().map_err(|e| {
        StartError(format!(
            "The directory {} can't be used ({e}): make it, or give another one.",
            dir.display()
        ))
    })
}

fn used_by(dir: &Path, other: &str) -> StartError {
    StartError(format!(
        "{} is used by server {other}: give each server a directory of its own.",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::fs::create_dir_all;

    fn server(number: u128, name: &str, dir: Option<&Path>) -> Definition {
        let uuid = Uuid::from_u128(number);
        let settings = json!({"uuid": uuid, "roost": {"identifier": name, "dir": dir}});
        let value = json!({"settings": settings, "process_configuration": {}});
        Definition::from_detail(uuid, value).unwrap()
    }

    fn error(checked: Result<(), StartError>) -> String {
        checked.unwrap_err().0
    }

    #[test]
    fn the_system_s_and_roost_s_own_directories_are_refused() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let at = |name: &str| dir.path().join(name);
        for name in ["roost/keys", "roost-2", "game"] {
            create_dir_all(at(name)).unwrap();
        }
        std::os::unix::fs::symlink(at("roost"), at("link")).unwrap();
        let directories = Directories::new(vec![at("roost"), at("none/config.yml")]);
        let refused = |path: &Path| error(directories.check(Uuid::nil(), path));
        for own in ["roost", "roost/keys", "link", "link/keys", "roost/../link/keys"] {
            let text = refused(&at(own));
            assert!(
                text.contains("is Roost's own") && !text.contains("chown"),
                "{own}: {text}"
            );
        }
        assert!(refused(dir.path()).contains("holds what is Roost's own"));
        for system in ["/", "/etc", "/usr", "/usr/bin", "/tmp", "/srv", "/var/log"] {
            assert!(
                refused(Path::new(system)).contains("belongs to the system"),
                "{system}"
            );
        }
        assert!(refused(Path::new("/etc/ssl")).contains("/srv/my-server"));
        assert!(refused(&at("missing")).contains("make it"));
        assert!(refused(&at("link/missing/deep")).contains("is Roost's own"));
        assert!(refused(Path::new("/etc/roost-missing")).contains("belongs to the system"));
        for free in ["game", "roost-2"] {
            directories.check(Uuid::nil(), &at(free)).unwrap();
        }
    }

    #[test]
    fn a_home_is_not_given_away() {
        let Some(home) = std::env::var_os("HOME").filter(|home| Path::new(home).is_dir()) else {
            return;
        };
        let text = error(Directories::new(Vec::new()).check_reserved(Path::new(&home)));
        assert!(text.contains("is a home directory"), "{text}");
    }

    #[test]
    fn another_server_s_directory_is_refused_by_its_name() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let at = |name: &str| dir.path().join(name);
        let layout = Layout::prepare(&at("node"), &at("servers")).unwrap();
        let directories = Directories::new(vec![at("node"), at("servers")]);
        let (lobby, made, new) = (Uuid::from_u128(1), Uuid::from_u128(2), Uuid::from_u128(3));
        for name in ["games/lobby/world", "games/lobby-2"] {
            create_dir_all(at(name)).unwrap();
        }
        create_dir_all(layout.data(made)).unwrap();
        std::os::unix::fs::symlink(at("games/lobby"), at("link")).unwrap();
        directories.keep(&server(1, "lobby", Some(&at("link"))), &layout);
        directories.keep(&server(2, "made", None), &layout);
        for name in ["games", "games/lobby", "games/lobby/world", "link"] {
            let text = error(directories.check(new, &at(name)));
            assert!(text.contains("used by server lobby"), "{name}: {text}");
            let text = error(directories.check_others(new, &at(name)));
            assert!(text.contains("used by server lobby"), "{name}: {text}");
        }
        assert!(error(directories.check(new, &layout.data(made))).contains("used by server made"));
        // Its own is no other's, but what Roost made is still Roost's.
        directories.check(lobby, &at("games/lobby/world")).unwrap();
        assert!(error(directories.check(made, &layout.data(made))).contains("Roost's own"));
        directories.check(new, &at("games/lobby-2")).unwrap();
        directories.check_others(new, &at("games/lobby-2")).unwrap();
        assert_eq!(directories.of(lobby), Some(at("link")));
        directories.forget(lobby);
        assert_eq!(directories.of(lobby), None);
        directories.check(new, &at("games/lobby")).unwrap();
    }
}
