//! Sessions: only the hash of a cookie is kept. They are looked up at each request, so that ended means ended.

use super::{Result, Store, Tx, UserRow, change, rows, tx_rows};
use uuid::Uuid;

/// A session with its user.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct SessionRow {
    /// Public id.
    pub id: String,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
    /// Whose.
    #[sqlx(flatten)]
    pub user: UserRow,
}

/// What a new session consists of.
#[derive(Debug, Clone)]
pub struct NewSession<'a> {
    /// Public id.
    pub id: &'a str,
    /// sha256 of the cookie's value, hexadecimal.
    pub token_hash: &'a str,
    /// Whose.
    pub user: Uuid,
    /// From where.
    pub address: &'a str,
    /// The browser, as it calls itself, cut.
    pub agent: &'a str,
    /// Milliseconds since the epoch.
    pub created_at: i64,
    /// Milliseconds since the epoch.
    pub expires_at: i64,
}

impl Store {
    /// The session of a cookie that holds at `now`.
    pub async fn session(&self, token_hash: &str, now: i64) -> Result<Option<SessionRow>> {
        let read = async {
            rows!(
                fetch_optional,
                SessionRow,
                &self.db,
                "SELECT s.id, s.expires_at, u.number, u.uuid, u.name, u.email, u.admin, u.hidden, u.created_at \
                 FROM sessions s JOIN users u ON u.uuid = s.user_uuid WHERE s.token_hash = $1",
                token_hash
            )
        };
        let found = self.recent(|r| &r.sessions, token_hash, read).await?;
        Ok(found.filter(|session| session.expires_at > now))
    }

    /// Moves a session's end.
    pub async fn extend_session(&self, id: &str, expires_at: i64) -> Result<()> {
        let mut tx = self.begin().await?;
        change!(
            tx,
            "UPDATE sessions SET expires_at = $2 WHERE id = $1 AND expires_at < $2",
            id,
            expires_at
        )?;
        tx.commit().await
    }
}

impl Tx {
    /// Adds a session, and removes those of the same user that are over, and his oldest ones beyond `most`.
    pub async fn insert_session(&mut self, session: &NewSession<'_>, most: i64) -> Result<()> {
        let user = session.user.to_string();
        change!(
            self,
            "DELETE FROM sessions WHERE user_uuid = $1 AND (expires_at <= $2 OR id NOT IN \
             (SELECT id FROM sessions WHERE user_uuid = $1 ORDER BY created_at DESC, id LIMIT $3))",
            &user,
            session.created_at,
            most - 1
        )?;
        change!(
            self,
            "INSERT INTO sessions (id, token_hash, user_uuid, address, agent, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
            session.id,
            session.token_hash,
            &user,
            session.address,
            session.agent,
            session.created_at,
            session.expires_at
        )?;
        Ok(())
    }

    /// Ends one session.
    pub async fn delete_session(&mut self, id: &str) -> Result<bool> {
        Ok(change!(self, "DELETE FROM sessions WHERE id = $1", id)? > 0)
    }

    /// Ends all sessions of a user; gives their public ids.
    pub async fn delete_sessions_of(&mut self, user: Uuid) -> Result<Vec<String>> {
        let ids: Vec<(String,)> = tx_rows!(
            fetch_all,
            (String,),
            self,
            "DELETE FROM sessions WHERE user_uuid = $1 RETURNING id",
            user.to_string()
        )?;
        Ok(ids.into_iter().map(|(id,)| id).collect())
    }
}
