//! The node's HTTP API, all of it on one page.
//!
//! Every route but the socket's takes `Authorization: Bearer <node secret>`: it is for panels. The socket's viewers
//! show a token instead (see [`crate::socket`]). Errors are `{"error": "..."}`. Nothing here logs a header or a query.

mod answer;
mod cors;
mod guard;
mod journal;
mod logs;
mod panel_orders;
mod search;
mod servers;
mod sockets;
mod system;
mod terminal;
mod upgrade;

use crate::node::Node;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware::{from_fn, from_fn_with_state},
    routing::{delete, get, post},
};

/// The longest request body, in bytes.
const BODY_MAX: usize = 1 << 20;

/// The table of contents.
pub(crate) fn router(node: Node) -> Router {
    let guarded = Router::new()
        .route("/api/system", get(system::show))
        .route("/api/update", post(panel_orders::update))
        .route("/api/deauthorize-user", post(panel_orders::deauthorize_user))
        .route("/api/sockets", get(sockets::list))
        .route("/api/sockets/{id}", delete(sockets::end))
        .route("/api/servers", get(servers::list).post(servers::create))
        .route("/api/servers/{uuid}", get(servers::show).delete(servers::remove))
        .route("/api/servers/{uuid}/directory", post(servers::directory))
        .route("/api/servers/{uuid}/sync", post(servers::sync))
        .route("/api/servers/{uuid}/install", post(servers::install))
        .route("/api/servers/{uuid}/reinstall", post(servers::install))
        .route("/api/servers/{uuid}/power", post(terminal::power))
        .route("/api/servers/{uuid}/commands", post(terminal::commands))
        .route("/api/servers/{uuid}/logs", get(logs::tail))
        .route("/api/servers/{uuid}/journal", get(journal::page))
        .route("/api/servers/{uuid}/journal/search", post(search::page))
        .route("/api/servers/{uuid}/journal/erase", post(journal::erase))
        .route("/api/servers/{uuid}/ws/deny", post(panel_orders::deny_tokens))
        .route_layer(from_fn_with_state(node.clone(), guard::bearer))
        .layer(DefaultBodyLimit::max(BODY_MAX));
    let sockets = Router::new().route("/api/servers/{uuid}/ws", get(upgrade::open));
    guarded
        .merge(sockets)
        .layer(from_fn_with_state(node.clone(), cors::headers))
        .layer(from_fn(guard::no_store))
        .layer(axum::middleware::map_request(async |request| {
            upgrade::take_query(request)
        }))
        .with_state(node)
}
