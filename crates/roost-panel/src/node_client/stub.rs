//! A small real node on loopback for tests: it answers as a script says and remembers what it was asked.

use super::NodeTarget;
use axum::{body::Body, extract::State, response::IntoResponse};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use uuid::Uuid;

/// The token secret that the stub expects.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// One request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

/// What the script wants to happen.
pub(crate) enum Answer {
    Reply(Response<Body>),
    Hang,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::text(status, "application/json", body.to_string())
    }

    pub(crate) fn text(status: u16, kind: &str, body: impl Into<Body>) -> Self {
        let reply = Response::builder()
            .status(status)
            .header("content-type", kind)
            .body(body.into())
            .unwrap();
        Self::Reply(reply)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self::Reply(StatusCode::from_u16(status).unwrap().into_response())
    }

    pub(crate) fn header(self, name: &'static str, value: &str) -> Self {
        match self {
            Self::Reply(mut reply) => {
                reply.headers_mut().insert(name, value.parse().unwrap());
                Self::Reply(reply)
            }
            Self::Hang => Self::Hang,
        }
    }
}

type Script = Box<dyn Fn(&Seen) -> Answer + Send>;

/// The stub; it ends with the runtime of the test.
#[derive(Clone)]
pub(crate) struct StubNode {
    pub(crate) address: SocketAddr,
    script: Arc<Mutex<Script>>,
    seen: Arc<Mutex<Vec<Seen>>>,
    secret: Arc<Mutex<String>>,
}

impl StubNode {
    /// A node that knows every server and does all that it is told.
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let node = Self {
            address: listener.local_addr().unwrap(),
            script: Arc::new(Mutex::new(Box::new(obedient))),
            seen: Arc::default(),
            secret: Arc::new(Mutex::new(SECRET.to_owned())),
        };
        let app = axum::Router::new().fallback(handle).with_state(node.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        node
    }

    /// From now on answers as `script` says.
    pub(crate) fn answers(&self, script: impl Fn(&Seen) -> Answer + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    /// From now on only this secret is accepted.
    pub(crate) fn expects(&self, secret: &str) {
        secret.clone_into(&mut self.secret.lock().unwrap());
    }

    /// Everything that was asked since the last call.
    pub(crate) fn take_seen(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn target(&self) -> NodeTarget {
        NodeTarget {
            node: Uuid::from_u128(77),
            base: self.url().into(),
            secret: SECRET.into(),
        }
    }
}

/// What `GET /api/servers/{uuid}` of a running server gives.
pub(crate) fn detail(state: &str) -> Value {
    json!({
        "state": state, "is_suspended": false, "configuration": {},
        "utilization": {"memory_bytes": 1048576, "memory_limit_bytes": 2097152, "cpu_absolute": 12.5, "uptime": 5000,
                        "network": {"rx_bytes": 7, "tx_bytes": 9}, "state": state, "disk_bytes": 4096},
    })
}

/// What `GET /api/system` gives, on Roost's node or another.
pub(crate) fn system(is_roost: bool) -> Value {
    let mut info = json!({"architecture": "x86_64", "cpu_count": 2, "kernel_version": "6", "os": "linux", "version": "1.11.0"});
    if is_roost {
        info["roost"] = "0.1.0".into();
    }
    info
}

/// The script of [`StubNode::start`].
pub(crate) fn obedient(seen: &Seen) -> Answer {
    if seen.path == "/api/system" {
        return Answer::json(200, &system(true));
    }
    match (
        seen.method.as_str(),
        seen.path.rsplit('/').next().unwrap_or_default(),
    ) {
        ("GET", "system") => Answer::json(
            200,
            &json!({"architecture": "amd64", "cpu_count": 2, "kernel_version": "6", "os": "linux",
                    "version": "0.1.0", "roost": "0.1.0"}),
        ),
        ("GET", _) if seen.path.starts_with("/api/servers/") => Answer::json(200, &detail("running")),
        ("POST", "power" | "servers") => Answer::empty(202),
        ("POST", "commands") => Answer::empty(204)
            .header("Roost-Stream", &Uuid::from_u128(9).to_string())
            .header("Roost-Seq", "41"),
        ("POST" | "DELETE", _) => Answer::empty(204),
        _ => Answer::json(404, &json!({"error": "no such route"})),
    }
}

async fn handle(State(node): State<StubNode>, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    let seen = Seen {
        method: parts.method,
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    };
    let shown = seen
        .headers
        .get("authorization")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    let expected = format!("Bearer {}", node.secret.lock().unwrap());
    let answer = if shown == expected {
        (node.script.lock().unwrap())(&seen)
    } else {
        Answer::json(
            403,
            &json!({"error": "You are not authorized to access this endpoint."}),
        )
    };
    node.seen.lock().unwrap().push(seen);
    match answer {
        Answer::Reply(reply) => reply,
        Answer::Hang => std::future::pending().await,
    }
}
