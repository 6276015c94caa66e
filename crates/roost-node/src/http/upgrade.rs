//! The door of the sockets: `GET /api/servers/{uuid}/ws` is checked, answered with 101, and its connection is given to
//! a shard.
//!
//! A token in the query is taken out before anything else sees the address. Whether a token is good is the shard's
//! business.

use super::answer::Failure;
use crate::{
    node::Node,
    socket::{Peer, Permit, TooMany, Upgraded},
};
use axum::{
    extract::{Path, Request, State},
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use hyper_util::rt::TokioIo;
use roost_wire::{
    origin::Origin,
    peer::{OverTls, PeerAddr, TrustedProxies},
    v1,
};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv4Addr},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{net::TcpStream, sync::Semaphore};
use tokio_rustls::server::TlsStream;
use uuid::Uuid;

/// A refused origin is logged once in this time.
const LOG_PAUSE: Duration = Duration::from_secs(3600);
/// Different origins remembered for that.
const LOGGED_MAX: usize = 256;
/// How long a socket waits for room among those without a token, before it gets 429, and how often it looks.
const ROOM_WAIT: Duration = Duration::from_secs(2);
const ROOM_PAUSE: Duration = Duration::from_millis(20);
/// How many wait for it at most; over it 429 at once.
const WAITING_MAX: usize = 1_024;

/// The token of a query, moved out of the address. Empty for an empty or repeated one.
#[derive(Debug, Clone)]
pub(super) struct QueryToken(String);

/// Takes the query out of the address, and the token out of the query. Put it outermost.
pub(super) fn take_query(mut request: Request) -> Request {
    let uri = request.uri();
    let Some(query) = uri.query() else { return request };
    if !uri.path().ends_with("/ws") {
        return request;
    }
    let mut tokens = query.split('&').filter_map(|pair| match pair.split_once('=') {
        Some(("token", value)) => Some(percent_decoded(value)),
        None if pair == "token" => Some(String::new()),
        _ => None,
    });
    let token = match (tokens.next(), tokens.next()) {
        (None, _) => None,
        (Some(only), None) => Some(only),
        (Some(_), Some(_)) => Some(String::new()),
    };
    if let Ok(bare) = uri.path().parse() {
        *request.uri_mut() = bare;
    }
    if let Some(token) = token {
        request.extensions_mut().insert(QueryToken(token));
    }
    request
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let hex = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16));
        if byte == b'%' {
            match (hex(bytes.next()), hex(bytes.next())) {
                (Some(high), Some(low)) => out.push((high * 16 + low) as u8),
                _ => return String::new(),
            }
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

/// Answers with 101 and gives the connection away, or says why not.
pub(super) async fn open(
    State(node): State<Node>,
    Path(uuid): Path<String>,
    mut request: Request,
) -> Response {
    let is_v1 = offers(request.headers(), v1::SUBPROTOCOL);
    match check(&node, &uuid, &mut request, is_v1).await {
        Ok(accept) => {
            let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
            let headers = response.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
            headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
            if is_v1 {
                headers.insert(
                    header::SEC_WEBSOCKET_PROTOCOL,
                    HeaderValue::from_static(v1::SUBPROTOCOL),
                );
            }
            response
        }
        Err(response) => *response,
    }
}

/// Whether a client would speak this subprotocol.
fn offers(headers: &HeaderMap, subprotocol: &str) -> bool {
    let offered = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    offered
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.split(',').any(|offer| offer.trim() == subprotocol))
}

