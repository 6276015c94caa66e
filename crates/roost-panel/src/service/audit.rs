//! How audit rows are made: who acted, by which way, on what.
//!
//! Details never hold secrets. Writing rows down is the store's business.

use crate::{
    panel::App,
    store::{AuditEntry, ServerRow},
};
use serde_json::{Map, Value};
use uuid::Uuid;

/// Who acted, as the audit names him.
#[derive(Debug, Clone)]
pub struct Actor {
    /// The account with its name, where known.
    pub user: Option<(Uuid, String)>,
    /// From where.
    pub address: Option<String>,
    /// `session`, `key`, `socket`, `cli` or `node`.
    pub via: &'static str,
    /// Public id of the session or key.
    pub credential: Option<String>,
    /// The command line's user on this machine.
    pub uid: Option<u32>,
}

impl Actor {
    /// The panel itself, before anybody can ask it.
    pub fn start() -> Self {
        Self {
            user: None,
            address: None,
            via: "cli",
            credential: None,
            uid: None,
        }
    }
}

/// A row that says: `actor` did `event` now.
pub fn entry(app: &App, actor: &Actor, event: &str) -> AuditEntry {
    let mut details = Map::new();
    if let Some(credential) = &actor.credential {
        details.insert("credential".to_owned(), credential.as_str().into());
    }
    if let Some(uid) = actor.uid {
        details.insert("uid".to_owned(), uid.into());
    }
    AuditEntry {
        row: None,
        time: app.now(),
        event: event.to_owned(),
        user: actor.user.clone(),
        server: None,
        address: actor.address.clone(),
        via: actor.via,
        details,
    }
}

impl AuditEntry {
    /// On this server.
    pub fn on(mut self, server: &ServerRow) -> Self {
        self.server = Some((server.uuid, server.identifier.clone()));
        self
    }

    /// With this detail; texts are cut at 500 characters.
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) if text.len() > 500 => Value::String(text.chars().take(500).collect()),
            other => other,
        };
        self.details.insert(name.to_owned(), value);
        self
    }
}
