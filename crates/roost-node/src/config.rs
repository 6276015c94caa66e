//! `config.yml`: read, and written again when the node's secret is replaced.
//!
//! What the keys mean stands in [`roost_wire::node_config`]. Keys that Roost does not know are kept when the file is
//! written, so that a stock daemon can still use it; comments are not.

use roost_wire::{
    nearest,
    node_config::{NodeConfig, RoostNode},
};
use serde_json::Value;
use std::{
    io,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// Why a config can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is no config.
    #[error("{path} is not a node's config: {reason}")]
    Content {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
}

/// Reads a node's config.
pub fn load(path: &Path) -> Result<NodeConfig, ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| file_error(path, source))?;
    let config: NodeConfig = serde_saphyr::from_str(&text).map_err(|e| content_error(path, e))?;
    let wrong = unknown_keys(&text);
    if !wrong.is_empty() {
        return Err(content_error(path, wrong.join("; ")));
    }
    for (key, value) in [
        ("token_id", &config.token_id),
        ("token", &config.token),
        ("remote", &config.remote),
    ] {
        if value.trim().is_empty() {
            return Err(content_error(
                path,
                format!("`{key}` is empty: take it from `roost node config NAME --reveal-token`"),
            ));
        }
    }
    Ok(config)
}

/// What stands under `roost` and is no key of Roost's. What else stands in the file may be a stock daemon's.
fn unknown_keys(text: &str) -> Vec<String> {
    let all: serde_json::Value = serde_saphyr::from_str(text).unwrap_or_default();
    let known = serde_json::to_value(RoostNode::default()).unwrap_or_default();
    let mut wrong = Vec::new();
    compare_keys("roost", &all["roost"], &known, &mut wrong);
    wrong
}

fn compare_keys(place: &str, found: &Value, known: &Value, wrong: &mut Vec<String>) {
    let (Some(found), Some(known)) = (found.as_object(), known.as_object()) else {
        return;
    };
    for (key, value) in found {
        match known.get(key) {
            Some(known) => compare_keys(&format!("{place}.{key}"), value, known, wrong),
            None => {
                let names: Vec<&str> = known.keys().map(String::as_str).collect();
                let meant = match nearest::nearest(key, names.iter().copied()) {
                    Some(meant) => format!("; did you mean `{meant}`?"),
                    None => ".".to_owned(),
                };
                wrong.push(format!(
                    "`{place}.{key}` is no setting{meant} There are: {}",
                    names.join(", ")
                ));
            }
        }
    }
}

/// Puts a new secret into the file and keeps everything else that stands there.
pub fn replace_token(path: &Path, token: &str, previous: &str) -> Result<(), ConfigError> {
    let text = std::fs::read_to_string(path).map_err(|source| file_error(path, source))?;
    let mut value: serde_json::Map<String, serde_json::Value> =
        serde_saphyr::from_str(&text).map_err(|e| content_error(path, e))?;
    value.insert("token".to_owned(), token.into());
    value.insert("previous_token".to_owned(), previous.into());
    let text = serde_saphyr::to_string(&value).map_err(|e| content_error(path, e))?;
    replace_file(path, text.as_bytes()).map_err(|source| file_error(path, source))
}

/// Writes a private file (0600) so that a reader finds the old or the new content, whole.
pub(crate) fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    use io::Write;
    // Two writers of one file would take each other's draft away.
    static ONE_DRAFT: Mutex<()> = Mutex::new(());
    let _one = ONE_DRAFT.lock().unwrap_or_else(PoisonError::into_inner);
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    // A leftover of a killed node could have another mode.
    match std::fs::remove_file(&new) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&new)?;
    file.write_all(content)?;
    file.sync_data()?;
    std::fs::rename(&new, path)
}

fn file_error(path: &Path, source: io::Error) -> ConfigError {
    ConfigError::File {
        path: path.to_owned(),
        source,
    }
}

fn content_error(path: &Path, reason: impl std::fmt::Display) -> ConfigError {
    ConfigError::Content {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const STOCK: &str = "
debug: false
app_name: Pterodactyl
uuid: 0b1ae0a9-6f0f-4f0b-9d0c-1d3c1a6b2f11
token_id: abcdefghij123456
token: secret-one
api:
  host: 0.0.0.0
  port: 8080
  ssl:
    enabled: false
    cert: /etc/letsencrypt/live/x/fullchain.pem
    key: /etc/letsencrypt/live/x/privkey.pem
  upload_limit: 100
system:
  data: /srv/volumes
  sftp:
    bind_port: 2022
allowed_mounts: []
remote: 'https://panel.example.com'
";

    #[test]
    fn a_stock_config_is_read_and_keeps_its_other_keys_when_the_secret_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yml");
        std::fs::write(&path, STOCK).unwrap();
        let config = load(&path).unwrap();
        assert_eq!(config.token, "secret-one");
        assert_eq!(config.system.data, "/srv/volumes");

        replace_token(&path, "secret: two", &config.token).unwrap();
        let config = load(&path).unwrap();
        assert_eq!(config.token, "secret: two");
        assert_eq!(config.previous_token.as_deref(), Some("secret-one"));
        assert!(std::fs::read_to_string(&path).unwrap().contains("bind_port"));
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn an_unknown_key_of_roost_s_own_is_named_with_the_one_that_was_meant() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yml");
        let with = |section: &str| {
            std::fs::write(&path, format!("{STOCK}{section}")).unwrap();
            load(&path).map_err(|e| e.to_string())
        };
        let wrong =
            with("roost:\n  boot_start: 3\n  consoles:\n    per_adres: 1\n    total: 5\n").unwrap_err();
        assert!(wrong.contains("config.yml"), "{wrong}");
        assert!(
            wrong.contains("`roost.boot_start` is no setting; did you mean `boot_starts`?"),
            "{wrong}"
        );
        assert!(
            wrong.contains("`roost.consoles.per_adres` is no setting; did you mean `per_address`?"),
            "{wrong}"
        );
        assert!(!wrong.contains("`roost.consoles.total`"), "{wrong}");
        let wrong = with("roost:\n  colour: red\n").unwrap_err();
        assert!(
            wrong.contains("`roost.colour` is no setting. There are: ") && wrong.contains("uid_first"),
            "{wrong}"
        );
        let right =
            with("roost:\n  boot_starts: 3\n  consoles:\n    per_address: 1\nsearch_recursion: 1\n").unwrap();
        assert_eq!(
            (right.roost.boot_starts, right.roost.consoles.per_address),
            (3, 1)
        );
    }

    #[test]
    fn an_empty_secret_is_refused_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.yml");
        std::fs::write(&path, STOCK.replace("secret-one", "''")).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("`token` is empty"));
        assert!(
            load(&dir.path().join("none.yml"))
                .unwrap_err()
                .to_string()
                .contains("none.yml")
        );
    }
}
