//! The private engine's bridge: a name and a subnet that nobody else on the machine has.
//!
//! What is attached to it is the engine's business.

use anyhow::{Context, Result, bail};
use std::{path::Path, process::Command};

/// How many engines can run side by side.
const MOST: u32 = 200;
/// File with the bridge's name.
const FILE: &str = "bridge";

/// Makes a bridge and writes down its name. Names are numbered and the kernel gives out each only once, so that the
/// subnets, which have the same numbers, never overlap.
pub(super) fn make(dir: &Path) -> Result<()> {
    let first = std::process::id() % MOST;
    for n in (first..MOST).chain(0..first) {
        let name = format!("roosttest{n}");
        if ip(&["link", "add", "name", &name, "type", "bridge"])?.is_some() {
            continue;
        }
        std::fs::write(dir.join(FILE), &name)?;
        for step in [
            &["addr", "add", &format!("10.213.{n}.1/24"), "dev", &name],
            &["link", "set", "dev", &name, "up"][..],
        ] {
            if let Some(error) = ip(step)? {
                bail!("the bridge {name} can't be set up: {error}");
            }
        }
        return Ok(());
    }
    bail!("no bridge could be made: is `ip link add type bridge` allowed here?")
}

/// The name of the bridge of the engine in `dir`.
pub(super) fn name(dir: &Path) -> Result<String> {
    std::fs::read_to_string(dir.join(FILE)).context("the engine has no bridge")
}

/// Removes the bridge of the engine in `dir`.
pub(super) fn remove(dir: &Path) {
    if let Ok(name) = name(dir) {
        let _ = ip(&["link", "del", "dev", &name]);
    }
}

/// `None`: done. Else what `ip` says.
fn ip(arguments: &[&str]) -> Result<Option<String>> {
    let output = Command::new("ip")
        .args(arguments)
        .output()
        .context("`ip` can't be run: install it (`apt-get install iproute2`)")?;
    Ok((!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}