async fn check(
    node: &Node,
    uuid: &str,
    request: &mut Request,
    is_v1: bool,
) -> Result<HeaderValue, Box<Response>> {
    let server = Uuid::try_parse(uuid)
        .ok()
        .and_then(|uuid| node.servers().get(uuid))
        .ok_or_else(|| Box::new(Failure::unknown_server().into_response()))?;
    let accept = handshake(request.headers())?;
    let peer = request
        .extensions()
        .get::<PeerAddr>()
        .map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |peer| peer.0.ip());
    let tls = request.extensions().get::<OverTls>().is_some();
    let proxies = proxies(node);
    let way = proxies.way(peer, tls, request.headers());
    if let Err(received) = origin_fits(node, way.scheme, way.host.as_deref(), request.headers()) {
        node.shards()
            .record_refusal(server.uuid, way.address, "foreign origin");
        return Err(Box::new(foreign(node, &received)));
    }
    // Behind a proxy that is not trusted, all viewers seem to have its address.
    let hidden =
        is_private(peer) && !proxies.trusts(peer) && request.headers().contains_key("x-forwarded-for");
    if hidden {
        warn_once_of_proxy(peer);
    }
    node.knows_revoked().await;
    let permit = admit(node, way.address, !hidden).await.map_err(|e| {
        node.shards()
            .record_refusal(server.uuid, way.address, &e.to_string());
        let mut response = Failure(
            StatusCode::TOO_MANY_REQUESTS,
            format!("{e}: try again in a few seconds"),
        )
        .into_response();
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        Box::new(response)
    })?;
    let query_token = request
        .extensions_mut()
        .remove::<QueryToken>()
        .map(|QueryToken(token)| token);
    let seen = Peer {
        address: way.address,
        query_token,
        permit: Some(permit),
        is_v1,
    };
    let upgrade = hyper::upgrade::on(request);
    let shards = node.shards().clone();
    tokio::spawn(async move {
        match upgrade.await.map(taken_out) {
            Ok(Some(stream)) => shards.adopt(stream, server, seen),
            Ok(None) => tracing::error!("a connection of an unknown kind was upgraded: it is dropped"),
            Err(error) => tracing::debug!(%error, "an upgrade did not come to its end"),
        }
    });
    Ok(accept)
}

/// Waits a moment for room among those without a token: many sockets that are opened at once need it one after the
/// other, for as long as it takes each to show its token.
async fn admit(node: &Node, address: IpAddr, by_address: bool) -> Result<Permit, TooMany> {
    static WAITING: Semaphore = Semaphore::const_new(WAITING_MAX);
    let limit = match node.shards().admit(address, by_address) {
        Ok(permit) => return Ok(permit),
        Err(limit) => limit,
    };
    let Ok(_place) = WAITING.try_acquire() else {
        return Err(limit);
    };
    let end = Instant::now() + ROOM_WAIT;
    loop {
        tokio::time::sleep(ROOM_PAUSE).await;
        match node.shards().admit(address, by_address) {
            Err(_) if Instant::now() < end => {}
            result => return result,
        }
    }
}

/// The socket below hyper and tokio, not blocking, and what was read of it already.
fn taken_out(upgraded: hyper::upgrade::Upgraded) -> Option<Upgraded> {
    let upgraded = match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => {
            return Some(Upgraded::Plain(
                parts.io.into_inner().into_std().ok()?,
                parts.read_buf,
            ));
        }
        Err(upgraded) => upgraded,
    };
    let parts = upgraded.downcast::<TokioIo<TlsStream<TcpStream>>>().ok()?;
    let (stream, session) = parts.io.into_inner().into_inner();
    Some(Upgraded::Tls(
        stream.into_std().ok()?,
        Box::new(session),
        parts.read_buf,
    ))
}

fn handshake(headers: &HeaderMap) -> Result<HeaderValue, Box<Response>> {
    let has = |name: header::HeaderName, word: &str| {
        headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|value| {
                value
                    .split(',')
                    .any(|part| part.trim().eq_ignore_ascii_case(word))
            })
    };
    if !has(header::CONNECTION, "upgrade") || !has(header::UPGRADE, "websocket") {
        let mut response = Failure(
            StatusCode::UPGRADE_REQUIRED,
            "This address is a WebSocket: open it with a WebSocket client.".to_owned(),
        )
        .into_response();
        response
            .headers_mut()
            .insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        return Err(Box::new(response));
    }
    if headers
        .get(header::SEC_WEBSOCKET_VERSION)
        .is_none_or(|version| version != "13")
    {
        let mut response = Failure(
            StatusCode::UPGRADE_REQUIRED,
            "Only version 13 of WebSocket is spoken here.".to_owned(),
        )
        .into_response();
        response
            .headers_mut()
            .insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
        return Err(Box::new(response));
    }
    let key = headers
        .get(header::SEC_WEBSOCKET_KEY)
        .map(HeaderValue::as_bytes)
        .filter(|key| key.len() == 24);
    key.and_then(|key| HeaderValue::from_str(&accept_of(key)).ok())
        .ok_or_else(|| {
            let text = "Sec-WebSocket-Key is missing or malformed.";
            Box::new(Failure::bad_request(text).into_response())
        })
}

