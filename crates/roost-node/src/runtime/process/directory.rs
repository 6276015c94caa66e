//! Whether a server's user can work in its directory, by owner, group and mode, and the line that mends it.
//!
//! An operator's own directory is given to the server's user only where that takes nothing from anybody: if it is empty
//! and root's, or if the operator has said so. Which directories no server gets at all is not decided here.

use super::super::StartError;
use rustix::fs::{AtFlags, Dir, FileType, Gid, Mode, OFlags, Uid};
use std::{
    io,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::Path,
};

/// Folders in folders that are given away; a deeper tree is no game's.
const DEPTH_MAX: usize = 256;

/// Who is to work in it: user and group.
pub type Owner = (u32, u32);

/// Checks `dir` for a user. As root an empty directory of root's is given to the user, and with `give` whatever it is and
/// holds. The error has the command that helps.
pub fn prepare(dir: &Path, owner: Owner, give: bool) -> Result<(), StartError> {
    let (uid, gid) = owner;
    let real = dir.canonicalize().map_err(|e| {
        StartError(format!(
            "The directory {} can't be used ({e}): make it, or give another one.",
            dir.display()
        ))
    })?;
    if !real.is_dir() {
        return Err(StartError(format!(
            "{} is not a directory: give another one.",
            real.display()
        )));
    }
    for parent in real.ancestors().skip(1) {
        if !may(parent, owner, 0o1)? {
            let shown = parent.display();
            return Err(StartError(format!(
                "The server's user {uid} can't pass {shown}: chmod o+x {shown}"
            )));
        }
    }
    let shown = real.display();
    let is_root = rustix::process::geteuid().is_root();
    if give && !is_root {
        return Err(StartError(format!(
            "Roost does not run as root and can't give {shown} to user {uid}: as root, chown -R {uid}:{gid} {shown}"
        )));
    }
    if give || (is_root && !may(&real, owner, 0o7)? && is_empty_and_roots(&real)) {
        give_tree(&real, owner)
            .map_err(|e| StartError(format!("{shown} can't be given to user {uid}: {e}.")))?;
    }
    if may(&real, owner, 0o7)? {
        return Ok(());
    }
    if real.metadata().is_ok_and(|meta| meta.uid() == uid) {
        return Err(StartError(format!(
            "The server's user {uid} owns {shown}, but can't write to it: chmod u+rwx {shown}"
        )));
    }
    let first = if is_root {
        ". Have Roost give it away with --chown, or"
    } else {
        ""
    };
    Err(StartError(format!(
        "The server's user {uid} can't write to {shown}{first}: chown -R {uid}:{gid} {shown}"
    )))
}

fn may(path: &Path, (uid, gid): Owner, wanted: u32) -> Result<bool, StartError> {
    let meta = path
        .metadata()
        .map_err(|e| StartError(format!("{}: {e}", path.display())))?;
    let mode = meta.mode();
    let bits = if meta.uid() == uid {
        mode >> 6
    } else if meta.gid() == gid {
        mode >> 3
    } else {
        mode
    };
    Ok(uid == 0 || bits & wanted == wanted)
}

fn is_empty_and_roots(dir: &Path) -> bool {
    let is_roots = dir.metadata().is_ok_and(|meta| meta.uid() == 0);
    is_roots && dir.read_dir().is_ok_and(|mut entries| entries.next().is_none())
}

/// Gives a directory and all below it to a user, on its own file system. Everything is named below its open folder, so
/// that a link that somebody puts there meanwhile is given, not followed.
fn give_tree(dir: &Path, owner: Owner) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = rustix::fs::open(dir, flags, Mode::empty())?;
    let device = rustix::fs::fstat(&folder)?.st_dev;
    give_folder(&folder, device, owner, 0)
}

