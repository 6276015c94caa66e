//! The administrators' API, as `roost_wire::admin_api` lists it: what the command line speaks.
//!
//! Each handler takes [`super::Admin`], so nobody else gets in. The rules are the services'.

mod audit;
mod info;
mod keys;
mod users;

use crate::panel::App;
use axum::{
    Router,
    routing::{delete, get, put},
};

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
        .route("/api/admin/users", get(users::list).post(users::create))
        .route("/api/admin/users/{name}", delete(users::remove))
        .route("/api/admin/users/{name}/password", put(users::set_password))
        .route("/api/admin/keys", get(keys::list).post(keys::create))
        .route("/api/admin/keys/{identifier}", delete(keys::revoke))
        .route("/api/admin/audit", get(audit::list))
        .route("/api/admin/info", get(info::show))
}
