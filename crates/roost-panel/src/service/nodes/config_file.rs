//! The `config.yml` of a node: what stock Wings boots with, and `roost daemon --config` reads.

use crate::store::NodeRow;
use std::fmt::Write as _;

/// What stands in it beside the node.
#[derive(Debug)]
pub(crate) struct Settings<'a> {
    /// The secret; `None`: it is not to be shown.
    pub(crate) token: Option<&'a str>,
    /// The panel's address as the node reaches it.
    pub(crate) remote: &'a str,
    /// Pages that may open sockets.
    pub(crate) allowed_origins: &'a [String],
    /// Nobody said where the panel is reached: `remote` is where it was asked.
    pub(crate) is_guess: bool,
}

/// The file.
pub(crate) fn text(node: &NodeRow, settings: &Settings<'_>) -> String {
    let listens_at = node.internal_address.as_deref().unwrap_or(&node.address);
    let uri: http::Uri = listens_at.parse().unwrap_or_default();
    let https = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });
    let host = uri
        .host()
        .unwrap_or("localhost")
        .trim_matches(['[', ']'])
        .to_owned();
    let mut yml = String::new();
    if settings.token.is_none() {
        yml.push_str("# The secret is left out: `roost node config NAME --reveal-token` prints it.\n");
    }
    if settings.is_guess {
        yml.push_str(
            "# The panel does not know its public address. If the node can't reach it at `remote`, or browsers open it by a\n\
             # name that is not among `allowed_origins`: set it (`url` in roost.toml) and print this again.\n",
        );
    }
    let token = settings
        .token
        .map_or_else(|| "(hidden)".to_owned(), str::to_owned);
    let _ = write!(
        yml,
        "debug: false\n\
         uuid: {uuid}\n\
         token_id: {token_id}\n\
         token: {token}\n\
         api:\n\
         \x20 host: 0.0.0.0\n\
         \x20 port: {port}\n\
         \x20 ssl:\n\
         \x20   enabled: {https}\n\
         \x20   cert: {cert}\n\
         \x20   key: {key}\n\
         \x20 upload_limit: 100\n\
         system:\n\
         \x20 root_directory: /var/lib/pterodactyl\n\
         \x20 log_directory: /var/log/pterodactyl\n\
         \x20 data: /var/lib/pterodactyl/volumes\n\
         \x20 sftp:\n\
         \x20   bind_port: 2022\n\
         allowed_mounts: []\n\
         remote: {remote}\n",
        uuid = quoted(&node.uuid.to_string()),
        token_id = quoted(&node.token_id),
        token = quoted(&token),
        cert = quoted(&format!("/etc/letsencrypt/live/{host}/fullchain.pem")),
        key = quoted(&format!("/etc/letsencrypt/live/{host}/privkey.pem")),
        remote = quoted(settings.remote),
    );
    if settings.allowed_origins.is_empty() {
        yml.push_str("allowed_origins: []\n");
    } else {
        yml.push_str("allowed_origins:\n");
        for origin in settings.allowed_origins {
            let _ = writeln!(yml, "  - {}", quoted(origin));
        }
    }
    yml
}

/// A text of JSON is one of YAML.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
