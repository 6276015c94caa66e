//! A small disk of a test's own, to be filled to the last byte. Mounting it needs root.

use std::{io::Write as _, path::Path, process::Command};

/// Unmounted when dropped.
#[derive(Debug)]
pub(crate) struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=16m,mode=700", "roost-test"])
            .arg(dir.path())
            .status()
            .unwrap();
        assert!(
            mounted.success(),
            "a small disk can't be mounted: this test needs root"
        );
        Self(dir)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn fill(&self) {
        let mut ballast = std::fs::File::create(self.path().join("ballast")).unwrap();
        let mut piece = vec![0; 64 << 10];
        while !piece.is_empty() {
            // What does not fit whole is tried in halves, down to the last byte.
            if ballast.write_all(&piece).is_err() {
                piece.truncate(piece.len() / 2);
            }
        }
    }

    pub(crate) fn make_room(&self) {
        std::fs::remove_file(self.path().join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
