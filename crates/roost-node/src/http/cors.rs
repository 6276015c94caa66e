//! What browsers on the panel's pages may read of a node's answers, as stock daemons allow it.
//!
//! Which pages may open sockets is decided at the upgrade.

use crate::node::Node;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use roost_wire::origin::Origin;

/// Answers pre-flights, and names the panel's origin in every answer.
pub(super) async fn headers(State(node): State<Node>, request: Request, next: Next) -> Response {
    let origin = request
        .headers()
        .get(header::ORIGIN)
        .and_then(|value| value.to_str().ok())
        .map(str::to_owned);
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    add(response.headers_mut(), &node, origin.as_deref());
    response
}

fn add(headers: &mut HeaderMap, node: &Node, origin: Option<&str>) {
    let allowed = origin
        .filter(|origin| is_allowed(node, origin))
        .unwrap_or(node.remote());
    if let Ok(value) = HeaderValue::from_str(allowed.trim_end_matches('/')) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, value);
    }
    for (name, value) in [
        (header::VARY, "Origin"),
        (header::ACCESS_CONTROL_ALLOW_CREDENTIALS, "true"),
        (
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, POST, PATCH, PUT, DELETE, OPTIONS",
        ),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "Accept, Accept-Encoding, Authorization, Cache-Control, Content-Type, Content-Length, Origin, X-Real-IP, \
             X-CSRF-Token",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "7200"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

fn is_allowed(node: &Node, origin: &str) -> bool {
    let Ok(origin) = Origin::parse(origin) else {
        return false;
    };
    let same =
        |text: &str| text == "*" || Origin::parse(text).is_ok_and(|allowed| allowed.is_same_place(&origin));
    same(node.remote()) || node.allowed_origins().iter().any(|text| same(text))
}
