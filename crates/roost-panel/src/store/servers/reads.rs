//! Finding servers.

use super::{Raw, ServerRow, VisibleServers};
use crate::store::{Result, Store, rows};
use roost_wire::id::ServerRef;
use uuid::Uuid;

macro_rules! select_servers {
    ($rest:expr) => {
        concat!(
            "SELECT s.number, s.uuid, s.identifier, s.name, s.description, s.owner_uuid, u.name AS owner_name, \
             s.node_uuid, n.name AS node_name, n.address AS node_address, n.internal_address AS node_internal, \
             n.token_id AS node_token_id, n.token_sealed AS node_sealed, n.previous_sealed AS node_previous, \
             n.previous_until AS node_previous_until, n.confirmed AS node_confirmed, \
             n.created_at AS node_created_at, s.runtime, s.command, s.image, s.startup, s.pull, s.dir, s.ports, \
             s.memory, s.cpu, s.disk, s.done, s.stop, s.stop_timeout, s.restart, s.env, s.encoding, s.suspended, \
             s.status, s.state, \
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_is_taken_literally() {
        assert_eq!(pattern(" 50%_Off! "), "%50!%!_off!!%");
        assert_eq!(pattern("  "), "");
    }
}
