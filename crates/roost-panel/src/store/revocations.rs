//! What nodes still have to be told about access that ended. Rows stand here until the node has confirmed, so that
//! neither a restart of the panel nor a node that is away loses one.

use super::{Result, Store, Tx, change, rows, tx_rows};
use uuid::Uuid;

/// Something to tell a node.
#[derive(Debug, Clone)]
pub struct NewRevocation {
    /// Which node.
    pub node: Uuid,
    /// Whose access ended.
    pub user: Uuid,
    /// On which server; `None`: on all.
    pub server: Option<Uuid>,
    /// Only what was opened by this session or key; `None`: everything.
    pub credential: Option<String>,
}

/// Something that was not told yet.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct RevocationRow {
    /// Names the row.
    pub id: i64,
    /// Which node.
    #[sqlx(try_from = "String")]
    pub node_uuid: Uuid,
    /// Whose access ended.
    #[sqlx(try_from = "String")]
    pub user_uuid: Uuid,
    server_uuid: Option<String>,
    /// Only what was opened by this session or key.
    pub credential: Option<String>,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// How often it was tried.
    pub attempts: i64,
}

impl RevocationRow {
    /// On which server; `None`: on all.
    pub fn server(&self) -> Option<Uuid> {
        self.server_uuid.as_deref().and_then(|u| Uuid::try_parse(u).ok())
    }
}

impl Store {
    /// Rows whose time has come, oldest first.
    pub async fn due_revocations(&self, now: i64, most: i64) -> Result<Vec<RevocationRow>> {
        rows!(
            fetch_all,
            RevocationRow,
            &self.db,
            "SELECT id, node_uuid, user_uuid, server_uuid, credential, created_at, attempts FROM revocations \
             WHERE next_at <= $1 ORDER BY id LIMIT $2",
            now,
            most
        )
    }

    /// What a node has not been told yet, oldest first.
    pub async fn revocations_of(&self, node: Uuid, most: i64) -> Result<Vec<RevocationRow>> {
        rows!(
            fetch_all,
            RevocationRow,
            &self.db,
            "SELECT id, node_uuid, user_uuid, server_uuid, credential, created_at, attempts FROM revocations \
             WHERE node_uuid = $1 ORDER BY id LIMIT $2",
            node.to_string(),
            most
        )
    }

    /// When the next row's time comes, if there is one.
    pub async fn next_revocation(&self) -> Result<Option<i64>> {
        let (next,): (Option<i64>,) = rows!(
            fetch_one,
            (Option<i64>,),
            &self.db,
            "SELECT MIN(next_at) FROM revocations"
        )?;
        Ok(next)
    }

    /// Whether a node still has to be told something of a user.
    pub async fn is_revocation_pending(&self, node: Uuid, user: Uuid) -> Result<bool> {
        let (count,): (i64,) = rows!(
            fetch_one,
            (i64,),
            &self.db,
            "SELECT COUNT(*) FROM revocations WHERE node_uuid = $1 AND user_uuid = $2",
            node.to_string(),
            user.to_string()
        )?;
        Ok(count > 0)
    }

    /// The node has confirmed, or there is nothing left to confirm.
    pub async fn revocation_done(&self, id: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        change!(tx, "DELETE FROM revocations WHERE id = $1", id)?;
        tx.commit().await
    }

    /// The node was away: it is told again at `next_at`.
    pub async fn revocation_failed(&self, id: i64, next_at: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        change!(
            tx,
            "UPDATE revocations SET attempts = attempts + 1, next_at = $2 WHERE id = $1",
            id,
            next_at
        )?;
        tx.commit().await
    }
}

/// Public ids of a user's sessions and keys.
const CREDENTIALS_OF: &str = "SELECT id FROM sessions WHERE user_uuid = $1 \
                              UNION ALL SELECT identifier FROM api_keys WHERE user_uuid = $1";

impl Store {
    /// Public ids of a user's sessions and keys.
    pub async fn credentials_of(&self, user: Uuid) -> Result<Vec<String>> {
        let ids: Vec<(String,)> = rows!(fetch_all, (String,), &self.db, CREDENTIALS_OF, user.to_string())?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }
}

impl Tx {
    /// Public ids of a user's sessions and keys, as this change sees them.
    pub async fn credentials_of(&mut self, user: Uuid) -> Result<Vec<String>> {
        let ids: Vec<(String,)> = tx_rows!(fetch_all, (String,), self, CREDENTIALS_OF, user.to_string())?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }

    /// Notes what a node has to be told.
    pub async fn insert_revocation(&mut self, new: &NewRevocation, now: i64) -> Result<()> {
        change!(
            self,
            "INSERT INTO revocations (node_uuid, user_uuid, server_uuid, credential, created_at, attempts, next_at) \
             VALUES ($1, $2, $3, $4, $5, 0, $5)",
            new.node.to_string(),
            new.user.to_string(),
            new.server.map(|s| s.to_string()),
            &new.credential,
            now
        )?;
        Ok(())
    }
}
