//! Servers, with the names of their owners and their nodes: what a row is.
//!
//! Finding them is `reads`' business, writing them `changes`'.

mod changes;
mod reads;

use super::{NodeRow, Result, StoreError};
use roost_wire::{
    admin_api::Port,
    encoding::Encoding,
    power::PowerState,
    remote::{Pull, RestartPolicy, Runtime},
};
use std::collections::BTreeMap;
use uuid::Uuid;

/// A server. Units are those of [`roost_wire::admin_api::ServerSettings`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names are those of the wire's ServerSettings")]
pub struct ServerRow {
    /// Small number, for clients that want one; 0 before it is stored.
    pub number: i64,
    pub uuid: Uuid,
    pub identifier: String,
    pub name: String,
    pub description: String,
    pub owner: Uuid,
    /// Its owner's name; not stored with the server.
    pub owner_name: String,
    pub node: Option<Uuid>,
    /// Its node, fetched together with it; not stored with the server.
    pub node_row: Option<NodeRow>,
    pub runtime: Runtime,
    pub command: Vec<String>,
    pub image: Option<String>,
    pub startup: Option<String>,
    pub pull: Pull,
    pub dir: Option<String>,
    pub ports: Vec<Port>,
    pub memory: i64,
    pub cpu: i64,
    pub disk: i64,
    pub done: Option<String>,
    pub stop: Option<String>,
    pub stop_timeout: i64,
    pub restart: RestartPolicy,
    pub env: BTreeMap<String, String>,
    pub encoding: Encoding,
    pub suspended: bool,
    /// `None`: normal; `installing`, `install_failed` or `reinstall_failed`.
    pub status: Option<String>,
    /// What its node said last.
    pub state: Option<PowerState>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch.
    pub updated_at: i64,
}

impl ServerRow {
    /// Whether its installer is at work.
    pub fn is_installing(&self) -> bool {
        self.status.as_deref() == Some("installing")
    }
}

/// Which servers a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisibleServers {
    /// Owned by this user, or shared with him.
    Mine(Uuid),
    /// Owned by this user.
    Owned(Uuid),
    /// Neither owned by nor shared with this user.
    Others(Uuid),
    /// All.
    All,
}

#[derive(sqlx::FromRow)]
struct Raw {
    number: i64,
    uuid: String,
    identifier: String,
    name: String,
    description: String,
    owner_uuid: String,
    owner_name: String,
    node_uuid: Option<String>,
    node_name: Option<String>,
    node_address: Option<String>,
    node_internal: Option<String>,
    node_token_id: Option<String>,
    node_sealed: Option<String>,
    node_previous: Option<String>,
    node_previous_until: Option<i64>,
    node_confirmed: Option<bool>,
    node_created_at: Option<i64>,
    runtime: String,
    command: String,
    image: Option<String>,
    startup: Option<String>,
    pull: String,
    dir: Option<String>,
    ports: String,
    memory: i64,
    cpu: i64,
    disk: i64,
    done: Option<String>,
    stop: Option<String>,
    stop_timeout: i64,
    restart: String,
    env: String,
    encoding: String,
    suspended: bool,
    status: Option<String>,
    state: Option<String>,
    created_at: i64,
    updated_at: i64,
}

impl TryFrom<Raw> for ServerRow {
    type Error = StoreError;

    fn try_from(raw: Raw) -> Result<Self> {
        let node = raw.node_uuid.as_deref().map(uuid).transpose()?;
        let node_row = match (
            node,
            raw.node_name,
            raw.node_address,
            raw.node_token_id,
            raw.node_sealed,
        ) {
            (Some(uuid), Some(name), Some(address), Some(token_id), Some(token_sealed)) => Some(NodeRow {
                uuid,
                name,
                address,
                internal_address: raw.node_internal,
                token_id,
                token_sealed,
                previous_sealed: raw.node_previous,
                previous_until: raw.node_previous_until,
                confirmed: raw.node_confirmed.unwrap_or_default(),
                created_at: raw.node_created_at.unwrap_or_default(),
            }),
            _ => None,
        };
        Ok(Self {
            number: raw.number,
            uuid: uuid(&raw.uuid)?,
            identifier: raw.identifier,
            name: raw.name,
            description: raw.description,
            owner: uuid(&raw.owner_uuid)?,
            owner_name: raw.owner_name,
            node,
            node_row,
            runtime: word(&raw.runtime)?,
            command: json(&raw.command)?,
            image: raw.image,
            startup: raw.startup,
            pull: word(&raw.pull)?,
            dir: raw.dir,
            ports: json(&raw.ports)?,
            memory: raw.memory,
            cpu: raw.cpu,
            disk: raw.disk,
            done: raw.done,
            stop: raw.stop,
            stop_timeout: raw.stop_timeout,
            restart: word(&raw.restart)?,
            env: json(&raw.env)?,
            encoding: word(&raw.encoding)?,
            suspended: raw.suspended,
            status: raw.status,
            state: raw.state.as_deref().map(word).transpose()?,
            created_at: raw.created_at,
            updated_at: raw.updated_at,
        })
    }
}

fn uuid(text: &str) -> Result<Uuid> {
    Uuid::try_parse(text).map_err(|_| StoreError::Unreadable("UUID"))
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|_| StoreError::Unreadable("server's setting"))
}

/// One of the wire's words, such as `docker`.
fn word<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    use serde::de::{IntoDeserializer, value::Error};
    T::deserialize(IntoDeserializer::<Error>::into_deserializer(text))
        .map_err(|_| StoreError::Unreadable("server's setting"))
}

fn to_word<T: serde::Serialize>(value: T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => String::new(),
    }
}

fn to_json<T: serde::Serialize>(value: &T) -> Result<String> {
    serde_json::to_string(value).map_err(|_| StoreError::Unreadable("server's setting"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_wire_are_read_and_written() {
        assert_eq!(to_word(Runtime::Process), "process");
        assert_eq!(word::<Pull>("never").unwrap(), Pull::Never);
        assert!(word::<Runtime>("podman").is_err());
    }
}
