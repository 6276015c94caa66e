//! The only place with SQL: accounts, sessions, keys, nodes, servers, grants, audit, on SQLite or PostgreSQL.
//!
//! ```text
//!   reads   Store::user(..)  ─────────── read pool ──┐
//!   changes Store::begin() ─ Tx ─ commit ─ writer ───┤ SQLite (WAL, one writer) or PostgreSQL
//!   audit   Store::record(..) ─ group commit ─ writer┘
//! ```
//!
//! One SQL text serves both engines: `$1` placeholders, ids as TEXT, times as BIGINT milliseconds, JSON as TEXT. A change
//! and its audit row go through one [`Tx`]. What may be changed by whom is the services' business.

mod audit;
mod grants;
mod group_commit;
mod keys;
mod login_limits;
mod nodes;
mod open;
mod recent;
mod revocations;
mod room;
mod servers;
mod sessions;
mod users;

pub use audit::{AuditEntry, AuditFilter, AuditRecord};
pub use grants::GrantRow;
pub use keys::KeyRow;
pub use login_limits::LimitRow;
pub use nodes::NodeRow;
pub use revocations::{NewRevocation, RevocationRow};
pub use servers::{ServerRow, VisibleServers};
pub use sessions::{NewSession, SessionRow};
pub use users::UserRow;

use group_commit::AuditWriter;
use recent::{Recent, Shelf};
use room::{Room, is_disk_full};
use sqlx::{PgPool, Postgres, Sqlite, SqlitePool, Transaction, migrate::MigrateError};
use std::sync::Arc;

/// What can go wrong in the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Something of that name exists already.
    #[error("it exists already")]
    Conflict,
    /// Something else still needs it, or what it needs is gone.
    #[error("something else depends on it")]
    Dependent,
    /// A value in the database is not what this version wrote.
    #[error("the database holds a {0} that this version can't read")]
    Unreadable(&'static str),
    /// Another version's tables, or a migration that failed.
    #[error("the database's tables can't be brought up to date: {0}")]
    Migration(#[from] MigrateError),
    /// The address of the database.
    #[error("`{0}` is no database: give a file's path, or postgres://user:password@host/name")]
    Address(String),
    /// The file can't be made or protected.
    #[error("the database file {path}: {source}")]
    File {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing was changed. The same works once there is room.
    #[error("The disk of the panel's database is full: make room on it, then try again.")]
    DiskFull,
    /// The engine said no.
    #[error("the database: {0}")]
    Engine(sqlx::Error),
    /// The writer is gone: the panel is shutting down.
    #[error("the database is being closed")]
    Closed,
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(db) if db.is_unique_violation() => Self::Conflict,
            Some(db) if db.is_foreign_key_violation() => Self::Dependent,
            Some(db) if is_disk_full(db) => Self::DiskFull,
            _ => Self::Engine(error),
        }
    }
}

/// What store functions give.
pub type Result<T, E = StoreError> = std::result::Result<T, E>;

/// The engine and its connections.
#[derive(Debug, Clone)]
pub(crate) enum Database {
    /// Embedded. One connection writes, so that writers wait in line instead of failing as busy.
    Sqlite {
        /// For reading.
        read: SqlitePool,
        /// For writing: exactly one.
        write: SqlitePool,
    },
    /// For several panels.
    Postgres(PgPool),
}

/// A change under way. Dropped without [`Tx::commit`], nothing of it happened.
#[derive(Debug)]
pub struct Tx {
    change: Change,
    recent: Option<Arc<Recent>>,
    room: Room,
    has_written: bool,
}

