//! The client API: what browsers and bots ask for, in Pterodactyl's shapes.
//!
//! One file an endpoint. The rules stand in `service`, rights in `Allowed`.

mod account;
mod activity;
mod command;
mod list;
mod logs;
mod node_problem;
mod paging;
mod permissions;
mod power;
mod query;
mod resources;
mod server;
mod shape;
mod users;
mod websocket;

#[cfg(test)]
mod tests;

use crate::panel::App;
use axum::{
    Router,
    routing::{get, post},
};

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/client", get(list::list))
        .route("/api/client/account", get(account::show))
        .route("/api/client/permissions", get(permissions::show))
        .route("/api/client/servers//websocket", get(websocket::missing))
        .route("/api/client/servers/{server}", get(server::show))
        .route("/api/client/servers/{server}/websocket", get(websocket::issue))
        .route("/api/client/servers/{server}/resources", get(resources::show))
        .route(
            "/api/client/servers/{server}/users",
            get(users::list).post(users::create),
        )
        .route(
            "/api/client/servers/{server}/users/{user}",
            get(users::show).post(users::update).delete(users::delete),
        )
        .route("/api/client/servers/{server}/activity", get(activity::list))
        .route("/api/client/servers/{server}/power", post(power::act))
        .route("/api/client/servers/{server}/command", post(command::send))
        .route("/api/client/servers/{server}/logs", get(logs::read))
        .route("/api/client/servers/{server}/logs/search", get(logs::search))
}
