//! `GET /api/client/servers/{server}/activity`: the server's audit, newest first; `sort=timestamp` turns it round,
//! `filter[event]` keeps one kind.

use super::{paging::Page, query::Asked, shape};
use crate::{
    http::{Allowed, ApiError, allowed::ReadActivity},
    panel::App,
    store::AuditFilter,
};
use axum::{Json, extract::State};
use serde_json::Value;

/// The handler.
pub async fn list(
    State(app): State<App>,
    allowed: Allowed<ReadActivity>,
    asked: Asked,
) -> Result<Json<Value>, ApiError> {
    let page = Page::read(asked.get("page"), asked.get("per_page"), 25);
    let filter = AuditFilter {
        server: Some(allowed.server.uuid),
        event: asked
            .get("filter[event]")
            .filter(|e| !e.is_empty())
            .map(str::to_owned),
        ..AuditFilter::default()
    };
    let newest_first = asked.get("sort") != Some("timestamp");
    let total = app.store.count_audit(&filter).await?;
    let rows = app
        .store
        .audit(&filter, newest_first, page.offset(), page.rows)
        .await?;
    let caller = allowed.identity.user.uuid;
    let data = rows
        .iter()
        .map(|row| shape::activity(row, caller, allowed.is_admin()))
        .collect();
    Ok(Json(page.list(data, total)))
}
