//! The client API: what browsers and bots ask for.

pub mod paging;
pub mod shape;

use crate::panel::App;
use axum::Router;

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
}
