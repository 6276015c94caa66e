//! The administrators' API, as `roost_wire::admin_api` lists it.

use crate::panel::App;
use axum::Router;

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
}
