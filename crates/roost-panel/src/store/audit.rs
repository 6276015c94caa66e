//! The audit: who did what, from where, by which way. Rows are written once and never changed.

use super::{Change, Database, Result, Room, Store, Tx, rows};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A row to write. Details never hold secrets.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// The reporting node's own id of the row, by which it is taken once.
    pub row: Option<Uuid>,
    /// Milliseconds since the epoch.
    pub time: i64,
    /// Such as `server:console.command`.
    pub event: String,
    /// Who, with his name.
    pub user: Option<(Uuid, String)>,
    /// Which server, with its identifier.
    pub server: Option<(Uuid, String)>,
    /// From where.
    pub address: Option<String>,
    /// `session`, `key`, `socket`, `cli` or `node`.
    pub via: &'static str,
    /// What else is known.
    pub details: Map<String, Value>,
}

/// A row as it was written.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AuditRecord {
    /// Grows with time.
    pub id: i64,
    /// Milliseconds since the epoch.
    pub time: i64,
    /// Such as `server:console.command`.
    pub event: String,
    user_uuid: Option<String>,
    /// Who, by the name of that time.
    pub user_name: Option<String>,
    server_uuid: Option<String>,
    /// Which server, by the identifier of that time.
    pub server_name: Option<String>,
    /// From where.
    pub address: Option<String>,
    /// `session`, `key`, `socket`, `cli` or `node`.
    pub via: String,
    details: String,
}

impl AuditRecord {
    /// Who.
    pub fn user(&self) -> Option<Uuid> {
        self.user_uuid.as_deref().and_then(|u| Uuid::try_parse(u).ok())
    }

    /// Which server.
    pub fn server(&self) -> Option<Uuid> {
        self.server_uuid.as_deref().and_then(|u| Uuid::try_parse(u).ok())
    }

    /// What else is known.
    pub fn details(&self) -> Map<String, Value> {
        serde_json::from_str(&self.details).unwrap_or_default()
    }
}

/// Which rows a list holds: all that are named must fit.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// Of this server.
    pub server: Option<Uuid>,
    /// Of this server, by the identifier of that time: for servers that are gone.
    pub server_name: Option<String>,
    /// By this user.
    pub user: Option<Uuid>,
    /// By this user, by the name of that time: for users that are gone.
    pub user_name: Option<String>,
    /// Of this kind.
    pub event: Option<String>,
    /// Not older than this, in milliseconds since the epoch.
    pub since: Option<i64>,
    /// Behind this id. Only rows before which none can appear any more are given then.
    pub after: Option<i64>,
}

macro_rules! select_audit {
    ($from:literal, $end:literal) => {
        concat!(
            "SELECT id, time, event, user_uuid, user_name, server_uuid, server_name, address, via, details FROM ",
            $from,
            " WHERE ($1 IS NULL OR server_uuid = $1) AND ($2 IS NULL OR server_name = $2) \
             AND ($3 IS NULL OR user_uuid = $3) AND ($4 IS NULL OR user_name = $4) \
             AND ($5 IS NULL OR event = $5) AND time >= $6 AND id > $7 ",
            $end
        )
    };
}

impl Store {
    /// Rows in the order of their ids, or the other way round for `newest_first`.
    pub async fn audit(
        &self,
        filter: &AuditFilter,
        newest_first: bool,
        offset: i64,
        most: i64,
    ) -> Result<Vec<AuditRecord>> {
        let sql = match (filter.after.is_some(), newest_first) {
            (true, true) => select_audit!("audit_settled", "ORDER BY id DESC LIMIT $8 OFFSET $9"),
            (true, false) => select_audit!("audit_settled", "ORDER BY id LIMIT $8 OFFSET $9"),
            (false, true) => select_audit!("audit", "ORDER BY id DESC LIMIT $8 OFFSET $9"),
            (false, false) => select_audit!("audit", "ORDER BY id LIMIT $8 OFFSET $9"),
        };
        rows!(
            fetch_all,
            AuditRecord,
            &self.db,
            sql,
            filter.server.map(|s| s.to_string()),
            &filter.server_name,
            filter.user.map(|u| u.to_string()),
            &filter.user_name,
            &filter.event,
            filter.since.unwrap_or(i64::MIN),
            filter.after.unwrap_or(i64::MIN),
            most,
            offset
        )
    }

