//! `programs/chatter.rs`, the server that tests run: built once a build, statically linked; and what it said.

use crate::roost::Roost;
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

/// The numbers of its lines in a server's journal, in order; pieces of a line are put together.
pub fn numbers(roost: &Roost, server: &str) -> anyhow::Result<Vec<u64>> {
    let lines = roost.json_lines(&["server", "logs", server, "--all"])?;
    let mut joined: Vec<String> = Vec::new();
    let mut last_open = false;
    for line in lines.iter().filter(|l| l["source"] == "output") {
        let text = line["text"].as_str().context("no text")?;
        match joined.last_mut() {
            Some(last) if last_open => last.push_str(text),
            _ => joined.push(text.to_owned()),
        }
        last_open = line["open"] == true;
    }
    Ok(joined
        .iter()
        .filter_map(|l| l.strip_prefix('L')?.split(' ').next()?.parse().ok())
        .collect())
}

/// Fails unless they count from 1 on.
pub fn assert_each_once(numbers: &[u64]) -> anyhow::Result<()> {
    for (at, number) in numbers.iter().enumerate() {
        ensure!(
            *number == at as u64 + 1,
            "line {at} is followed by {number} (of {})",
            numbers.len()
        );
    }
    Ok(())
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
