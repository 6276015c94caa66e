//! Counters of failed logins. They lie in the store so that several panels count together.

use super::{Result, Tx, change, tx_rows};

/// A counter as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct LimitRow {
    /// How many.
    pub failures: i64,
    /// The first of them, in milliseconds since the epoch.
    pub since: i64,
    /// Nothing before this time, in milliseconds since the epoch.
    pub blocked_until: i64,
}

impl Tx {
    /// Takes a counter for the rest of this change: nobody else reads it before that is over.
    pub async fn take_limit(&mut self, key: &str, now: i64) -> Result<LimitRow> {
        tx_rows!(
            fetch_one,
            LimitRow,
            self,
            "INSERT INTO login_limits (key, failures, since, blocked_until, updated_at) VALUES ($1, 0, $2, 0, $2) \
             ON CONFLICT (key) DO UPDATE SET updated_at = $2 RETURNING failures, since, blocked_until",
            key,
            now
        )
    }

    /// Writes a counter.
    pub async fn set_limit(&mut self, key: &str, row: LimitRow, now: i64) -> Result<()> {
        change!(
            self,
            "UPDATE login_limits SET failures = $2, since = $3, blocked_until = $4, updated_at = $5 WHERE key = $1",
            key,
            row.failures,
            row.since,
            row.blocked_until,
            now
        )?;
        Ok(())
    }

    /// One failure less: it was none.
    pub async fn lower_limit(&mut self, key: &str) -> Result<()> {
        change!(
            self,
            "UPDATE login_limits SET failures = failures - 1, blocked_until = 0 WHERE key = $1 AND failures > 0",
            key
        )?;
        Ok(())
    }

    /// Forgets a counter.
    pub async fn clear_limit(&mut self, key: &str) -> Result<()> {
        change!(self, "DELETE FROM login_limits WHERE key = $1", key)?;
        Ok(())
    }

    /// Forgets counters that nobody touched since `before`.
    pub async fn sweep_limits(&mut self, before: i64) -> Result<()> {
        change!(self, "DELETE FROM login_limits WHERE updated_at < $1", before)?;
        Ok(())
    }
}
