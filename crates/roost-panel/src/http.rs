//! The panel over HTTP. [`router`] is the table of contents.

pub mod admin;
pub mod allowed;
pub mod assets;
pub mod auth;
pub mod client;
pub mod identity;
pub mod origin;
pub mod problem;
pub mod remote;

pub use allowed::Allowed;
pub use identity::{Admin, Identity, Via};
pub use problem::{ApiError, Body};

use crate::panel::App;
use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use http::{HeaderName, HeaderValue, Method, header};
use std::any::Any;
use tower_http::{catch_panic::CatchPanicLayer, set_header::SetResponseHeaderLayer};

/// Most bytes of a request's body.
pub const BODY_MAX: usize = 64 << 10;

/// Everything that the panel answers.
pub fn router(app: App) -> Router {
    let api = Router::new()
        .merge(auth::routes())
        .merge(admin::routes())
        .merge(client::routes())
        .merge(remote::routes())
        .layer(CatchPanicLayer::custom(after_panic))
        .layer(middleware::from_fn(finish_changes))
        .layer(middleware::from_fn_with_state(
            app.clone(),
            origin::refuse_foreign,
        ))
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CACHE_CONTROL,
            HeaderValue::from_static("no-store"),
        ))
        .layer(DefaultBodyLimit::max(BODY_MAX));
    api.method_not_allowed_fallback(problem::method_not_allowed)
        .fallback(assets::serve)
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(fixed(header::X_FRAME_OPTIONS, "DENY"))
        .layer(fixed(header::REFERRER_POLICY, "no-referrer"))
        .layer(fixed(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        .with_state(app)
}

/// A panic ends one request. The panic's own words are in the log already.
fn after_panic(_: Box<dyn Any + Send>) -> Response {
    ApiError::internal(&"a handler panicked").into_response()
}

/// What changes something goes on in a task of its own: a caller that leaves half-way does not leave it half done.
async fn finish_changes(request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    match tokio::spawn(next.run(request)).await {
        Ok(response) => response,
        Err(error) => ApiError::internal(&error).into_response(),
    }
}

/// For answers that say nothing of their own: nothing may be loaded, nobody may frame them.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

fn fixed(name: HeaderName, value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
}
