//! Files, keys, users and nodes.

use crate::Told;
use anyhow::{Context, ensure};
use roost_world::Roost;
use std::os::unix::fs::MetadataExt;

#[test]
fn files_are_private() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter(""),
        "--start",
    ])?;
    let data = roost.data();
    let mode = |path: &std::path::Path| std::fs::symlink_metadata(path).map(|m| m.mode() & 0o777);
    assert_eq!(mode(&data)?, 0o711);
    for name in ["roost.toml", "roost.sqlite", "roost.sock", "keys/panel.key"] {
        assert_eq!(mode(&data.join(name))?, 0o600, "{name}");
    }
    let mut folders = vec![data.join("node")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else {
                assert_eq!(mode(&entry.path())? & 0o077, 0, "{}", entry.path().display());
            }
        }
    }
    Ok(())
}

#[test]
fn nodes_keys_and_users_print_what_scripts_need() -> Told {
    let roost = Roost::start()?;
    let node = roost.json(&["node", "show", "local", "--reveal-token"])?;
    for field in ["uuid", "address", "token_id", "token"] {
        ensure!(node[field].is_string(), "{field} is missing in {node}");
    }
    ensure!(roost.json(&["node", "show", "local"])?.get("token").is_none());
    let key = roost.json(&["key", "create", "admin", "--description", "bot"])?["key"]
        .as_str()
        .context("no key")?
        .to_owned();
    ensure!(
        key.len() == 48 && key.starts_with("ptlc_") && key.bytes().skip(5).all(|b| b.is_ascii_alphanumeric()),
        "{key}"
    );
    let keys = roost.json(&["key", "list"])?;
    assert_eq!(keys[0]["identifier"], key[..16]);
    ensure!(!keys.to_string().contains(&key), "the whole key is listed");
    roost.json(&["node", "add", "far", "--address", "https://node.example.com:8080"])?;
    let config = roost.cli(&["node", "config", "far", "--reveal-token"])?;
    let text = String::from_utf8_lossy(&config.stdout).into_owned();
    for word in ["uuid:", "token_id:", "token:", "remote:", "allowed_origins"] {
        ensure!(text.contains(word), "{word} is missing in\n{text}");
    }
    roost.json(&["node", "rotate", "far"])?;
    roost.json(&["node", "remove", "far"])?;
    Ok(())
}

#[test]
fn rotating_the_local_nodes_secret_disturbs_nobody() -> Told {
    let roost = Roost::start()?;
    roost.json(&[
        "server",
        "create",
        "x",
        "--command",
        &roost.chatter("--done up"),
        "--start",
    ])?;
    roost.json(&["node", "rotate", "local"])?;
    assert_eq!(roost.json(&["server", "show", "x"])?["state"], "running");
    roost.json(&["server", "send", "x", "say after rotation"])?;
    Ok(())
}
