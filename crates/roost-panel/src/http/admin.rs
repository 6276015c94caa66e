//! The administrators' API, as `roost_wire::admin_api` lists it: what the command line speaks.
//!
//! Each handler takes [`super::Admin`], so nobody else gets in. The rules are the services'.

mod audit;
mod grants;
mod info;
mod keys;
mod nodes;
mod servers;
mod sockets;
mod users;

use crate::panel::App;
use axum::{
    Router,
    routing::{delete, get, post, put},
};

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/admin/users", get(users::list).post(users::create))
        .route("/api/admin/users/{name}", delete(users::remove))
        .route("/api/admin/users/{name}/password", put(users::set_password))
        .route("/api/admin/keys", get(keys::list).post(keys::create))
        .route("/api/admin/keys/{identifier}", delete(keys::revoke))
        .route("/api/admin/nodes", get(nodes::list).post(nodes::create))
        .route("/api/admin/nodes/{name}", get(nodes::show).delete(nodes::remove))
        .route("/api/admin/nodes/{name}/config", get(nodes::config))
        .route("/api/admin/nodes/{name}/rotate", post(nodes::rotate))
        .route("/api/admin/servers", get(servers::list).post(servers::create))
        .route(
            "/api/admin/servers/{server}",
            get(servers::show).patch(servers::change).delete(servers::remove),
        )
        .route("/api/admin/servers/{server}/suspend", post(servers::suspend))
        .route("/api/admin/servers/{server}/unsuspend", post(servers::unsuspend))
        .route("/api/admin/servers/{server}/erase", post(servers::erase))
        .route("/api/admin/servers/{server}/grants", get(grants::list))
        .route(
            "/api/admin/servers/{server}/grants/{user}",
            put(grants::set).delete(grants::remove),
        )
        .route("/api/admin/audit", get(audit::list))
        .route("/api/admin/sockets", get(sockets::list))
        .route("/api/admin/sockets/{id}", delete(sockets::end))
        .route("/api/admin/info", get(info::show))
}

#[cfg(test)]
mod tests;