    /// How many rows fit.
    pub async fn count_audit(&self, filter: &AuditFilter) -> Result<i64> {
        let (count,) = rows!(
            fetch_one,
            (i64,),
            &self.db,
            "SELECT COUNT(*) FROM audit WHERE ($1 IS NULL OR server_uuid = $1) AND ($2 IS NULL OR server_name = $2) \
             AND ($3 IS NULL OR user_uuid = $3) AND ($4 IS NULL OR user_name = $4) \
             AND ($5 IS NULL OR event = $5) AND time >= $6 AND id > $7",
            filter.server.map(|s| s.to_string()),
            &filter.server_name,
            filter.user.map(|u| u.to_string()),
            &filter.user_name,
            &filter.event,
            filter.since.unwrap_or(i64::MIN),
            filter.after.unwrap_or(i64::MIN)
        )?;
        Ok(count)
    }
}

impl Tx {
    /// Writes an audit row with this change.
    pub async fn audit(&mut self, entry: &AuditEntry) -> Result<()> {
        insert(self, std::slice::from_ref(entry)).await
    }

    /// Writes many audit rows with this change. Rows of a node that are there already are left out.
    pub async fn audit_all(&mut self, entries: &[AuditEntry]) -> Result<()> {
        insert(self, entries).await
    }
}

/// Rows an INSERT holds: a few fixed sizes, so that each is prepared once.
const SIZES: [usize; 3] = [32, 8, 1];
const COLUMNS: usize = 10;

/// `INSERT` with room for `rows` rows.
fn insert_sql(rows: usize) -> &'static str {
    use std::sync::OnceLock;
    static TEXTS: [OnceLock<String>; SIZES.len()] = [const { OnceLock::new() }; SIZES.len()];
    let place = SIZES.iter().position(|s| *s == rows).unwrap_or(SIZES.len() - 1);
    TEXTS[place].get_or_init(|| {
        let row = |r: usize| {
            let places: Vec<String> = (1..=COLUMNS).map(|c| format!("${}", r * COLUMNS + c)).collect();
            format!("({})", places.join(", "))
        };
        let values: Vec<String> = (0..SIZES[place]).map(row).collect();
        format!(
            "INSERT INTO audit (row_uuid, time, event, user_uuid, user_name, server_uuid, server_name, address, via, \
             details) VALUES {} ON CONFLICT (row_uuid) WHERE row_uuid IS NOT NULL DO NOTHING",
            values.join(", ")
        )
    })
}

/// Binds the fields of every row of `$rows` to a query, in the order of the columns.
macro_rules! bind_rows {
    ($query:expr, $rows:expr) => {{
        let mut query = $query;
        for entry in $rows {
            query = query
                .bind(entry.row.map(|r| r.to_string()))
                .bind(entry.time)
                .bind(&entry.event)
                .bind(entry.user.as_ref().map(|(uuid, _)| uuid.to_string()))
                .bind(entry.user.as_ref().map(|(_, name)| name))
                .bind(entry.server.as_ref().map(|(uuid, _)| uuid.to_string()))
                .bind(entry.server.as_ref().map(|(_, name)| name))
                .bind(&entry.address)
                .bind(entry.via)
                .bind(details_text(&entry.details));
        }
        query
    }};
}

async fn insert(tx: &mut Tx, mut entries: &[AuditEntry]) -> Result<()> {
    while !entries.is_empty() {
        let size = SIZES.into_iter().find(|s| *s <= entries.len()).unwrap_or(1);
        let (now, later) = entries.split_at(size);
        let sql = insert_sql(size);
        let written = match &mut tx.change {
            Change::Sqlite(tx) => bind_rows!(sqlx::query::<sqlx::Sqlite>(sql), now)
                .execute(&mut **tx)
                .await
                .map(drop),
            Change::Postgres(tx) => bind_rows!(sqlx::query::<sqlx::Postgres>(sql), now)
                .execute(&mut **tx)
                .await
                .map(drop),
        };
        written.map_err(|error| tx.room.told(error))?;
        tx.has_written = true;
        entries = later;
    }
    Ok(())
}

fn details_text(details: &Map<String, Value>) -> String {
    serde_json::to_string(details).unwrap_or_else(|_| "{}".to_owned())
}

/// Writes `entries` as one change.
pub(super) async fn write_batch(db: &Database, room: &Room, entries: &[AuditEntry]) -> Result<()> {
    let mut tx = db.begin(room).await?;
    insert(&mut tx, entries).await?;
    tx.commit().await
}
