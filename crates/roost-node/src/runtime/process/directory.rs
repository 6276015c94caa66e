//! Whether a server's user can work in its directory, by owner, group and mode, and the line that mends it.
//!
//! An operator's own directory is never chowned nor changed.

use super::super::StartError;
use std::{os::unix::fs::MetadataExt, path::Path};

/// Directories that nobody should give to a server.
const SYSTEM: [&str; 22] = [
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/srv",
    "/sys",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/local",
    "/var",
    "/var/lib",
];

/// Checks `dir` for a user whose group has the same number. The error holds the command that helps.
pub fn check(dir: &Path, uid: u32) -> Result<(), StartError> {
    let absolute = dir.canonicalize().map_err(|e| {
        StartError(format!(
            "The directory {} can't be used ({e}): make it, or give another one.",
            dir.display()
        ))
    })?;
    if !absolute.is_dir() {
        return Err(StartError(format!(
            "{} is not a directory: give another one.",
            absolute.display()
        )));
    }
    for parent in absolute.ancestors().skip(1) {
        if !may(parent, uid, 0o1)? {
            let shown = parent.display();
            return Err(StartError(format!(
                "The server's user {uid} can't pass {shown}: chmod o+x {shown}"
            )));
        }
    }
    if may(&absolute, uid, 0o7)? {
        return Ok(());
    }
    let shown = absolute.display();
    if SYSTEM.iter().any(|name| Path::new(name) == absolute) {
        return Err(StartError(format!(
            "{shown} belongs to the system: make a directory for the server, such as /srv/my-server, and give that."
        )));
    }
    Err(StartError(format!(
        "The server's user {uid} can't write to {shown}: chown -R {uid}:{uid} {shown}"
    )))
}

fn may(path: &Path, uid: u32, wanted: u32) -> Result<bool, StartError> {
    let meta = path
        .metadata()
        .map_err(|e| StartError(format!("{}: {e}", path.display())))?;
    let mode = meta.mode();
    let bits = if meta.uid() == uid {
        mode >> 6
    } else if meta.gid() == uid {
        mode >> 3
    } else {
        mode
    };
    Ok(uid == 0 || bits & wanted == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn nobody_is_told_to_give_the_system_away() {
        let error = check(Path::new("/etc"), 712_345).unwrap_err().0;
        assert!(
            error.contains("/srv/my-server") && !error.contains("chown"),
            "{error}"
        );
    }

    #[test]
    fn the_line_that_mends_it_is_in_the_error() {
        let dir = tempfile::tempdir_in("/tmp").unwrap();
        let mode =
            |mode| std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o755);
        let error = check(dir.path(), 712_345).unwrap_err().to_string();
        assert!(
            error.contains(&format!("chown -R 712345:712345 {}", dir.path().display())),
            "{error}"
        );
        mode(0o777);
        check(dir.path(), 712_345).unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert!(
            check(&file, 0)
                .unwrap_err()
                .to_string()
                .contains("not a directory")
        );
        let inner = dir.path().join("inner");
        std::fs::create_dir(&inner).unwrap();
        mode(0o700);
        assert!(
            check(&inner, 712_345)
                .unwrap_err()
                .to_string()
                .contains("chmod o+x")
        );
    }
}
