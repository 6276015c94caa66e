//! The data directory: where it is, who may enter, who holds it, and the key that the panel's secrets are sealed with.
//!
//! ```text
//! DIR/                 0711   servers' users pass through
//!   roost.toml         0600   settings
//!   roost.lock         0600   held by the running `roost up`
//!   roost.sock         0600   the command line speaks here
//!   roost.sqlite       0600   the panel's store
//!   keys/panel.key     0600   seals node secrets
//!   bin/roost          0755   this program, where every server's user can reach it
//!   node/              0700   journals, keepers, queues
//!   servers/           0711   a directory a server, each its own user's
//! ```

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, Mode, OFlags};
use std::{
    fs::Permissions,
    io::Write,
    os::{
        fd::OwnedFd,
        unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};

/// Where it is for root, unless something else is said.
pub const DATA_OF_ROOT: &str = "/var/lib/roost";

/// The data directory of this machine's Roost.
#[derive(Debug, Clone)]
pub struct DataDir(PathBuf);

impl DataDir {
    /// `--data`, else `/var/lib/roost` as root and `./data` otherwise. Absolute.
    pub fn locate(given: Option<&Path>) -> anyhow::Result<Self> {
        let path = match given {
            Some(path) => path.to_owned(),
            None if rustix::process::geteuid().is_root() => PathBuf::from(DATA_OF_ROOT),
            None => PathBuf::from("data"),
        };
        let path = std::path::absolute(&path).with_context(|| format!("--data {}", path.display()))?;
        Ok(Self(path))
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// `roost.sock`.
    pub fn socket(&self) -> PathBuf {
        self.0.join("roost.sock")
    }

    /// `roost.toml`.
    pub fn settings(&self) -> PathBuf {
        self.0.join("roost.toml")
    }

    /// `roost.sqlite`.
    pub fn database(&self) -> PathBuf {
        self.0.join("roost.sqlite")
    }

    /// `node/`.
    pub fn node(&self) -> PathBuf {
        self.0.join("node")
    }

    /// `servers/`.
    pub fn servers(&self) -> PathBuf {
        self.0.join("servers")
    }

    /// Makes what is missing and sets the modes. As root, a parent that other users can't pass is refused by name:
    /// the servers' users must reach their directories.
    pub fn prepare(&self) -> anyhow::Result<()> {
        make_dir(&self.0, 0o711)?;
        make_dir(&self.node(), 0o700)?;
        make_dir(&self.servers(), 0o711)?;
        make_dir(&self.0.join("keys"), 0o700)?;
        make_dir(&self.0.join("bin"), 0o755)?;
        if rustix::process::geteuid().is_root() {
            let real = self
                .0
                .canonicalize()
                .with_context(|| format!("{}", self.0.display()))?;
            for parent in real.ancestors().skip(1) {
                let mode = parent
                    .metadata()
                    .with_context(|| format!("{}", parent.display()))?
                    .mode();
                if mode & 0o001 == 0 {
                    bail!(
                        "{} can't be passed by the users that servers run as: `chmod o+x {}`, or choose another place with --data",
                        parent.display(),
                        parent.display()
                    );
                }
            }
        }
        let settings = self.settings();
        if !settings.exists() {
            write_private(&settings, crate::settings::template().as_bytes())?;
        }
        Ok(())
    }

    /// Holds the directory for one `roost up`; released when dropped, also by a kill. No child inherits it.
    pub fn lock(&self) -> anyhow::Result<OwnedFd> {
        lock(&self.lock_file())?.with_context(|| {
            format!(
                "a Roost is running on {} already: use it, end it with `roost down`, or choose another --data",
                self.0.display()
            )
        })
    }

    /// `roost.lock`.
    pub fn lock_file(&self) -> PathBuf {
        self.0.join("roost.lock")
    }

    /// The key of the panel's secrets, made at the first start.
    pub fn panel_key(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.0.join("keys/panel.key");
        if !path.exists() {
            let mut key = [0_u8; 32];
            aws_lc_rs::rand::fill(&mut key)
                .map_err(|_| anyhow::anyhow!("the system gives no random numbers"))?;
            write_private(&path, &key)?;
        }
        let key = std::fs::read(&path).with_context(|| format!("{}", path.display()))?;
        key.try_into().map_err(|_| {
            anyhow::anyhow!(
                "{} must hold 32 bytes: restore it from a backup, node secrets can't be read without it",
                path.display()
            )
        })
    }

    /// A copy of this program where every server's user can run it: a clone below `/root` can't be reached by them.
    pub fn program(&self) -> anyhow::Result<PathBuf> {
        let own = std::env::current_exe().context("can't find this program's own file")?;
        let copy = self.0.join("bin/roost");
        if !is_same(&own, &copy) {
            let fresh = self.0.join(format!("bin/.roost-{}", std::process::id()));
            std::fs::copy(&own, &fresh)
                .with_context(|| format!("can't copy this program to {}", fresh.display()))?;
            std::fs::set_permissions(&fresh, Permissions::from_mode(0o755))?;
            // A rename leaves the old file to the keepers that run from it.
            std::fs::rename(&fresh, &copy).with_context(|| format!("{}", copy.display()))?;
        }
        Ok(copy)
    }
}

/// Takes a lock, which is released when dropped, also by a kill; `None` if somebody else holds it.
pub fn lock(path: &Path) -> anyhow::Result<Option<OwnedFd>> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .with_context(|| format!("{}", path.display()))?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("can't lock {}", path.display())),
    }
}

fn is_same(a: &Path, b: &Path) -> bool {
    match (a.metadata(), b.metadata()) {
        (Ok(a), Ok(b)) => a.len() == b.len() && a.modified().ok() <= b.modified().ok(),
        _ => false,
    }
}

fn make_dir(path: &Path, mode: u32) -> anyhow::Result<()> {
    std::fs::create_dir_all(path).with_context(|| {
        format!(
            "can't make {}: choose a place that you may write to with --data",
            path.display()
        )
    })?;
    let found = path.metadata()?;
    if !found.is_dir() {
        bail!("{} is not a directory", path.display());
    }
    if found.mode() & 0o7777 != mode {
        std::fs::set_permissions(path, Permissions::from_mode(mode)).with_context(|| {
            format!(
                "can't set the mode of {}: it must belong to the user who runs Roost",
                path.display()
            )
        })?;
    }
    Ok(())
}

/// Writes a new file that only its owner can read; whole or not at all.
pub fn write_private(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let result = (|| {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    })();
    if result.is_err() {
        let _ = std::fs::remove_file(&fresh);
    }
    result.with_context(|| format!("can't write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_up_on_one_directory_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::locate(Some(dir.path())).unwrap();
        let held = data.lock().unwrap();
        let error = data.lock().unwrap_err().to_string();
        assert!(
            error.contains("already") && error.contains("roost down"),
            "{error}"
        );
        drop(held);
        data.lock().unwrap();
    }

    #[test]
    fn modes_and_key_are_private() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o711)).unwrap();
        let data = DataDir::locate(Some(&dir.path().join("d"))).unwrap();
        data.prepare().unwrap();
        assert_eq!(data.panel_key().unwrap(), data.panel_key().unwrap());
        let mode = |p: &str| data.path().join(p).metadata().unwrap().mode() & 0o777;
        assert_eq!(
            (
                mode("keys/panel.key"),
                mode("roost.toml"),
                mode("servers"),
                mode("node")
            ),
            (0o600, 0o600, 0o711, 0o700)
        );
    }
}
