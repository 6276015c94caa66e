//! Opening the store: connections, the file's mode, tables brought up to date.

use super::{Database, Result, StoreError};
use sqlx::{
    Connection as _,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use std::{path::Path, time::Duration};

/// How long a caller waits for a connection or for the writer, before it is told that the store is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections for reading from SQLite: each is a thread.
const SQLITE_READERS: u32 = 4;
/// Connections to PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 16;

/// The engine that `address` names.
pub(super) async fn open(address: &str) -> Result<Database> {
    if address.starts_with("postgres://") || address.starts_with("postgresql://") {
        open_postgres(address).await
    } else if let Some(path) = address.strip_prefix("sqlite:") {
        open_sqlite(Path::new(path.trim_start_matches("//"))).await
    } else if address.is_empty() || address.contains("://") {
        Err(StoreError::Address(without_password(address)))
    } else {
        open_sqlite(Path::new(address)).await
    }
}

async fn open_sqlite(path: &Path) -> Result<Database> {
    protect(path).map_err(|source| StoreError::File {
        path: path.display().to_string(),
        source,
    })?;
    // FULL: what was answered survives a power cut. With NORMAL the last logout or revocation could be undone by one.
    // Group commit makes the price of it one fsync for many callers.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(PATIENCE)
        .foreign_keys(true)
        .pragma("cache_size", "-8192")
        .statement_cache_capacity(200);
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .test_before_acquire(false)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        // Where the disk is full, SQLite itself has ended the transaction: a ROLLBACK fails then, and for the driver the
        // connection would be within a transaction for good, with no way to begin another. A new one takes its place.
        .after_release(|connection, _| {
            Box::pin(async move {
                if connection.is_in_transaction() {
                    // A change that was dropped is rolled back by now.
                    connection.ping().await?;
                }
                Ok(!connection.is_in_transaction())
            })
        })
        .connect_with(options.clone())
        .await?;
    sqlx::migrate!("migrations/sqlite").run(&write).await?;
    let read = SqlitePoolOptions::new()
        .max_connections(SQLITE_READERS)
        .test_before_acquire(false)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_with(options.pragma("query_only", "on"))
        .await?;
    Ok(Database::Sqlite { read, write })
}

async fn open_postgres(address: &str) -> Result<Database> {
    let options: PgConnectOptions = address
        .parse()
        .map_err(|_| StoreError::Address(without_password(address)))?;
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(PATIENCE)
        .connect_with(options.application_name("roost"))
        .await?;
    sqlx::migrate!("migrations/postgres").run(&pool).await?;
    Ok(Database::Postgres(pool))
}

/// Makes the file for its owner alone, before the engine would make it for everybody.
fn protect(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
    let file = std::fs::OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)?;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

fn without_password(address: &str) -> String {
    match (address.find("://"), address.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://...{}", &address[..scheme], &address[at..])
        }
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_an_address_is_not_repeated() {
        assert_eq!(
            without_password("mysql://me:secret@host/db"),
            "mysql://...@host/db"
        );
        assert_eq!(without_password("mysql://host/db"), "mysql://host/db");
    }
}
