//! Which folders a container sees: the server's own, and those that the panel names and the node allows.
//!
//! Making the server's own directory, and giving it to the server's user, is the driver's business.

use bollard::models::{Mount, MountType};
use roost_wire::remote;
use std::path::{Component, Path, PathBuf};

/// Where a server finds its directory.
pub(super) const HOME: &str = "/home/container";

/// A folder of the node as the engine takes it.
pub(super) fn bind(source: &Path, target: &str, read_only: bool) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.to_string_lossy().into_owned()),
        target: Some(target.to_owned()),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

/// The panel's mounts as far as they are allowed, and a sentence for each that is not.
///
/// A source counts as below an allowed folder after links in both are followed: otherwise a link below it would open
/// the whole node.
pub(super) fn allowed(wanted: &[remote::Mount], allowed: &[String]) -> (Vec<Mount>, Vec<String>) {
    let folders: Vec<PathBuf> = allowed
        .iter()
        .filter_map(|folder| Path::new(folder).canonicalize().ok())
        .collect();
    let (mut mounts, mut refused) = (Vec::new(), Vec::new());
    for mount in wanted {
        match check(mount, &folders) {
            Ok(source) => mounts.push(bind(&source, &mount.target, mount.read_only)),
            Err(why) => refused.push(format!("The mount {} is left out: {why}.", mount.source)),
        }
    }
    (mounts, refused)
}

fn check(mount: &remote::Mount, folders: &[PathBuf]) -> Result<PathBuf, &'static str> {
    let target = Path::new(&mount.target);
    let plain = target
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !target.is_absolute() || !plain || target == Path::new("/") {
        return Err("its target must be an absolute path without `..`");
    }
    if target == Path::new(HOME) || Path::new(HOME).starts_with(target) {
        return Err("its target would hide the server's own directory");
    }
    if !Path::new(&mount.source).is_absolute() {
        return Err("its source must be an absolute path");
    }
    let source = Path::new(&mount.source)
        .canonicalize()
        .map_err(|_| "its source does not exist on the node")?;
    if folders.iter().any(|folder| source.starts_with(folder)) {
        Ok(source)
    } else {
        Err("its source is not below a folder of `allowed_mounts` in the node's configuration")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(source: &Path, target: &str) -> remote::Mount {
        remote::Mount {
            source: source.to_string_lossy().into_owned(),
            target: target.to_owned(),
            read_only: true,
        }
    }

    #[test]
    fn only_what_lies_below_an_allowed_folder_is_mounted() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("shared");
        let secret = dir.path().join("shared-not");
        std::fs::create_dir_all(shared.join("maps")).unwrap();
        std::fs::create_dir_all(&secret).unwrap();
        std::os::unix::fs::symlink(&secret, shared.join("link")).unwrap();
        let folders = vec![shared.to_string_lossy().into_owned()];

        let wanted = [
            mount(&shared.join("maps"), "/maps"),
            mount(&secret, "/a"),
            mount(&shared.join("link"), "/b"),
            mount(&shared.join("../shared-not"), "/c"),
            mount(&shared.join("missing"), "/d"),
            mount(&shared, "/home/container"),
            mount(&shared, "/home"),
            mount(&shared, "/"),
            mount(&shared, "relative"),
            mount(&shared, "/x/../home/container"),
        ];
        let (mounts, refused) = allowed(&wanted, &folders);
        let sources: Vec<_> = mounts.iter().filter_map(|m| m.target.as_deref()).collect();
        assert_eq!(sources, ["/maps"]);
        assert_eq!(mounts[0].read_only, Some(true));
        assert_eq!(refused.len(), wanted.len() - 1, "{refused:#?}");
        assert_eq!(allowed(&wanted[..1], &[]).0, []);
    }
}
