//! Builds `programs/chatter.rs`, the server that tests run: statically linked, once a build.

use anyhow::{Context, ensure};
use std::{path::PathBuf, process::Command, sync::OnceLock};

/// The program's path. Copy it to where a server's user can reach it.
pub fn program() -> anyhow::Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM
        .get_or_init(|| build().map_err(|e| format!("{e:#}")))
        .clone()
        .map_err(anyhow::Error::msg)
}

fn build() -> anyhow::Result<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("programs/chatter.rs");
    let target = crate::roost::target_dir().join("chatter");
    let fresh = |a: &PathBuf, b: &PathBuf| -> Option<bool> {
        Some(a.metadata().ok()?.modified().ok()? >= b.metadata().ok()?.modified().ok()?)
    };
    if fresh(&target, &source) == Some(true) {
        return Ok(target);
    }
    let temporary = target.with_extension(std::process::id().to_string());
    let status = Command::new("rustc")
        .args([
            "--edition",
            "2021",
            "-O",
            "-C",
            "target-feature=+crt-static",
            "-o",
        ])
        .arg(&temporary)
        .arg(&source)
        .status()
        .context("rustc is needed to build the tests' server")?;
    ensure!(status.success(), "programs/chatter.rs did not compile");
    std::fs::rename(&temporary, &target)?;
    Ok(target)
}
