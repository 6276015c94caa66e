//! For the route tests: a panel on SQLite or PostgreSQL whose clock stands still, and requests through its whole router.
//!
//! ```text
//!   on_both_databases! {
//!       async fn an_owner_logs_in(world: &World) { ... }
//!   }
//! ```

mod postgres;
pub(crate) mod scene;
pub(crate) mod small_disk;

use crate::{
    node_client::stub::{self, StubNode},
    panel::{Panel, PanelOptions},
};
use axum::body::Body;
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt as _;
use roost_wire::{
    clock::ManualClock,
    peer::{LocalPeer, PeerAddr},
};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tower::ServiceExt as _;
use uuid::Uuid;

/// Makes two tests of each function: one on SQLite, one on PostgreSQL.
macro_rules! on_both_databases {
    ($($(#[$meta:meta])* async fn $name:ident($world:ident: &World) $body:block)*) => {$(
        mod $name {
            #[allow(unused_imports, clippy::allow_attributes, reason = "not each story needs what stands above")]
            use super::*;
            use $crate::testing::World;

            async fn story($world: &World) $body

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn sqlite() {
                story(&World::sqlite().await).await;
            }

            $(#[$meta])*
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn postgres() {
                story(&World::postgres().await).await;
            }
        }
    )*};
}
pub(crate) use on_both_databases;

/// 2026-11-24T08:20:00Z.
pub(crate) const START: i64 = 1_795_508_400_000;
/// Everybody's password here.
pub(crate) const PASSWORD: &str = "correct horse battery";
/// Where requests come from unless they say otherwise.
pub(crate) const ADDRESS: &str = "192.0.2.1";

/// A panel of its own.
pub(crate) struct World {
    pub(crate) panel: Panel,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: PanelOptions,
    router: axum::Router,
    _dir: Option<tempfile::TempDir>,
}

impl World {
    pub(crate) async fn sqlite() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("panel.db").to_str().unwrap().to_owned();
        Self::on(path, Some(dir)).await
    }

    /// With its database in this folder.
    pub(crate) async fn sqlite_in(dir: &std::path::Path) -> Self {
        Self::on(dir.join("panel.db").to_str().unwrap().to_owned(), None).await
    }

    pub(crate) async fn postgres() -> Self {
        Self::on(postgres::fresh_database().await, None).await
    }

    async fn on(database: String, dir: Option<tempfile::TempDir>) -> Self {
        let clock = Arc::new(ManualClock::at(START));
        let options = PanelOptions {
            database,
            key: [7; 32],
            public_url: Some("https://panel.example.com".to_owned()),
            trusted_proxies: roost_wire::peer::TrustedProxies(vec!["10.0.0.0/8".parse().unwrap()]),
            allowed_origins: vec!["https://app.example.com".parse_origin()],
            token_permissions_full: false,
            clock: clock.clone(),
            local_listen: None,
            own_url: None,
        };
        let panel = Panel::open(options.clone()).await.unwrap();
        Self {
            router: panel.router(),
            panel,
            clock,
            options,
            _dir: dir,
        }
    }

    /// The same store with other options.
    pub(crate) async fn with(&self, change: impl FnOnce(&mut PanelOptions)) -> axum::Router {
        let mut options = self.options.clone();
        change(&mut options);
        Panel::open(options).await.unwrap().router()
    }

    pub(crate) fn call(&self, method: Method, path: &str) -> Call {
        Call {
            router: self.router.clone(),
            request: Request::builder()
                .method(method)
                .uri(path)
                .body(Body::empty())
                .unwrap(),
            peer: Peer::Tcp(format!("{ADDRESS}:40000").parse().unwrap()),
        }
    }

    pub(crate) fn get(&self, path: &str) -> Call {
        self.call(Method::GET, path)
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Call {
        self.call(Method::POST, path).json(body)
    }

    /// Makes an account by the command line's way; gives its UUID.
    pub(crate) async fn user(&self, name: &str, admin: bool) -> Uuid {
        let body = json!({"name": name, "password": PASSWORD, "admin": admin});
        let answer = self.post("/api/admin/users", &body).cli().send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["uuid"].as_str().unwrap().parse().unwrap()
    }

    /// Adds a node that the stub answers for; its secret is the stub's.
    pub(crate) async fn node(&self, name: &str, stub: &StubNode) -> Uuid {
        let body = json!({"name": name, "address": stub.url()});
        let answer = self.post("/api/admin/nodes", &body).cli().send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let uuid: Uuid = answer.body["uuid"].as_str().unwrap().parse().unwrap();
        let app = self.panel.app();
        let sealed = app.sealer.seal(uuid, stub::SECRET).unwrap();
        let mut tx = app.store.begin().await.unwrap();
        tx.rotate_node(uuid, &sealed, 0).await.unwrap();
        tx.confirm_node(uuid, &sealed).await.unwrap();
        tx.commit().await.unwrap();
        uuid
    }

    /// Makes a server owned by the first administrator; gives what the panel answered.
    pub(crate) async fn server(&self, name: &str, settings: Value) -> Value {
        let answer = self
            .post("/api/admin/servers", &json!({"name": name, "settings": settings}))
            .cli()
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    /// Logs in; gives the cookie's value.
    pub(crate) async fn log_in(&self, name: &str) -> String {
        let body = json!({"user": name, "password": PASSWORD});
        let answer = self.post("/api/auth/login", &body).send().await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.cookie().expect("a cookie")
    }

    /// Makes an API key.
    pub(crate) async fn key(&self, name: &str) -> String {
        let answer = self
            .post("/api/admin/keys", &json!({"user": name}))
            .cli()
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["key"].as_str().expect("a key").to_owned()
    }

    /// The audit, oldest first.
    pub(crate) async fn audit(&self) -> Vec<Value> {
        let answer = self
            .get("/api/admin/audit?order=asc&lines=1000")
            .cli()
            .send()
            .await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body.as_array().expect("a list").clone()
    }

    /// The events of the audit, oldest first.
    pub(crate) async fn events(&self) -> Vec<String> {
        self.audit()
            .await
            .iter()
            .map(|row| row["event"].as_str().unwrap().to_owned())
            .collect()
    }
}

trait ParseOrigin {
    fn parse_origin(&self) -> roost_wire::origin::Origin;
}

impl ParseOrigin for str {
    fn parse_origin(&self) -> roost_wire::origin::Origin {
        roost_wire::origin::Origin::parse(self).unwrap()
    }
}

enum Peer {
    Tcp(SocketAddr),
    Local(u32),
}

/// A request to be sent.
pub(crate) struct Call {
    router: axum::Router,
    request: Request<Body>,
    peer: Peer,
}

impl Call {
    /// To another router over the same store.
    pub(crate) fn to(mut self, router: &axum::Router) -> Self {
        self.router = router.clone();
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request.headers_mut().append(name, value.parse().unwrap());
        self
    }

    pub(crate) fn cookie(self, value: &str) -> Self {
        self.header("cookie", &format!("session={value}"))
    }

    pub(crate) fn bearer(self, key: &str) -> Self {
        self.header("authorization", &format!("Bearer {key}"))
    }

    pub(crate) fn from(mut self, address: &str) -> Self {
        self.peer = Peer::Tcp(SocketAddr::new(address.parse().unwrap(), 40000));
        self
    }

    /// Over the data directory's socket.
    pub(crate) fn cli(mut self) -> Self {
        self.peer = Peer::Local(1000);
        self
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.header("content-type", "application/json")
            .raw(body.to_string())
    }

    pub(crate) fn raw(mut self, body: impl Into<Body>) -> Self {
        *self.request.body_mut() = body.into();
        self
    }

    pub(crate) async fn send(mut self) -> Answer {
        match self.peer {
            Peer::Tcp(address) => drop(self.request.extensions_mut().insert(PeerAddr(address))),
            Peer::Local(uid) => drop(self.request.extensions_mut().insert(LocalPeer { uid })),
        }
        if !self.request.headers().contains_key(header::HOST) {
            self.request
                .headers_mut()
                .insert(header::HOST, "panel.example.com".parse().unwrap());
        }
        let response = self.router.oneshot(self.request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        Answer {
            status: parts.status,
            headers: parts.headers,
            body: serde_json::from_str(&text).unwrap_or(Value::Null),
            text,
        }
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    /// The session's cookie, if one is set.
    pub(crate) fn cookie(&self) -> Option<String> {
        let value = self.header("set-cookie").strip_prefix("session=")?;
        Some(value.split(';').next()?.to_owned()).filter(|v| !v.is_empty())
    }

    pub(crate) fn message(&self) -> &str {
        self.body["message"].as_str().unwrap_or("")
    }
}
