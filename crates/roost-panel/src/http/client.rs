//! The client API: what browsers and bots ask for.

use crate::panel::App;
use axum::Router;

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
}
