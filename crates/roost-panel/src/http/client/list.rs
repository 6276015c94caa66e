//! `GET /api/client`: the caller's servers, by page.
//!
//! `type`: none for those that he owns or that are shared with him, `owner`, and for administrators `admin` (all
//! others) and `admin-all`. `filter[name]`, `filter[uuid]` and `filter[*]` all search name, identifier and UUID.

use super::{paging::Page, query::Asked, shape};
use crate::{
    http::{ApiError, Identity},
    panel::App,
    service::access::access,
    store::{ServerRow, VisibleServers},
};
use axum::{Json, extract::State};
use serde_json::Value;

const FILTERS: [&str; 4] = ["filter[*]", "filter[name]", "filter[uuid]", "filter[identifier]"];

/// The handler.
pub async fn list(State(app): State<App>, identity: Identity, asked: Asked) -> Result<Json<Value>, ApiError> {
    let user = &identity.user;
    let page = Page::read(asked.get("page"), asked.get("per_page"), 50);
    let visible = match (asked.get("type"), user.admin) {
        (Some("owner"), _) => VisibleServers::Owned(user.uuid),
        (Some("admin"), true) => VisibleServers::Others(user.uuid),
        (Some("admin-all"), true) => VisibleServers::All,
        (Some("admin" | "admin-all"), false) => return Ok(Json(page.list(Vec::new(), 0))),
        _ => VisibleServers::Mine(user.uuid),
    };
    let search = FILTERS
        .iter()
        .find_map(|name| asked.get(name))
        .unwrap_or_default();
    let total = app.store.count_servers(visible, search).await?;
    let rows = app
        .store
        .servers(visible, search, page.offset(), page.rows)
        .await?;
    let mut data = Vec::with_capacity(rows.len());
    for row in &rows {
        if let Some(server) = show(&app, &identity, row).await? {
            data.push(server);
        }
    }
    Ok(Json(page.list(data, total)))
}

/// One server, by the caller's own rights on it; `None` if they ended since the list was read.
async fn show(app: &App, identity: &Identity, row: &ServerRow) -> Result<Option<Value>, ApiError> {
    let user = &identity.user;
    let granted = if user.admin || row.owner == user.uuid {
        None
    } else {
        app.store.grant(row.uuid, user.uuid).await?
    };
    let rights = access(row, user, granted.as_ref(), app.options.token_permissions_full);
    Ok(rights.map(|access| shape::server(row, user.uuid, &access.rights, &shape::sftp_host(identity, row))))
}
