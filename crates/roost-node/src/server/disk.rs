//! How much a server's directory holds.
//!
//! When to look again is the actor's business.

use std::{collections::HashSet, fs, os::unix::fs::MetadataExt, path::Path};

/// Entries that are looked at in one walk; what lies beyond is not counted.
const ENTRIES_MAX: usize = 5_000_000;

/// Bytes on disk below `dir`, hard links counted once, links not followed. What can't be read counts as nothing: a
/// server may delete while it is measured. Blocks.
pub fn used_bytes(dir: &Path) -> u64 {
    let mut total: u64 = 0;
    let mut linked = HashSet::new();
    let mut waiting = vec![dir.to_owned()];
    let mut entries = 0;
    while let Some(dir) = waiting.pop() {
        let Ok(list) = fs::read_dir(&dir) else { continue };
        for entry in list.flatten() {
            entries += 1;
            if entries > ENTRIES_MAX {
                return total;
            }
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                waiting.push(entry.path());
            } else if meta.nlink() > 1 && !linked.insert((meta.dev(), meta.ino())) {
                continue;
            }
            total += meta.blocks() * 512;
        }
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_once_however_often_they_are_linked() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        let empty = used_bytes(dir.path());
        fs::write(deep.join("world"), vec![1; 100_000]).unwrap();
        let once = used_bytes(dir.path()) - empty;
        assert!((100_000..120_000).contains(&once), "{once}");
        fs::hard_link(deep.join("world"), dir.path().join("copy")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("all")).unwrap();
        let twice = used_bytes(dir.path()) - empty;
        assert!(twice < once + 10_000, "{twice}");
        assert_eq!(used_bytes(&dir.path().join("none")), 0);
    }
}
