//! Writing servers.

use super::{ServerRow, to_json, to_word};
use crate::store::{Result, Tx, change, tx_rows};
use roost_wire::{id::short_uuid, power::PowerState};
use uuid::Uuid;

impl Tx {
    /// Adds a server; [`StoreError::Conflict`] if its identifier or its short UUID is taken.
    pub async fn insert_server(&mut self, server: &ServerRow) -> Result<()> {
        change!(
            self,
            "INSERT INTO servers (uuid, short, identifier, name, description, owner_uuid, node_uuid, runtime, command, \
             image, startup, pull, dir, ports, memory, cpu, disk, done, stop, stop_timeout, env, suspended, status, \
             state, created_at, updated_at, encoding, restart) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
             $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28)",
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
            server.updated_at,
            to_word(server.encoding),
            to_word(server.restart)
        )?;
        Ok(())
    }

    /// Writes a server's settings; uuid, identifier, suspension, status and state stay.
    pub async fn update_server(&mut self, server: &ServerRow) -> Result<bool> {
        let changed = change!(
            self,
            "UPDATE servers SET name = $2, description = $3, owner_uuid = $4, node_uuid = $5, runtime = $6, \
             command = $7, image = $8, startup = $9, pull = $10, dir = $11, ports = $12, memory = $13, cpu = $14, \
             disk = $15, done = $16, stop = $17, stop_timeout = $18, env = $19, updated_at = $20, encoding = $21, \
             restart = $22 WHERE uuid = $1",
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
            server.updated_at,
            to_word(server.encoding),
            to_word(server.restart)
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
