//! Keeps foreign pages from changing things with a visitor's cookie.
//!
//! Whether the visitor may do it is decided later, as for everybody.

use super::ApiError;
use crate::panel::App;
use axum::{extract::State, middleware::Next, response::IntoResponse, response::Response};
use http::{HeaderMap, Method, header};
use roost_wire::{origin::Origin, peer::LocalPeer};

/// Refuses what changes something, is carried by nothing but a cookie, and comes from a foreign page. Without an
/// `Origin` it does not come from a page.
pub async fn refuse_foreign(State(app): State<App>, request: axum::extract::Request, next: Next) -> Response {
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let by_cookie = !request.headers().contains_key(header::AUTHORIZATION)
        && request.extensions().get::<LocalPeer>().is_none();
    if changes
        && by_cookie
        && let Err(error) = check(&app, request.headers())
    {
        return error.into_response();
    }
    next.run(request).await
}

fn check(app: &App, headers: &HeaderMap) -> Result<(), ApiError> {
    let refuse = |from: &str| {
        let from: String = from.chars().filter(|c| !c.is_control()).take(200).collect();
        Err(ApiError::new(
            403,
            format!(
                "This request comes from the page {from}, which may not act here. Open the panel at its own address, or \
                 start it with --allow-origin {from}."
            ),
        ))
    };
    let Some(sent) = headers.get(header::ORIGIN) else {
        return match headers.get("sec-fetch-site").and_then(|v| v.to_str().ok()) {
            Some("cross-site") => refuse("of another site"),
            _ => Ok(()),
        };
    };
    let text = sent.to_str().unwrap_or("?");
    let Ok(origin) = Origin::parse(text) else {
        return refuse(text);
    };
    let own_host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let known = app
        .public_origin
        .iter()
        .chain(&app.options.allowed_origins)
        .any(|allowed| origin.is_same_place(allowed));
    let own = own_host
        .and_then(|host| Origin::from_host("http", host).ok())
        .is_some_and(|host| origin.is_same_host(&host));
    if known || own { Ok(()) } else { refuse(text) }
}
