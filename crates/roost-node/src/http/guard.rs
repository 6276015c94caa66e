//! Who may use the node's API: whoever shows its secret.

use super::answer::Failure;
use crate::node::Node;
use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};

/// 401 without a secret, 403 with a wrong one.
pub(super) async fn bearer(State(node): State<Node>, request: Request, next: Next) -> Response {
    let given = request
        .headers()
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, secret)| secret.trim());
    match given {
        Some(secret) if node.secrets().accepts(secret) => next.run(request).await,
        Some(_) => {
            let text =
                "This is not the node's secret: see `roost node config NAME --reveal-token` on the panel.";
            Failure(StatusCode::FORBIDDEN, text.to_owned()).into_response()
        }
        None => {
            let text = "The node's secret is missing: send it as `Authorization: Bearer ...`.";
            let mut response = Failure(StatusCode::UNAUTHORIZED, text.to_owned()).into_response();
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    }
}

/// Nothing that a node says is to be kept by a cache.
pub(super) async fn no_store(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response
        .headers_mut()
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