fn give_folder(folder: &OwnedFd, device: u64, owner: Owner, depth: usize) -> io::Result<()> {
    if depth > DEPTH_MAX {
        return Err(io::Error::other(format!(
            "folders lie more than {DEPTH_MAX} deep"
        )));
    }
    let (uid, gid) = (Some(Uid::from_raw(owner.0)), Some(Gid::from_raw(owner.1)));
    for entry in Dir::read_from(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        if matches!(name.to_bytes(), b"." | b"..") {
            continue;
        }
        let meta = rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?;
        if FileType::from_raw_mode(meta.st_mode) != FileType::Directory {
            rustix::fs::chownat(folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)?;
        } else if meta.st_dev == device {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let below = rustix::fs::openat(folder, name, flags, Mode::empty())?;
            give_folder(&below, device, owner, depth + 1)?;
        }
    }
    Ok(rustix::fs::fchown(folder, uid, gid)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, lchown, symlink};

    const OWNER: Owner = (712_345, 712_345);

    fn set_mode(dir: &Path, mode: u32) {
        std::fs::set_permissions(dir, std::fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn the_line_that_mends_it_is_in_the_error() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        set_mode(dir.path(), 0o755);
        let error = prepare(dir.path(), OWNER, false).unwrap_err().to_string();
        assert!(
            error.contains(&format!("chown -R 712345:712345 {}", dir.path().display())),
            "{error}"
        );
        set_mode(dir.path(), 0o777);
        prepare(dir.path(), OWNER, false).unwrap();
        let error = prepare(&file, (0, 0), false).unwrap_err().to_string();
        assert!(error.contains("not a directory"), "{error}");
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        set_mode(dir.path(), 0o700);
        let error = prepare(&inner, OWNER, true).unwrap_err().to_string();
        assert!(error.contains("chmod o+x"), "{error}");
    }

    #[test]
    fn only_an_empty_directory_of_root_s_is_given_away_unasked() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        set_mode(dir.path(), 0o755);
        let owner = |path: &Path| {
            let meta = path.symlink_metadata().unwrap();
            (meta.uid(), meta.gid())
        };
        // Somebody else's stays his.
        let theirs = dir.path().join("theirs");
        std::fs::create_dir(&theirs).unwrap();
        lchown(&theirs, Some(4321), Some(4321)).unwrap();
        prepare(&theirs, OWNER, false).unwrap_err();
        assert_eq!(owner(&theirs), (4321, 4321));
        // One that holds something is the operator's to give.
        let full = dir.path().join("full");
        std::fs::create_dir_all(full.join("deep/deeper")).unwrap();
        std::fs::write(full.join("deep/deeper/file"), "").unwrap();
        let outside = dir.path().join("outside");
        std::fs::write(&outside, "").unwrap();
        symlink(&outside, full.join("link")).unwrap();
        symlink(dir.path(), full.join("deep/up")).unwrap();
        let error = prepare(&full, OWNER, false).unwrap_err().to_string();
        assert!(error.contains("--chown"), "{error}");
        assert_eq!(owner(&full), (0, 0));
        prepare(&full, OWNER, true).unwrap();
        for given in ["", "deep", "deep/deeper", "deep/deeper/file", "link", "deep/up"] {
            assert_eq!(owner(&full.join(given)), OWNER, "{given}");
        }
        for kept in [outside.as_path(), dir.path()] {
            assert_eq!(owner(kept), (0, 0), "a link was followed to {}", kept.display());
        }
        // An empty one is given; where its mode shuts its owner out, that is said.
        let empty = dir.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        prepare(&empty, OWNER, false).unwrap();
        assert_eq!(owner(&empty), OWNER);
        set_mode(&empty, 0o500);
        let error = prepare(&empty, OWNER, false).unwrap_err().to_string();
        assert!(error.contains("chmod u+rwx"), "{error}");
        // One that everybody may use is nobody's to take.
        let open = dir.path().join("open");
        std::fs::create_dir(&open).unwrap();
        set_mode(&open, 0o777);
        prepare(&open, OWNER, false).unwrap();
        assert_eq!(owner(&open), (0, 0));
    }
}