/// RFC 6455, 4.2.2.
fn accept_of(key: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut text = key.to_vec();
    text.extend_from_slice(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &text);
    STANDARD.encode(digest.as_ref())
}

fn proxies(node: &Node) -> TrustedProxies {
    TrustedProxies(
        node.config()
            .api
            .trusted_proxies
            .iter()
            .filter_map(|net| net.parse().ok())
            .collect(),
    )
}

/// No origin is fine: the token is the credential. The error is what was received.
fn origin_fits(node: &Node, scheme: &str, host: Option<&str>, headers: &HeaderMap) -> Result<(), String> {
    let Some(received) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let text = String::from_utf8_lossy(received.as_bytes()).into_owned();
    if node.allowed_origins().iter().any(|allowed| allowed == "*") {
        return Ok(());
    }
    let Ok(origin) = Origin::parse(&text) else {
        return Err(text);
    };
    let listed = std::iter::once(node.remote()).chain(node.allowed_origins().iter().map(String::as_str));
    if listed
        .filter_map(|allowed| Origin::parse(allowed).ok())
        .any(|allowed| origin.is_same_place(&allowed))
    {
        return Ok(());
    }
    let own = host.and_then(|host| Origin::from_host(scheme, host).ok());
    if node.own_origin_ok() && own.is_some_and(|own| origin.is_same_host(&own)) {
        Ok(())
    } else {
        Err(text)
    }
}

fn foreign(node: &Node, received: &str) -> Response {
    let shown: String = received.chars().filter(|c| !c.is_control()).take(200).collect();
    let mut allowed = vec![node.remote().to_owned()];
    allowed.extend(node.allowed_origins().iter().cloned());
    if once_an_hour(&shown) {
        tracing::warn!(
            received = shown,
            allowed = allowed.join(", "),
            "a page of a foreign origin was refused; `--allow-origin` allows it"
        );
    }
    let body = serde_json::json!({
        "error": format!("The page's origin {shown} may not open consoles of this node."),
        "received": shown,
        "allowed": allowed,
    });
    (StatusCode::FORBIDDEN, axum::Json(body)).into_response()
}

fn once_an_hour(what: &str) -> bool {
    static LOGGED: Mutex<Option<HashMap<String, Instant>>> = Mutex::new(None);
    let mut logged = LOGGED.lock().unwrap_or_else(PoisonError::into_inner);
    let logged = logged.get_or_insert_default();
    logged.retain(|_, at| at.elapsed() < LOG_PAUSE);
    if logged.contains_key(what) || logged.len() >= LOGGED_MAX {
        return false;
    }
    logged.insert(what.to_owned(), Instant::now());
    true
}

fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn warn_once_of_proxy(peer: IpAddr) {
    if once_an_hour(&format!("proxy {peer}")) {
        tracing::warn!(%peer, "a proxy that is not trusted forwards viewers: limits by address are off for them; `--trusted-proxy` names it");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_accept_key_is_the_standards_example() {
        assert_eq!(
            accept_of(b"dGhlIHNhbXBsZSBub25jZQ=="),
            "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
        );
    }

    #[test]
    fn the_token_leaves_the_address_before_anything_logs_it() {
        let taken = |query: &str| {
            let request = Request::get(format!("/api/servers/x/ws{query}"))
                .body(axum::body::Body::empty())
                .unwrap();
            let request = take_query(request);
            assert_eq!(request.uri(), "/api/servers/x/ws");
            request.extensions().get::<QueryToken>().map(|t| t.0.clone())
        };
        assert_eq!(taken("?token=a%2Eb"), Some("a.b".into()));
        assert_eq!(taken("?token="), Some(String::new()));
        assert_eq!(taken("?token=a&token=b"), Some(String::new()));
        assert_eq!(taken("?x=y"), None);
        assert_eq!(taken(""), None);
    }
}
