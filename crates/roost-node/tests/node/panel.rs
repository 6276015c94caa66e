//! A panel that knows servers and takes audit rows, and can go away.

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    response::IntoResponse,
    routing::{get, post},
};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    net::SocketAddr,
    sync::{Arc, Mutex},
};
use uuid::Uuid;

pub const TOKEN_ID: &str = "tokenid";
pub const TOKEN: &str = "node-secret";

#[derive(Default)]
pub struct Known {
    pub servers: BTreeMap<Uuid, Value>,
    pub rows: Vec<Value>,
    pub installs: Vec<(Uuid, bool)>,
    pub resets: usize,
    pub refuse_event: Option<String>,
    pub pages_asked: Vec<String>,
    /// What it says was revoked; `None` for a panel that does not know the question.
    pub revoked: Option<Value>,
}

/// The panel. `away` drops its listener; `back` listens again on the same port.
pub struct Panel {
    pub known: Arc<Mutex<Known>>,
    pub address: SocketAddr,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl Panel {
    pub async fn start() -> Self {
        let mut panel = Self {
            known: Arc::default(),
            address: "127.0.0.1:0".parse().unwrap(),
            task: None,
        };
        panel.back().await;
        panel
    }

    pub async fn back(&mut self) {
        let listener = tokio::net::TcpListener::bind(self.address).await.unwrap();
        self.address = listener.local_addr().unwrap();
        let app = Router::new()
            .route("/api/remote/servers", get(list))
            .route("/api/remote/servers/reset", post(reset))
            .route("/api/remote/servers/{uuid}", get(show))
            .route("/api/remote/servers/{uuid}/install", get(script).post(installed))
            .route("/api/remote/activity", post(activity))
            .route("/api/remote/revocations", get(revocations))
            .with_state(Arc::clone(&self.known));
        self.task = Some(tokio::spawn(async move {
            axum::serve(listener, app).await.unwrap();
        }));
    }

    pub async fn away(&mut self) {
        if let Some(task) = self.task.take() {
            task.abort();
            let _ = task.await;
        }
    }

    pub fn set(&self, uuid: Uuid, server: Value) {
        self.known.lock().unwrap().servers.insert(uuid, server);
    }

    pub fn rows(&self, event: &str) -> Vec<Value> {
        let known = self.known.lock().unwrap();
        known
            .rows
            .iter()
            .filter(|row| row["event"] == event)
            .cloned()
            .collect()
    }
}

type Shared = State<Arc<Mutex<Known>>>;

fn may(headers: &HeaderMap) -> Result<(), StatusCode> {
    let sent = headers.get("authorization").and_then(|v| v.to_str().ok());
    if sent == Some(&format!("Bearer {TOKEN_ID}.{TOKEN}")) {
        Ok(())
    } else {
        Err(StatusCode::FORBIDDEN)
    }
}

async fn list(
    State(known): Shared,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, StatusCode> {
    may(&headers)?;
    let mut known = known.lock().unwrap();
    known.pages_asked.push(query["page"].clone());
    let page = query["page"].parse::<usize>().unwrap().max(1);
    let per_page = query["per_page"].parse::<usize>().unwrap();
    let total = known.servers.len();
    let data: Vec<_> = known
        .servers
        .values()
        .skip((page - 1) * per_page)
        .take(per_page)
        .cloned()
        .collect();
    Ok(Json(json!({"data": data, "meta": {
        "current_page": page, "last_page": total.div_ceil(per_page).max(1), "per_page": per_page, "total": total,
        "from": null, "to": null,
    }})))
}

async fn show(
    State(known): Shared,
    headers: HeaderMap,
    Path(uuid): Path<Uuid>,
) -> Result<Json<Value>, StatusCode> {
    may(&headers)?;
    let known = known.lock().unwrap();
    known
        .servers
        .get(&uuid)
        .cloned()
        .map(Json)
        .ok_or(StatusCode::NOT_FOUND)
}

async fn revocations(State(known): Shared) -> Result<Json<Value>, StatusCode> {
    let revoked = known.lock().unwrap().revoked.clone();
    revoked
        .map(|data| Json(json!({"data": data})))
        .ok_or(StatusCode::NOT_FOUND)
}

async fn reset(State(known): Shared) -> StatusCode {
    known.lock().unwrap().resets += 1;
    StatusCode::NO_CONTENT
}

async fn script() -> Json<Value> {
    Json(json!({"container_image": "none", "entrypoint": "sh", "script": ""}))
}

async fn installed(State(known): Shared, Path(uuid): Path<Uuid>, Json(body): Json<Value>) -> StatusCode {
    known
        .lock()
        .unwrap()
        .installs
        .push((uuid, body["successful"] == true));
    StatusCode::NO_CONTENT
}

async fn activity(State(known): Shared, headers: HeaderMap, Json(body): Json<Value>) -> impl IntoResponse {
    if may(&headers).is_err() {
        return StatusCode::FORBIDDEN;
    }
    let mut known = known.lock().unwrap();
    let rows = body["data"].as_array().unwrap();
    assert!(rows.len() <= 100);
    if rows
        .iter()
        .any(|row| known.refuse_event.as_deref() == row["event"].as_str())
    {
        return StatusCode::UNPROCESSABLE_ENTITY;
    }
    known.rows.extend(rows.iter().cloned());
    StatusCode::NO_CONTENT
}

/// A server of the process runtime that runs `script` in a shell.
pub fn shell(uuid: Uuid, script: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut server = json!({
        "uuid": uuid,
        "settings": {
            "uuid": uuid,
            "meta": {"name": "a shell", "description": ""},
            "invocation": "",
            "environment": {},
            "build": {"memory_limit": 0, "swap": 0, "io_weight": 500, "cpu_limit": 0, "disk_space": 0, "threads": null},
            "roost": {
                "runtime": "process", "identifier": "shell", "command": ["/bin/sh", "-c", script],
                "stop_timeout_secs": 30,
            },
        },
        "process_configuration": {
            "startup": {"done": [], "strip_ansi": false},
            "stop": {"type": "command", "value": "stop"},
            "configs": [],
        },
    });
    change(&mut server);
    server
}
