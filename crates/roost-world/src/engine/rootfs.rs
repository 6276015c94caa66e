//! Root file systems for images, out of programs of this machine: no registry is asked.
//!
//! What an image runs is said when it is imported.

use anyhow::{Context, Result, ensure};
use std::{
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    process::Command,
};

/// The statically linked busybox of Debian's `busybox-static`.
const BUSYBOX: &str = "/bin/busybox";

/// A directory that becomes an image.
#[derive(Debug)]
pub struct RootFs(tempfile::TempDir);

impl RootFs {
    /// Busybox with all its names, and the directories that a container needs.
    pub fn busybox() -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("roost-rootfs-").tempdir()?;
        // Servers run under another user than the one who made the image.
        std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755))?;
        for sub in ["bin", "etc", "home/container", "tmp", "usr/bin", "var"] {
            std::fs::create_dir_all(dir.path().join(sub))?;
        }
        // A container's own `/tmp` gets the mode of the image's.
        std::fs::set_permissions(dir.path().join("tmp"), PermissionsExt::from_mode(0o1777))?;
        let root = Self(dir);
        let list = Command::new(BUSYBOX)
            .arg("--list")
            .output()
            .context("busybox can't be run: install it (`apt-get install busybox-static`)")?;
        root.copy(Path::new(BUSYBOX))?;
        for name in String::from_utf8_lossy(&list.stdout)
            .lines()
            .filter(|name| *name != "busybox")
        {
            symlink("busybox", root.0.path().join("bin").join(name))?;
        }
        Ok(root)
    }

    /// An executable script at `path`.
    pub fn script(&self, path: &str, text: &str) -> Result<()> {
        let file = self.0.path().join(path);
        std::fs::write(&file, text)?;
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755))?;
        Ok(())
    }

    /// A program of this machine with the libraries it is linked with, at the same paths.
    pub fn program(&self, program: &Path) -> Result<()> {
        self.program_at(program, program)
    }

    /// The same, with the program itself at another path: what lies in `/tmp` is hidden in a container.
    pub fn program_at(&self, program: &Path, place: &Path) -> Result<()> {
        self.copy_to(program, place)?;
        let libraries = Command::new("ldd")
            .arg(program)
            .output()
            .context("`ldd` can't be run")?;
        for word in String::from_utf8_lossy(&libraries.stdout).split_whitespace() {
            if word.starts_with('/') {
                self.copy(Path::new(word))?;
            }
        }
        Ok(())
    }

    /// A directory of this machine, at the same path.
    pub fn tree(&self, dir: &Path) -> Result<()> {
        let target = self.inside(dir);
        std::fs::create_dir_all(target.parent().unwrap_or(&target))?;
        let status = Command::new("cp").arg("-aL").arg(dir).arg(&target).status()?;
        ensure!(status.success(), "{} can't be copied", dir.display());
        Ok(())
    }

    fn copy(&self, file: &Path) -> Result<()> {
        self.copy_to(file, file)
    }

    fn copy_to(&self, file: &Path, place: &Path) -> Result<()> {
        let target = self.inside(place);
        std::fs::create_dir_all(target.parent().unwrap_or(&target))?;
        std::fs::copy(file, &target).with_context(|| format!("{} can't be copied", file.display()))?;
        Ok(())
    }

    fn inside(&self, path: &Path) -> std::path::PathBuf {
        self.0.path().join(path.strip_prefix("/").unwrap_or(path))
    }

    /// All of it as a tar archive.
    pub fn tar(&self) -> Result<Vec<u8>> {
        let tar = Command::new("tar")
            .arg("-C")
            .arg(self.0.path())
            .args(["-c", "."])
            .output()?;
        ensure!(
            tar.status.success(),
            "tar: {}",
            String::from_utf8_lossy(&tar.stderr)
        );
        Ok(tar.stdout)
    }
}
