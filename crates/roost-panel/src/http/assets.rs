//! The web console's files, carried in the binary.
//!
//! ```text
//!   /assets/index-3f2a.js   a name that changes with its content: kept for a year
//!   /favicon.svg            asked for anew, answered 304 if unchanged
//!   /servers/demo           a page of the app: index.html, never stored
//!   /missing.js             404
//! ```
//!
//! What the pages do, and `/api`, are not this file's business.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use roost_wire::problem::Problem;
use rust_embed::RustEmbed;
use std::borrow::Cow;

#[derive(RustEmbed)]
#[folder = "$ROOST_WEB_DIST"]
struct Dist;

/// Scripts and connections only where the console needs them; sockets go to the nodes, wherever those are.
const CONTENT_POLICY: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' ws: wss:; \
    object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// Answers whatever no route of the API took.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        return problem(404, "There is no such address in Roost's API.");
    }
    if method != Method::GET && method != Method::HEAD {
        return problem(405, "Only GET and HEAD are answered here.");
    }
    let name = path.trim_start_matches('/');
    let is_page = !name.rsplit('/').next().unwrap_or_default().contains('.') || name == "index.html";
    let name = if is_page { "index.html" } else { name };
    let Some(file) = Dist::get(name) else {
        return problem(404, "There is no such file.");
    };
    let tag = etag(&file.metadata.sha256_hash());
    let cache = if is_page {
        "no-store"
    } else if name.starts_with("assets/") {
        "public, max-age=31536000, immutable"
    } else {
        "no-cache"
    };
    let mut reply = Response::builder()
        .header(header::CACHE_CONTROL, cache)
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .header(header::REFERRER_POLICY, "same-origin");
    if is_page {
        reply = reply
            .header(header::CONTENT_SECURITY_POLICY, CONTENT_POLICY)
            .header(header::X_FRAME_OPTIONS, "DENY");
    } else {
        reply = reply.header(header::ETAG, &tag);
        if asked_for_changed(&headers, &tag) {
            return finish(reply.status(StatusCode::NOT_MODIFIED), Body::empty());
        }
    }
    let body = match file.data {
        Cow::Borrowed(data) => Bytes::from_static(data),
        Cow::Owned(data) => Bytes::from(data),
    };
    reply = reply
        .header(header::CONTENT_TYPE, content_type(file.metadata.mimetype()))
        .header(header::CONTENT_LENGTH, body.len());
    finish(
        reply,
        if method == Method::HEAD {
            Body::empty()
        } else {
            Body::from(body)
        },
    )
}

fn content_type(kind: &str) -> String {
    let is_text = kind.starts_with("text/") || kind.ends_with("javascript") || kind.ends_with("json");
    if is_text {
        format!("{kind}; charset=utf-8")
    } else {
        kind.to_owned()
    }
}

fn etag(hash: &[u8; 32]) -> String {
    use std::fmt::Write as _;
    let mut tag = String::from("\"");
    for byte in &hash[..16] {
        let _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    tag
}

fn asked_for_changed(headers: &HeaderMap, tag: &str) -> bool {
    let listed = headers
        .get(header::IF_NONE_MATCH)
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    listed
        .split(',')
        .map(|t| t.trim().trim_start_matches("W/"))
        .any(|t| t == tag || t == "*")
}

fn problem(status: u16, message: &str) -> Response {
    let body = serde_json::to_vec(&Problem::new(status, message)).unwrap_or_default();
    let reply = Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND))
        .header(header::CACHE_CONTROL, "no-store")
        .header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    finish(reply, Body::from(body))
}

fn finish(reply: http::response::Builder, body: Body) -> Response {
    reply.body(body).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str) -> Response {
        serve(Method::GET, path.parse().unwrap(), HeaderMap::new()).await
    }

    #[tokio::test]
    async fn pages_of_the_app_are_the_index_and_never_stored() {
        for path in ["/", "/servers/demo", "/index.html"] {
            let page = get(path).await;
            assert_eq!(page.status(), 200, "{path}");
            assert_eq!(page.headers()["cache-control"], "no-store");
            assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
            assert!(page.headers().contains_key("content-security-policy"));
        }
    }

    #[tokio::test]
    async fn what_is_not_there_is_404_and_never_the_index() {
        for path in [
            "/missing.js",
            "/assets/../../Cargo.toml",
            "/..%2fCargo.toml",
            "/api/nothing",
        ] {
            let answer = get(path).await;
            assert_eq!(answer.status(), 404, "{path}");
            assert_eq!(answer.headers()["content-type"], "application/json");
        }
        let post = serve(Method::POST, "/".parse().unwrap(), HeaderMap::new()).await;
        assert_eq!(post.status(), 405);
    }

    #[tokio::test]
    async fn head_has_the_length_and_no_body() {
        let head = serve(Method::HEAD, "/".parse().unwrap(), HeaderMap::new()).await;
        assert_ne!(head.headers()["content-length"], "0");
        let body = http_body_util::BodyExt::collect(head.into_body())
            .await
            .unwrap()
            .to_bytes();
        assert!(body.is_empty());
    }

    #[tokio::test]
    async fn each_file_of_the_build_has_its_type_and_a_tag_that_saves_a_second_load() {
        for name in Dist::iter().filter(|n| n != "index.html") {
            let path = format!("/{name}");
            let first = get(&path).await;
            assert_eq!(first.status(), 200, "{path}");
            let kept = first.headers()["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable");
            assert_eq!(kept, name.starts_with("assets/"), "{path}");
            if name.ends_with(".js") {
                assert_eq!(first.headers()["content-type"], "text/javascript; charset=utf-8");
            }
            let mut headers = HeaderMap::new();
            headers.insert("if-none-match", first.headers()["etag"].clone());
            let second = serve(Method::GET, path.parse().unwrap(), headers).await;
            assert_eq!(second.status(), 304, "{path}");
        }
    }
}
