//! `GET /api/remote/servers`, `GET /api/remote/servers/{server}` and `POST /api/remote/servers/reset`: what a node reads
//! when it starts.

use super::{CallingNode, OwnServer};
use crate::{
    http::ApiError,
    panel::App,
    service::settings::{Reader, process_configuration, remote_server, settings},
};
use axum::{
    Json,
    extract::{Query, State},
};
use http::{HeaderMap, StatusCode, Uri, header};
use roost_wire::remote::{PageMeta, RemoteServerDetail, ServerPage};
use std::collections::HashMap;

/// Servers a page where the node does not say, and at most.
const PER_PAGE: (u64, u64) = (50, 500);

/// A page of the node's servers. Page 0 is page 1: stock daemons begin with it.
pub async fn list(
    State(app): State<App>,
    CallingNode(node): CallingNode,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<ServerPage>, ApiError> {
    let query = Query::<HashMap<String, String>>::try_from_uri(&uri)
        .map(|Query(map)| map)
        .unwrap_or_default();
    let number = |name: &str| query.get(name).and_then(|v| v.trim().parse::<u64>().ok());
    let page = number("page").unwrap_or(1).clamp(1, 1 << 32);
    let per_page = number("per_page").unwrap_or(PER_PAGE.0).clamp(1, PER_PAGE.1);
    let before = (page - 1) * per_page;
    let total = u64::try_from(app.store.count_servers_of_node(node.uuid).await?).unwrap_or(0);
    let (offset, most) = (
        i64::try_from(before).unwrap_or(i64::MAX),
        i64::try_from(per_page).unwrap_or(50),
    );
    let rows = app.store.servers_of_node(node.uuid, offset, most).await?;
    let reader = reader(&headers);
    let data: Vec<_> = rows.iter().map(|row| remote_server(row, reader)).collect();
    let count = data.len() as u64;
    let meta = PageMeta {
        current_page: page,
        from: if count == 0 { 0 } else { before + 1 },
        last_page: total.div_ceil(per_page).max(1),
        per_page,
        to: if count == 0 { 0 } else { before + count },
        total,
    };
    Ok(Json(ServerPage { data, meta }))
}

/// One server.
pub async fn show(own: OwnServer, headers: HeaderMap) -> Json<RemoteServerDetail> {
    Json(RemoteServerDetail {
        settings: settings(&own.server),
        process_configuration: process_configuration(&own.server, reader(&headers)),
    })
}

/// The node began anew: what it was installing is over.
pub async fn reset(State(app): State<App>, CallingNode(node): CallingNode) -> Result<StatusCode, ApiError> {
    let mut tx = app.store.begin().await?;
    tx.reset_servers_of(node.uuid).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn reader(headers: &HeaderMap) -> Reader {
    Reader::of_agent(
        headers
            .get(header::USER_AGENT)
            .and_then(|v| v.to_str().ok())
            .unwrap_or_default(),
    )
}
