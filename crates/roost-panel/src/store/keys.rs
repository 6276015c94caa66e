//! API keys: only a hash is kept.

use super::{Result, Store, Tx, UserRow, change, rows};
use uuid::Uuid;

/// An API key with its user.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct KeyRow {
    /// The key's first 16 characters.
    pub identifier: String,
    /// What for.
    pub description: String,
    /// Milliseconds since the epoch.
    pub key_created_at: i64,
    /// Milliseconds since the epoch; exact to a minute.
    pub last_used_at: Option<i64>,
    /// Whose.
    #[sqlx(flatten)]
    pub user: UserRow,
}

macro_rules! select_keys {
    ($rest:literal) => {
        concat!(
            "SELECT k.identifier, k.description, k.created_at AS key_created_at, k.last_used_at, \
             u.number, u.uuid, u.name, u.email, u.admin, u.hidden, u.created_at \
             FROM api_keys k JOIN users u ON u.uuid = k.user_uuid ",
            $rest
        )
    };
}

impl Store {
    /// The key of this hash.
    pub async fn key(&self, token_hash: &str) -> Result<Option<KeyRow>> {
        let read = async {
            rows!(
                fetch_optional,
                KeyRow,
                &self.db,
                select_keys!("WHERE k.token_hash = $1"),
                token_hash
            )
        };
        self.recent(|r| &r.keys, token_hash, read).await
    }

    /// By its identifier.
    pub async fn key_by_identifier(&self, identifier: &str) -> Result<Option<KeyRow>> {
        rows!(
            fetch_optional,
            KeyRow,
            &self.db,
            select_keys!("WHERE k.identifier = $1"),
            identifier
        )
    }

    /// All of them, or one user's, oldest first.
    pub async fn keys(&self, user: Option<Uuid>) -> Result<Vec<KeyRow>> {
        rows!(
            fetch_all,
            KeyRow,
            &self.db,
            select_keys!("WHERE ($1 IS NULL OR k.user_uuid = $1) ORDER BY k.created_at, k.identifier"),
            user.map(|u| u.to_string())
        )
    }

    /// Notes that a key was used, unless that was noted less than `every` milliseconds ago.
    pub async fn touch_key(&self, identifier: &str, now: i64, every: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        change!(
            tx,
            "UPDATE api_keys SET last_used_at = $2 \
             WHERE identifier = $1 AND (last_used_at IS NULL OR last_used_at <= $3)",
            identifier,
            now,
            now - every
        )?;
        tx.commit().await
    }
}

impl Tx {
    /// Adds a key.
    pub async fn insert_key(
        &mut self,
        identifier: &str,
        token_hash: &str,
        user: Uuid,
        description: &str,
        now: i64,
    ) -> Result<()> {
        change!(
            self,
            "INSERT INTO api_keys (identifier, token_hash, user_uuid, description, created_at) \
             VALUES ($1, $2, $3, $4, $5)",
            identifier,
            token_hash,
            user.to_string(),
            description,
            now
        )?;
        Ok(())
    }

    /// Removes a key.
    pub async fn delete_key(&mut self, identifier: &str) -> Result<bool> {
        Ok(change!(self, "DELETE FROM api_keys WHERE identifier = $1", identifier)? > 0)
    }
}
