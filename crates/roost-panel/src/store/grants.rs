//! What subusers may do on which server.

use super::{Result, Store, StoreError, Tx, UserRow, change, rows, tx_rows};
use uuid::Uuid;

/// Somebody's rights on a server.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct GrantRow {
    /// JSON array of names.
    permissions: String,
    /// Since when, in milliseconds since the epoch; the subuser's history begins here.
    pub granted_at: i64,
    /// Whose.
    #[sqlx(flatten)]
    pub user: UserRow,
}

impl GrantRow {
    /// The names.
    pub fn permissions(&self) -> Result<Vec<String>> {
        read_permissions(&self.permissions)
    }
}

pub(crate) fn read_permissions(json: &str) -> Result<Vec<String>> {
    serde_json::from_str(json).map_err(|_| StoreError::Unreadable("list of permissions"))
}

impl Store {
    /// All subusers of a server, by name.
    pub async fn grants(&self, server: Uuid) -> Result<Vec<GrantRow>> {
        rows!(
            fetch_all,
            GrantRow,
            &self.db,
            "SELECT g.permissions, g.created_at AS granted_at, \
             u.number, u.uuid, u.name, u.email, u.admin, u.hidden, u.created_at \
             FROM grants g JOIN users u ON u.uuid = g.user_uuid WHERE g.server_uuid = $1 ORDER BY u.name_key",
            server.to_string()
        )
    }

    /// One user's rights on a server, and since when.
    pub async fn grant(&self, server: Uuid, user: Uuid) -> Result<Option<(Vec<String>, i64)>> {
        let found: Option<(String, i64)> = rows!(
            fetch_optional,
            (String, i64),
            &self.db,
            "SELECT permissions, created_at FROM grants WHERE server_uuid = $1 AND user_uuid = $2",
            server.to_string(),
            user.to_string()
        )?;
        found
            .map(|(permissions, since)| Ok((read_permissions(&permissions)?, since)))
            .transpose()
    }
}

impl Tx {
    /// One user's rights on a server, as this change sees them.
    pub async fn grant(&mut self, server: Uuid, user: Uuid) -> Result<Option<Vec<String>>> {
        let found: Option<(String,)> = tx_rows!(
            fetch_optional,
            (String,),
            self,
            "SELECT permissions FROM grants WHERE server_uuid = $1 AND user_uuid = $2",
            server.to_string(),
            user.to_string()
        )?;
        found
            .map(|(permissions,)| read_permissions(&permissions))
            .transpose()
    }

    /// Everybody with rights on a server.
    pub async fn granted_users(&mut self, server: Uuid) -> Result<Vec<Uuid>> {
        let found: Vec<(String,)> = tx_rows!(
            fetch_all,
            (String,),
            self,
            "SELECT user_uuid FROM grants WHERE server_uuid = $1 ORDER BY user_uuid",
            server.to_string()
        )?;
        Ok(found
            .iter()
            .filter_map(|(user,)| Uuid::try_parse(user).ok())
            .collect())
    }

    /// Sets somebody's rights. Who had some already keeps the time since when.
    pub async fn set_grant(
        &mut self,
        server: Uuid,
        user: Uuid,
        permissions: &[String],
        now: i64,
    ) -> Result<()> {
        let json =
            serde_json::to_string(permissions).map_err(|_| StoreError::Unreadable("list of permissions"))?;
        change!(
            self,
            "INSERT INTO grants (server_uuid, user_uuid, permissions, created_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (server_uuid, user_uuid) DO UPDATE SET permissions = excluded.permissions",
            server.to_string(),
            user.to_string(),
            json,
            now
        )?;
        Ok(())
    }

    /// Takes somebody's rights away.
    pub async fn delete_grant(&mut self, server: Uuid, user: Uuid) -> Result<bool> {
        let gone = change!(
            self,
            "DELETE FROM grants WHERE server_uuid = $1 AND user_uuid = $2",
            server.to_string(),
            user.to_string()
        )?;
        Ok(gone > 0)
    }
}
