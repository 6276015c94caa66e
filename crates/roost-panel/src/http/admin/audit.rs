//! The audit, filtered.

use crate::{
    http::{Admin, ApiError, problem::ApiResult},
    panel::App,
    store::{AuditFilter, AuditRecord},
};
use axum::{
    Json,
    extract::{Query, State},
};
use roost_wire::{
    admin_api::AuditRow,
    clock::{parse_rfc3339, rfc3339},
    id::ServerRef,
};
use serde::Deserialize;
use uuid::Uuid;

/// Rows where nobody says how many.
const LINES: i64 = 100;
/// Most rows of one answer.
const LINES_MAX: i64 = 10_000;

#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    server: Option<String>,
    user: Option<String>,
    event: Option<String>,
    since: Option<String>,
    after: Option<i64>,
    lines: Option<i64>,
    #[serde(default)]
    order: Order,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
enum Order {
    Asc,
    #[default]
    Desc,
}

fn shape(row: AuditRecord) -> AuditRow {
    AuditRow {
        id: row.id,
        time: rfc3339(row.time),
        details: row.details(),
        event: row.event,
        user: row.user_name,
        server: row.server_name,
        address: row.address,
        via: row.via,
    }
}

/// The newest `lines` rows that fit (the first ones behind `after`, where that is given), in the order asked for.
pub(super) async fn list(
    State(app): State<App>,
    _: Admin,
    Query(wanted): Query<Wanted>,
) -> ApiResult<Json<Vec<AuditRow>>> {
    let lines = wanted.lines.unwrap_or(LINES);
    if !(1..=LINES_MAX).contains(&lines) {
        return Err(ApiError::new(422, format!("lines: 1 to {LINES_MAX}.")));
    }
    let filter = filter(&app, &wanted).await?;
    known(&app, &wanted, &filter).await?;
    // Who follows wants what comes next; everybody else wants what was last.
    let newest_first = filter.after.is_none();
    let mut rows: Vec<AuditRow> = app
        .store
        .audit(&filter, newest_first, 0, lines)
        .await?
        .into_iter()
        .map(shape)
        .collect();
    if newest_first != (wanted.order == Order::Desc) {
        rows.reverse();
    }
    Ok(Json(rows))
}

/// 404 for a server or a user that is not there, and that no row names either.
async fn known(app: &App, wanted: &Wanted, filter: &AuditFilter) -> ApiResult<()> {
    if filter.after.is_some() {
        // Who follows was told at the beginning.
        return Ok(());
    }
    let is_uuid = |name: &String| Uuid::try_parse(name).is_ok();
    let server = wanted
        .server
        .as_ref()
        .filter(|name| filter.server_name.is_some() || is_uuid(name));
    let user = wanted.user.as_ref().filter(|_| filter.user_name.is_some());
    let of_server = AuditFilter {
        server: filter.server,
        server_name: filter.server_name.clone(),
        ..AuditFilter::default()
    };
    let of_user = AuditFilter {
        user_name: filter.user_name.clone(),
        ..AuditFilter::default()
    };
    for (kind, name, rows) in [("server", server, of_server), ("user", user, of_user)] {
        if let Some(name) = name
            && app.store.audit(&rows, true, 0, 1).await?.is_empty()
        {
            let text = format!(
                "There is no {kind} `{name}`, and no row of the audit names one. `roost {kind} list` shows them."
            );
            return Err(ApiError::new(404, text));
        }
    }
    Ok(())
}

async fn filter(app: &App, wanted: &Wanted) -> ApiResult<AuditFilter> {
    let mut filter = AuditFilter {
        event: wanted.event.clone(),
        after: wanted.after,
        ..AuditFilter::default()
    };
    if let Some(since) = &wanted.since {
        let since = since.parse().ok().or_else(|| parse_rfc3339(since));
        let since = since.ok_or_else(|| {
            ApiError::new(
                422,
                "since: a time such as 2026-11-24T08:20:00Z with its offset from UTC, or milliseconds since 1970.",
            )
        })?;
        filter.since = Some(since);
    }
    // Rows outlive what they name: what exists is found by id (its name may have changed), the rest by name.
    if let Some(name) = &wanted.server {
        match ServerRef::parse(name) {
            Some(named) => match app.store.server(&named).await? {
                Some(server) => filter.server = Some(server.uuid),
                None => match Uuid::try_parse(name) {
                    Ok(uuid) => filter.server = Some(uuid),
                    Err(_) => filter.server_name = Some(name.clone()),
                },
            },
            None => filter.server_name = Some(name.clone()),
        }
    }
    if let Some(name) = &wanted.user {
        match app.store.user_by_name(name).await? {
            Some(user) => filter.user = Some(user.uuid),
            None => filter.user_name = Some(name.clone()),
        }
    }
    Ok(filter)
}
