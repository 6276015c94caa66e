//! Which files a program may reach, as a Landlock ruleset.
//!
//! Landlock grants and never takes back, so everything but the denied directories is granted entry by entry: what is
//! made beside them later can't be read. Names can be listed everywhere. The program can't signal or trace what is
//! outside. Who is confined at all is the node's decision.

use crate::spec::{Confine, Confined};
use landlock::{
    ABI, Access, AccessFs, BitFlags, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreated, RulesetCreatedAttr, RulesetError, Scope,
};
use std::{
    os::fd::OwnedFd,
    path::{Path, PathBuf},
};

/// The newest rules used here. Older kernels enforce what they know.
const KNOWN: ABI = ABI::V6;

/// The ruleset, and how much of it this kernel will enforce.
pub(super) fn ruleset(confine: &Confine) -> Result<(Option<OwnedFd>, Confined), String> {
    let refused =
        |error: RulesetError| format!("Landlock refused the server's rules ({error}): report this.");
    let ruleset: Option<OwnedFd> = build(confine, CompatLevel::BestEffort).map_err(refused)?.into();
    let confined = match ruleset {
        None => Confined::Unsupported,
        Some(_) if handled(CompatLevel::HardRequirement).is_ok() => Confined::Fully,
        Some(_) => Confined::Partly,
    };
    Ok((ruleset, confined))
}

/// How much of a ruleset this kernel would enforce.
pub fn confinement() -> Confined {
    let ruleset = handled(CompatLevel::BestEffort).and_then(Ruleset::create);
    match ruleset.map(Option::<OwnedFd>::from) {
        Ok(Some(_)) if handled(CompatLevel::HardRequirement).is_ok() => Confined::Fully,
        Ok(Some(_)) => Confined::Partly,
        Ok(None) | Err(_) => Confined::Unsupported,
    }
}

fn handled(level: CompatLevel) -> Result<Ruleset, RulesetError> {
    Ruleset::default()
        .set_compatibility(level)
        .handle_access(AccessFs::from_all(KNOWN))?
        .scope(Scope::Signal)
}

fn build(confine: &Confine, level: CompatLevel) -> Result<RulesetCreated, RulesetError> {
    let (all, read) = (AccessFs::from_all(KNOWN), AccessFs::from_read(KNOWN));
    let mut ruleset = handled(level)?.create()?;
    ruleset = grant(ruleset, Path::new("/"), AccessFs::ReadDir.into())?;
    let denied: Vec<PathBuf> = confine
        .denied
        .iter()
        .filter_map(|path| path.canonicalize().ok())
        .collect();
    let mut readable = Vec::new();
    readable_entries(Path::new("/"), &denied, &mut readable);
    for path in readable {
        ruleset = grant(ruleset, &path, read)?;
    }
    // Whether devices obey is theirs to say. A directory that holds something denied can't be granted as a whole.
    for path in ["/tmp", "/dev"].map(Path::new) {
        if !denied.iter().any(|denied| denied.starts_with(path)) {
            ruleset = grant(ruleset, path, all)?;
        }
    }
    for path in &confine.readable {
        ruleset = grant(ruleset, path, read)?;
    }
    for path in &confine.writable {
        ruleset = grant(ruleset, path, all)?;
    }
    Ok(ruleset)
}

/// Adds a rule; a path that can't be opened is one that can't be granted.
fn grant(
    ruleset: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated, RulesetError> {
    let Ok(fd) = PathFd::new(path) else {
        return Ok(ruleset);
    };
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(KNOWN)
    };
    ruleset.add_rule(PathBeneath::new(fd, access))
}

/// The largest parts of the tree below `directory` that hold nothing denied.
fn readable_entries(directory: &Path, denied: &[PathBuf], found: &mut Vec<PathBuf>) {
    if denied.is_empty() {
        found.push(directory.to_owned());
        return;
    }
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let path = entry.path();
        if denied.contains(&path) {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
            // Its target is granted, or not, where it lies.
            continue;
        }
        if denied.iter().any(|denied| denied.starts_with(&path)) {
            readable_entries(&path, denied, found);
        } else {
            found.push(path);
        }
    }
}
