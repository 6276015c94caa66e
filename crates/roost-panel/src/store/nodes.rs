//! Nodes. Their secrets lie here sealed; opening them is the service's business.

use super::{Result, Store, Tx, change, rows, tx_rows};
use uuid::Uuid;

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct NodeRow {
    /// The node.
    #[sqlx(try_from = "String")]
    pub uuid: Uuid,
    /// Unique.
    pub name: String,
    /// As browsers reach it; empty: at the address by which they reach the panel.
    pub address: String,
    /// As the panel reaches it, where that differs.
    pub internal_address: Option<String>,
    /// Public half of its credential.
    pub token_id: String,
    /// Secret half, sealed.
    pub token_sealed: String,
    /// The secret before this one, sealed.
    pub previous_sealed: Option<String>,
    /// Until when that one holds, in milliseconds since the epoch.
    pub previous_until: Option<i64>,
    /// The node is known to have the secret.
    pub confirmed: bool,
    /// Milliseconds since the epoch.
    pub created_at: i64,
}

impl NodeRow {
    /// Where the panel reaches it; `None` if nobody has said.
    pub fn panel_address(&self) -> Option<&str> {
        let address = self.internal_address.as_deref().unwrap_or(&self.address);
        (!address.is_empty()).then_some(address)
    }
}

macro_rules! select_nodes {
    ($rest:literal) => {
        concat!(
            "SELECT uuid, name, address, internal_address, token_id, token_sealed, previous_sealed, previous_until, \
             confirmed, created_at FROM nodes ",
            $rest
        )
    };
}

impl Store {
    /// All of them, by name.
    pub async fn nodes(&self) -> Result<Vec<NodeRow>> {
        rows!(fetch_all, NodeRow, &self.db, select_nodes!("ORDER BY name"))
    }

    /// By id.
    pub async fn node(&self, uuid: Uuid) -> Result<Option<NodeRow>> {
        rows!(
            fetch_optional,
            NodeRow,
            &self.db,
            select_nodes!("WHERE uuid = $1"),
            uuid.to_string()
        )
    }

    /// By name.
    pub async fn node_by_name(&self, name: &str) -> Result<Option<NodeRow>> {
        rows!(
            fetch_optional,
            NodeRow,
            &self.db,
            select_nodes!("WHERE name = $1"),
            name
        )
    }

    /// By the public half of its credential.
    pub async fn node_by_token_id(&self, token_id: &str) -> Result<Option<NodeRow>> {
        rows!(
            fetch_optional,
            NodeRow,
            &self.db,
            select_nodes!("WHERE token_id = $1"),
            token_id
        )
    }

    /// How many servers each node has.
    pub async fn servers_per_node(&self) -> Result<Vec<(Uuid, i64)>> {
        let counts: Vec<(String, i64)> = rows!(
            fetch_all,
            (String, i64),
            &self.db,
            "SELECT node_uuid, COUNT(*) FROM servers WHERE node_uuid IS NOT NULL GROUP BY node_uuid"
        )?;
        Ok(counts
            .into_iter()
            .filter_map(|(node, count)| Some((Uuid::try_parse(&node).ok()?, count)))
            .collect())
    }
}

impl Tx {
    /// Ids of all nodes.
    pub async fn node_ids(&mut self) -> Result<Vec<Uuid>> {
        let ids: Vec<(String,)> =
            tx_rows!(fetch_all, (String,), self, "SELECT uuid FROM nodes ORDER BY uuid")?;
        Ok(ids.iter().filter_map(|(id,)| Uuid::try_parse(id).ok()).collect())
    }

    /// Adds a node.
    pub async fn insert_node(&mut self, node: &NodeRow) -> Result<()> {
        change!(
            self,
            "INSERT INTO nodes (uuid, name, address, internal_address, token_id, token_sealed, previous_sealed, \
             previous_until, confirmed, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
            node.uuid.to_string(),
            &node.name,
            &node.address,
            &node.internal_address,
            &node.token_id,
            &node.token_sealed,
            &node.previous_sealed,
            node.previous_until,
            node.confirmed,
            node.created_at
        )?;
        Ok(())
    }

    /// Changes where a node is reached.
    pub async fn set_node_addresses(
        &mut self,
        node: Uuid,
        address: &str,
        internal: Option<&str>,
    ) -> Result<()> {
        change!(
            self,
            "UPDATE nodes SET address = $2, internal_address = $3 WHERE uuid = $1",
            node.to_string(),
            address,
            internal
        )?;
        Ok(())
    }

    /// Puts a new secret in place. The one that the node has holds until `previous_until`.
    pub async fn rotate_node(&mut self, node: Uuid, sealed: &str, previous_until: i64) -> Result<()> {
        change!(
            self,
            "UPDATE nodes SET previous_sealed = CASE WHEN confirmed THEN token_sealed ELSE previous_sealed END, \
             previous_until = $3, token_sealed = $2, confirmed = $4 WHERE uuid = $1",
            node.to_string(),
            sealed,
            previous_until,
            false
        )?;
        Ok(())
    }

    /// The node has this secret.
    pub async fn confirm_node(&mut self, node: Uuid, sealed: &str) -> Result<()> {
        change!(
            self,
            "UPDATE nodes SET confirmed = $3 WHERE uuid = $1 AND token_sealed = $2",
            node.to_string(),
            sealed,
            true
        )?;
        Ok(())
    }

    /// Removes a node; its servers are left without one.
    pub async fn delete_node(&mut self, node: Uuid) -> Result<bool> {
        Ok(change!(self, "DELETE FROM nodes WHERE uuid = $1", node.to_string())? > 0)
    }
}
