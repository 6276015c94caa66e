//! What the node writes down of each server, to go on from it in its next life: settings, power, how the last run ended.

use super::definition::Definition;
use crate::node::Layout;
use roost_power::Saved;
use roost_wire::node_api::LastEnd;
use std::{fs, io, io::Write, os::unix::fs::OpenOptionsExt, path::Path, path::PathBuf};
use uuid::Uuid;

/// A server as the disk knows it.
#[derive(Debug)]
pub struct Remembered {
    /// What it is.
    pub definition: Definition,
    /// What it did.
    pub saved: Saved,
    /// How its last run ended.
    pub last_end: Option<LastEnd>,
}

/// All servers on disk. One that can't be read is left out and logged: the panel still knows it.
pub fn load_all(layout: &Layout) -> io::Result<Vec<Remembered>> {
    let mut all = Vec::new();
    for entry in fs::read_dir(layout.servers())? {
        let name = entry?.file_name();
        let Some(uuid) = name.to_str().and_then(|text| Uuid::try_parse(text).ok()) else {
            continue;
        };
        match Definition::load(&settings_path(layout, uuid)) {
            Ok(definition) => all.push(Remembered {
                definition,
                saved: load_power(layout, uuid),
                last_end: load_end(layout, uuid),
            }),
            Err(error) => {
                tracing::warn!(%uuid, %error, "a server's settings on disk can't be read: left to the panel");
            }
        }
    }
    Ok(all)
}

/// Writes the settings down, durably.
pub fn save_definition(layout: &Layout, definition: &Definition) -> io::Result<()> {
    crate::node::make_private(&layout.server(definition.uuid))?;
    definition.save(&settings_path(layout, definition.uuid))
}

/// Writes new settings of a known server down; a failure is logged, for it works with them all the same.
pub async fn remember(layout: &Layout, definition: &Definition) {
    let (uuid, path, definition) = (
        definition.uuid,
        settings_path(layout, definition.uuid),
        definition.clone(),
    );
    // Its directory is not made: the server may have been deleted meanwhile.
    let saved = tokio::task::spawn_blocking(move || definition.save(&path)).await;
    if let Err(error) = saved.unwrap_or_else(|e| Err(io::Error::other(e))) {
        tracing::error!(server = %uuid, %error, "a server's settings could not be written to disk");
    }
}

/// What the server did last; offline if that is not known.
pub fn load_power(layout: &Layout, uuid: Uuid) -> Saved {
    match fs::read(power_path(layout, uuid)) {
        Ok(text) => serde_json::from_slice(&text).unwrap_or_default(),
        Err(_) => Saved::default(),
    }
}

/// Writes down what the server does. No fdatasync: after a power cut no program lives anyway.
pub fn save_power(layout: &Layout, uuid: Uuid, saved: &Saved) -> io::Result<()> {
    save(&power_path(layout, uuid), &serde_json::to_vec(saved)?)
}

/// How the server's last run ended; `None` if that is not known.
pub fn load_end(layout: &Layout, uuid: Uuid) -> Option<LastEnd> {
    let text = fs::read(end_path(layout, uuid)).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Writes down how a run ended, as [`save_power`] does.
pub fn save_end(layout: &Layout, uuid: Uuid, end: &LastEnd) -> io::Result<()> {
    save(&end_path(layout, uuid), &serde_json::to_vec(end)?)
}

fn save(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    // One that a crash left behind; a link put there must not be followed.
    let _ = fs::remove_file(&new);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(bytes)?;
    fs::rename(new, path)
}

fn settings_path(layout: &Layout, uuid: Uuid) -> PathBuf {
    layout.server(uuid).join("settings.json")
}

fn end_path(layout: &Layout, uuid: Uuid) -> PathBuf {
    layout.server(uuid).join("last-end.json")
}

fn power_path(layout: &Layout, uuid: Uuid) -> PathBuf {
    layout.server(uuid).join("state.json")
}
