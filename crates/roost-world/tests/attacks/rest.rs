//! Rows 20 and 21: what lies on the disk, and what is in the log.

use super::{Told, scene};
use anyhow::ensure;
use roost_world::Viewer;
use std::os::unix::fs::MetadataExt;

#[tokio::test]
async fn row_20_nothing_on_the_disk_is_for_others() -> Told {
    let scene = scene().await?;
    let data = scene.roost.data();
    let mut folders = vec![data.join("node"), data.join("keys")];
    let mut files = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            let meta = entry.path().symlink_metadata()?;
            ensure!(!meta.is_symlink(), "{} is a link", entry.path().display());
            if meta.is_dir() {
                folders.push(entry.path());
            } else {
                files += 1;
                assert_eq!(meta.mode() & 0o077, 0, "{}", entry.path().display());
            }
        }
    }
    ensure!(files > 3, "only {files} files were looked at");
    scene.still_fine().await
}

#[tokio::test]
async fn row_21_no_secret_is_logged_wherever_a_client_puts_it() -> Told {
    let scene = scene().await?;
    let (token, socket) = scene.admin.credentials("target").await?;
    // In the address, in a header that belongs to the panel, as a bad token, and in a path that does not exist.
    let mut viewer = Viewer::open_with(
        &format!("{socket}?token={token}"),
        &[("authorization", "Bearer ptlc_secretsecretsecret")],
    )
    .await?;
    viewer.wait_for("auth success", |_| true).await?;
    let mut bad = Viewer::open(&socket).await?;
    bad.send("auth", &["ptlc_secretsecretsecret"]).await?;
    bad.wait_for("jwt error", |_| true).await?;
    scene.admin.get(&format!("/api/nothing?token={token}")).await?;
    let log = scene.roost.log();
    let signature = token.rsplit('.').next().unwrap_or_default();
    for secret in [signature, "secretsecretsecret", roost_world::roost::PASSWORD] {
        ensure!(!log.contains(secret), "the log holds {secret}:\n{log}");
    }
    scene.still_fine().await
}
