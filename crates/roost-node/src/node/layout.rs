//! Where things lie on the node's disk, and with which modes.
//!
//! ```text
//!   root_directory/          0711: only passed through
//!     node.lock              held while the node lives
//!     servers/<uuid>/        settings.json, state.json, last-end.json
//!     journals/<uuid>/       the console's history
//!     run/<uuid>/            the keeper's socket and spool
//!     activity.queue         rows on their way to the panel
//!     (deny list)            tokens that open nothing any more
//!   data/<uuid>/             the server's own directory
//! ```
//!
//! All files are 0600 and all directories of the node's own 0700. Who owns a server's directory is the runtime's
//! business.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};
use uuid::Uuid;

/// Paths of one node.
#[derive(Debug, Clone)]
pub struct Layout {
    root: PathBuf,
    data: PathBuf,
}

impl Layout {
    /// Makes what is missing. Existing directories on the way keep their mode, but those of the node's own get theirs.
    pub fn prepare(root: &Path, data: &Path) -> io::Result<Self> {
        // Absolute: keepers and servers have other working directories.
        let layout = Self {
            root: std::path::absolute(root)?,
            data: std::path::absolute(data)?,
        };
        for dir in [&layout.root, &layout.data] {
            make_passable(dir)?;
        }
        for name in ["servers", "journals", "run"] {
            make_private(&layout.root.join(name))?;
        }
        Ok(layout)
    }

    /// Everything of the node's own.
    pub fn root(&self) -> &Path {
        &self.root
    }
    /// The lock that only one node holds.
    pub fn lock(&self) -> PathBuf {
        self.root.join("node.lock")
    }
    /// The queue of activity rows.
    pub fn activity(&self) -> PathBuf {
        self.root.join("activity.queue")
    }
    /// What is written down of all servers, one directory each.
    pub fn servers(&self) -> PathBuf {
        self.root.join("servers")
    }
    /// What is written down of one server.
    pub fn server(&self, uuid: Uuid) -> PathBuf {
        self.servers().join(uuid.to_string())
    }
    /// A server's journal.
    pub fn journal(&self, uuid: Uuid) -> PathBuf {
        self.root.join("journals").join(uuid.to_string())
    }
    /// A server's keeper.
    pub fn run(&self, uuid: Uuid) -> PathBuf {
        self.root.join("run").join(uuid.to_string())
    }
    /// Where servers' own directories are.
    pub fn all_data(&self) -> &Path {
        &self.data
    }
    /// A server's own directory, unless the operator gave one.
    pub fn data(&self, uuid: Uuid) -> PathBuf {
        self.data.join(uuid.to_string())
    }
}

/// A directory that others may pass through but not list, if it is made here.
fn make_passable(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::DirBuilder::new().recursive(true).mode(0o711).create(dir)?;
    // The umask may have taken the pass right away.
    fs::set_permissions(dir, fs::Permissions::from_mode(0o711))
}

/// A directory for the node alone.
pub(crate) fn make_private(dir: &Path) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(dir) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700))
}