#[derive(Debug)]
pub(crate) enum Change {
    Sqlite(Transaction<'static, Sqlite>),
    Postgres(Transaction<'static, Postgres>),
}

/// Runs one query for rows on whichever engine it is: `rows!(fetch_all, UserRow, &self.db, "SELECT ...", a, b)`.
macro_rules! rows {
    ($fetch:ident, $row:ty, $db:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match $db {
            $crate::store::Database::Sqlite { read, .. } => {
                sqlx::query_as::<sqlx::Sqlite, $row>($sql)$(.bind($bind))*.$fetch(read).await
            }
            $crate::store::Database::Postgres(pool) => {
                sqlx::query_as::<sqlx::Postgres, $row>($sql)$(.bind($bind))*.$fetch(pool).await
            }
        }
        .map_err($crate::store::StoreError::from)
    };
}

/// The same inside a change.
macro_rules! tx_rows {
    ($fetch:ident, $row:ty, $tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match &mut $tx.change {
            $crate::store::Change::Sqlite(tx) => {
                sqlx::query_as::<sqlx::Sqlite, $row>($sql)$(.bind($bind))*.$fetch(&mut **tx).await
            }
            $crate::store::Change::Postgres(tx) => {
                sqlx::query_as::<sqlx::Postgres, $row>($sql)$(.bind($bind))*.$fetch(&mut **tx).await
            }
        }
        .map_err(|error| $tx.room.told(error))
    };
}

/// Changes rows inside a change; gives how many.
macro_rules! change {
    ($tx:expr, $sql:expr $(, $bind:expr)* $(,)?) => {
        match &mut $tx.change {
            $crate::store::Change::Sqlite(tx) => {
                sqlx::query::<sqlx::Sqlite>($sql)$(.bind($bind))*.execute(&mut **tx).await.map(|r| r.rows_affected())
            }
            $crate::store::Change::Postgres(tx) => {
                sqlx::query::<sqlx::Postgres>($sql)$(.bind($bind))*.execute(&mut **tx).await.map(|r| r.rows_affected())
            }
        }
        .inspect(|rows| $tx.has_written |= *rows > 0)
        .map_err(|error| $tx.room.told(error))
    };
}
pub(crate) use {change, rows, tx_rows};

/// The panel's memory.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) db: Database,
    audit: AuditWriter,
    recent: Option<Arc<Recent>>,
    room: Room,
}

impl Store {
    /// Opens `address` (a path, `sqlite:path` or `postgres://...`) and brings its tables up to date.
    pub async fn open(address: &str) -> Result<Self> {
        let db = open::open(address).await?;
        let room = Room::default();
        Ok(Self {
            audit: AuditWriter::start(db.clone(), room.clone()),
            recent: matches!(db, Database::Sqlite { .. }).then(Arc::default),
            room,
            db,
        })
    }

    /// Begins a change. On SQLite the writer's place is taken at once, so that a change never fails half-way as busy.
    pub async fn begin(&self) -> Result<Tx> {
        let mut tx = self.db.begin(&self.room).await?;
        tx.recent.clone_from(&self.recent);
        Ok(tx)
    }

    /// Reads a row by `read`, or gives the one that still holds.
    async fn recent<T: Clone>(
        &self,
        shelf: fn(&Recent) -> &Shelf<T>,
        key: &str,
        read: impl Future<Output = Result<Option<T>>>,
    ) -> Result<Option<T>> {
        match &self.recent {
            Some(recent) => recent.through(shelf(recent), key, read).await,
            None => read.await,
        }
    }

    /// Writes an audit row that belongs to no other change, together with those of other callers; returns when it is
    /// on disk.
    pub async fn record(&self, entry: AuditEntry) -> Result<()> {
        self.audit.write(entry).await
    }

    /// The same for what has been done or refused already, or changes nothing. Where the disk is full, the row is kept
    /// in memory and written as soon as there is room; so many rows that [`StoreError::DiskFull`] is the answer for
    /// another are kept at most.
    pub async fn record_or_keep(&self, entry: AuditEntry) -> Result<()> {
        self.audit.write_or_keep(entry).await
    }

    /// Closes all connections; changes under way are waited for.
    pub async fn close(&self) {
        match &self.db {
            Database::Sqlite { read, write } => {
                read.close().await;
                write.close().await;
            }
            Database::Postgres(pool) => pool.close().await,
        }
    }
}

impl Database {
    async fn begin(&self, room: &Room) -> Result<Tx> {
        let begun = match self {
            Self::Sqlite { write, .. } => write.begin_with("BEGIN IMMEDIATE").await.map(Change::Sqlite),
            Self::Postgres(pool) => pool.begin().await.map(Change::Postgres),
        };
        let change = begun.map_err(|error| room.told(error))?;
        Ok(Tx {
            change,
            recent: None,
            room: room.clone(),
            has_written: false,
        })
    }
}

impl Tx {
    /// Makes it last. In a task of its own: a caller that leaves in between must not leave it open whether it happened,
    /// nor rows that are no longer true on the shelves.
    pub async fn commit(self) -> Result<()> {
        let done = tokio::spawn(async move {
            let done = match self.change {
                Change::Sqlite(tx) => tx.commit().await,
                Change::Postgres(tx) => tx.commit().await,
            };
            if let Some(recent) = self.recent {
                recent.changed();
            }
            match done {
                Ok(()) if self.has_written => self.room.written(),
                Ok(()) => {}
                Err(error) => return Err(self.room.told(error)),
            }
            Ok(())
        });
        done.await.map_err(|_| StoreError::Closed)?
    }
}

#[cfg(test)]
mod tests;
