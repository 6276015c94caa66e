//! The remote API: what nodes ask for.

use crate::panel::App;
use axum::Router;

/// Its routes.
pub fn routes() -> Router<App> {
    Router::new()
}
