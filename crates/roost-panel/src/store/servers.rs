//! Servers, with the names of their owners and nodes.

use super::{NodeRow, Result, Store, StoreError, Tx, change, rows, tx_rows};
use roost_wire::{
    admin_api::Port,
    id::{ServerRef, short_uuid},
    power::PowerState,
    remote::{Pull, Runtime},
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
    pub env: BTreeMap<String, String>,
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
    env: String,
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
            env: json(&raw.env)?,
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

macro_rules! select_servers {
    ($rest:expr) => {
        concat!(
            "SELECT s.number, s.uuid, s.identifier, s.name, s.description, s.owner_uuid, u.name AS owner_name, \
             s.node_uuid, n.name AS node_name, n.address AS node_address, n.internal_address AS node_internal, \
             n.token_id AS node_token_id, n.token_sealed AS node_sealed, n.previous_sealed AS node_previous, \
             n.previous_until AS node_previous_until, n.confirmed AS node_confirmed, \
             n.created_at AS node_created_at, s.runtime, s.command, s.image, s.startup, s.pull, s.dir, s.ports, \
             s.memory, s.cpu, s.disk, s.done, s.stop, s.stop_timeout, s.env, s.suspended, s.status, s.state, \
             s.created_at, s.updated_at \
             FROM servers s JOIN users u ON u.uuid = s.owner_uuid LEFT JOIN nodes n ON n.uuid = s.node_uuid ",
            $rest
        )
    };
}

/// `$1` is the user, `$2` the kind of list, `$3` a LIKE pattern or empty.
macro_rules! visible {
    () => {
        "WHERE ($2 = 'all' OR ($2 = 'owned' AND s.owner_uuid = $1) \
           OR ($2 = 'mine' AND (s.owner_uuid = $1 OR s.uuid IN (SELECT server_uuid FROM grants WHERE user_uuid = $1))) \
           OR ($2 = 'others' AND s.owner_uuid <> $1 \
               AND s.uuid NOT IN (SELECT server_uuid FROM grants WHERE user_uuid = $1))) \
         AND ($3 = '' OR lower(s.name) LIKE $3 ESCAPE '!' OR s.identifier LIKE $3 ESCAPE '!' \
           OR s.uuid LIKE $3 ESCAPE '!') "
    };
}

impl VisibleServers {
    fn binds(self) -> (String, &'static str) {
        match self {
            Self::Mine(user) => (user.to_string(), "mine"),
            Self::Owned(user) => (user.to_string(), "owned"),
            Self::Others(user) => (user.to_string(), "others"),
            Self::All => (String::new(), "all"),
        }
    }
}

fn pattern(search: &str) -> String {
    let search = search.trim().to_lowercase();
    if search.is_empty() {
        return search;
    }
    format!(
        "%{}%",
        search.replace('!', "!!").replace('%', "!%").replace('_', "!_")
    )
}

fn all(raw: Vec<Raw>) -> Result<Vec<ServerRow>> {
    raw.into_iter().map(ServerRow::try_from).collect()
}

impl Store {
    /// The server that a caller names.
    pub async fn server(&self, named: &ServerRef) -> Result<Option<ServerRow>> {
        let read = async {
        let raw = match named {
            ServerRef::Uuid(uuid) => rows!(
                fetch_optional,
                Raw,
                &self.db,
                select_servers!("WHERE s.uuid = $1"),
                uuid.to_string()
            ),
            ServerRef::Identifier(identifier) => rows!(
                fetch_optional,
                Raw,
                &self.db,
                select_servers!("WHERE s.identifier = $1"),
                identifier
            ),
            ServerRef::Short(short) => rows!(
                fetch_optional,
                Raw,
                &self.db,
                select_servers!("WHERE s.short = $1"),
                short
            ),
        }?;
        raw.map(ServerRow::try_from).transpose()
        };
        self.recent(|r| &r.servers, &named.to_string(), read).await
    }

    /// A page of servers by name, from `offset`.
    pub async fn servers(
        &self,
        visible: VisibleServers,
        search: &str,
        offset: i64,
        most: i64,
    ) -> Result<Vec<ServerRow>> {
        let (user, kind) = visible.binds();
        all(rows!(
            fetch_all,
            Raw,
            &self.db,
            select_servers!(concat!(
                visible!(),
                "ORDER BY lower(s.name), s.number LIMIT $4 OFFSET $5"
            )),
            &user,
            kind,
            pattern(search),
            most,
            offset
        )?)
    }

    /// How many servers all pages of [`Store::servers`] hold.
    pub async fn count_servers(&self, visible: VisibleServers, search: &str) -> Result<i64> {
        let (user, kind) = visible.binds();
        let (count,) = rows!(
            fetch_one,
            (i64,),
            &self.db,
            concat!("SELECT COUNT(*) FROM servers s ", visible!()),
            &user,
            kind,
            pattern(search)
        )?;
        Ok(count)
    }

    /// A page of a node's servers in the order of their making, from `offset`.
    pub async fn servers_of_node(&self, node: Uuid, offset: i64, most: i64) -> Result<Vec<ServerRow>> {
        all(rows!(
            fetch_all,
            Raw,
            &self.db,
            select_servers!("WHERE s.node_uuid = $1 ORDER BY s.number LIMIT $2 OFFSET $3"),
            node.to_string(),
            most,
            offset
        )?)
    }

    /// How many servers a node has.
    pub async fn count_servers_of_node(&self, node: Uuid) -> Result<i64> {
        let (count,) = rows!(
            fetch_one,
            (i64,),
            &self.db,
            "SELECT COUNT(*) FROM servers WHERE node_uuid = $1",
            node.to_string()
        )?;
        Ok(count)
    }
}

impl Tx {
    /// Adds a server; [`StoreError::Conflict`] if its identifier or its short UUID is taken.
    pub async fn insert_server(&mut self, server: &ServerRow) -> Result<()> {
        change!(
            self,
            "INSERT INTO servers (uuid, short, identifier, name, description, owner_uuid, node_uuid, runtime, command, \
             image, startup, pull, dir, ports, memory, cpu, disk, done, stop, stop_timeout, env, suspended, status, \
             state, created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)",
            server.uuid.to_string(),
            short_uuid(server.uuid),
            &server.identifier,
            &server.name,
            &server.description,
            server.owner.to_string(),
            server.node.map(|n| n.to_string()),
            to_word(server.runtime),
            to_json(&server.command)?,
            &server.image,
            &server.startup,
            to_word(server.pull),
            &server.dir,
            to_json(&server.ports)?,
            server.memory,
            server.cpu,
            server.disk,
            &server.done,
            &server.stop,
            server.stop_timeout,
            to_json(&server.env)?,
            server.suspended,
            &server.status,
            server.state.map(PowerState::as_str),
            server.created_at,
            server.updated_at
        )?;
        Ok(())
    }

    /// Writes a server's settings; uuid, identifier, suspension, status and state stay.
    pub async fn update_server(&mut self, server: &ServerRow) -> Result<bool> {
        let changed = change!(
            self,
            "UPDATE servers SET name = $2, description = $3, owner_uuid = $4, node_uuid = $5, runtime = $6, \
             command = $7, image = $8, startup = $9, pull = $10, dir = $11, ports = $12, memory = $13, cpu = $14, \
             disk = $15, done = $16, stop = $17, stop_timeout = $18, env = $19, updated_at = $20 WHERE uuid = $1",
            server.uuid.to_string(),
            &server.name,
            &server.description,
            server.owner.to_string(),
            server.node.map(|n| n.to_string()),
            to_word(server.runtime),
            to_json(&server.command)?,
            &server.image,
            &server.startup,
            to_word(server.pull),
            &server.dir,
            to_json(&server.ports)?,
            server.memory,
            server.cpu,
            server.disk,
            &server.done,
            &server.stop,
            server.stop_timeout,
            to_json(&server.env)?,
            server.updated_at
        )?;
        Ok(changed > 0)
    }

    /// Suspends a server, or ends that.
    pub async fn set_suspended(&mut self, server: Uuid, suspended: bool, now: i64) -> Result<bool> {
        let changed = change!(
            self,
            "UPDATE servers SET suspended = $2, updated_at = $3 WHERE uuid = $1",
            server.to_string(),
            suspended,
            now
        )?;
        Ok(changed > 0)
    }

    /// Notes how the install stands; `None`: normal.
    pub async fn set_status(&mut self, server: Uuid, status: Option<&str>) -> Result<bool> {
        let changed = change!(
            self,
            "UPDATE servers SET status = $2 WHERE uuid = $1",
            server.to_string(),
            status
        )?;
        Ok(changed > 0)
    }

    /// Notes the last known power state.
    pub async fn set_state(&mut self, server: Uuid, state: PowerState) -> Result<()> {
        change!(
            self,
            "UPDATE servers SET state = $2 WHERE uuid = $1",
            server.to_string(),
            state.as_str()
        )?;
        Ok(())
    }

    /// A node began anew: installs that it had under way are over.
    pub async fn reset_servers_of(&mut self, node: Uuid) -> Result<u64> {
        change!(
            self,
            "UPDATE servers SET status = NULL WHERE node_uuid = $1 AND status = 'installing'",
            node.to_string()
        )
    }

    /// Removes a server with its grants.
    pub async fn delete_server(&mut self, server: Uuid) -> Result<bool> {
        Ok(change!(self, "DELETE FROM servers WHERE uuid = $1", server.to_string())? > 0)
    }

    /// Identifiers of the servers that a user owns, at most 20.
    pub async fn identifiers_owned_by(&mut self, user: Uuid) -> Result<Vec<String>> {
        let found: Vec<(String,)> = tx_rows!(
            fetch_all,
            (String,),
            self,
            "SELECT identifier FROM servers WHERE owner_uuid = $1 ORDER BY identifier LIMIT 20",
            user.to_string()
        )?;
        Ok(found.into_iter().map(|(identifier,)| identifier).collect())
    }

    /// Identifiers of the servers on a node, at most 20.
    pub async fn identifiers_on(&mut self, node: Uuid) -> Result<Vec<String>> {
        let found: Vec<(String,)> = tx_rows!(
            fetch_all,
            (String,),
            self,
            "SELECT identifier FROM servers WHERE node_uuid = $1 ORDER BY identifier LIMIT 20",
            node.to_string()
        )?;
        Ok(found.into_iter().map(|(identifier,)| identifier).collect())
    }

    /// Whether an identifier is taken.
    pub async fn identifier_taken(&mut self, identifier: &str) -> Result<bool> {
        let (count,) = tx_rows!(
            fetch_one,
            (i64,),
            self,
            "SELECT COUNT(*) FROM servers WHERE identifier = $1",
            identifier
        )?;
        Ok(count > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_taken_literally() {
        assert_eq!(pattern(" 50%_Off! "), "%50!%!_off!!%");
        assert_eq!(pattern("  "), "");
    }

    #[test]
    fn words_of_the_wire_are_read_and_written() {
        assert_eq!(to_word(Runtime::Process), "process");
        assert_eq!(word::<Pull>("never").unwrap(), Pull::Never);
        assert!(word::<Runtime>("podman").is_err());
    }
}
