//! The web console in a real browser, against the running binary: the stories in `web/e2e`.

use anyhow::{Context, ensure};
use roost_world::{Roost, roost::PASSWORD};
use std::{path::Path, process::Command};

#[test]
fn all_stories_of_the_web_console() -> anyhow::Result<()> {
    let roost = Roost::start()?;
    let web = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web");
    let status = Command::new("npm")
        .args(["run", "--silent", "e2e"])
        .current_dir(&web)
        .env("BASE_URL", roost.url())
        .env("ROOST_USER", "admin")
        .env("ROOST_PASSWORD", PASSWORD)
        .status()
        .context("npm is missing")?;
    ensure!(
        status.success(),
        "the browser's stories failed: see above; the log of roost up:\n{}",
        roost.log()
    );
    Ok(())
}
