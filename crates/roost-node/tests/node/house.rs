//! A node on a directory of its own, served on loopback, and a client with its secret.

use crate::panel::{Panel, TOKEN, TOKEN_ID, shell};
use roost_node::{Node, NodeOptions};
use roost_wire::{clock::SystemClock, node_config::NodeConfig};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};
use uuid::Uuid;

pub struct House {
    pub node: Node,
    pub dir: Arc<tempfile::TempDir>,
    address: SocketAddr,
    server: tokio::task::JoinHandle<()>,
    http: reqwest::Client,
}

impl House {
    pub async fn start(panel: &Panel) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("roost-node-test")
            .tempdir()
            .unwrap();
        // Servers of another user must be able to pass.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(dir.path(), mode).unwrap();
        Self::start_in(Arc::new(dir), panel).await
    }

    pub async fn start_in(dir: Arc<tempfile::TempDir>, panel: &Panel) -> Self {
        let config: NodeConfig = serde_json::from_value(json!({
            "uuid": Uuid::from_u128(1),
            "token_id": TOKEN_ID,
            "token": TOKEN,
            "remote": format!("http://{}", panel.address),
            "system": {
                "root_directory": dir.path().join("node"),
                "data": dir.path().join("servers"),
            },
            "docker": {"socket": dir.path().join("no-docker.sock")},
        }))
        .unwrap();
        DIRS.lock().unwrap().push(dir.path().to_owned());
        let node = Node::start(NodeOptions {
            config,
            config_path: None,
            keeper_program: std::env::current_exe().unwrap(),
            private: Vec::new(),
            clock: Arc::new(SystemClock),
            own_origin_ok: false,
        })
        .await
        .unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let app = node.router();
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            node,
            dir,
            address,
            server,
            http: reqwest::Client::builder().no_proxy().build().unwrap(),
        }
    }

    /// The node ends; its servers live on.
    pub async fn end(self) -> Arc<tempfile::TempDir> {
        self.server.abort();
        self.node.shutdown().await;
        self.dir
    }

    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let url = format!("http://{}{path}", self.address);
        self.http.request(method.parse().unwrap(), url)
    }

    pub async fn send(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = self.request(method, path).bearer_auth(TOKEN);
        let request = if body.is_null() {
            request
        } else {
            request.json(&body)
        };
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.json().await.unwrap_or_default())
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.send("GET", path, Value::Null).await;
        assert_eq!(status, 200, "GET {path}: {body}");
        body
    }

    pub async fn create(&self, panel: &Panel, uuid: Uuid, server: Value) {
        panel.set(uuid, server);
        let (status, body) = self.send("POST", "/api/servers", json!({"uuid": uuid})).await;
        assert_eq!(status, 202, "{body}");
    }

    pub async fn power(&self, uuid: Uuid, action: &str) -> u16 {
        let path = format!("/api/servers/{uuid}/power");
        self.send("POST", &path, json!({"action": action})).await.0
    }

    pub async fn state(&self, uuid: Uuid) -> String {
        let detail = self.get(&format!("/api/servers/{uuid}")).await;
        detail["state"].as_str().unwrap().to_owned()
    }

    pub async fn until_state(&self, uuid: Uuid, state: &str) {
        let what = format!("{uuid} to be {state}");
        until(&what, async || self.state(uuid).await == state).await;
    }

    pub async fn texts(&self, uuid: Uuid) -> Vec<String> {
        let page = self
            .get(&format!("/api/servers/{uuid}/journal?after=0&lines=10000"))
            .await;
        let lines = page["data"].as_array().unwrap();
        lines
            .iter()
            .map(|line| line["text"].as_str().unwrap().to_owned())
            .collect()
    }

    pub async fn until_text(&self, uuid: Uuid, text: &str) {
        for _ in 0..200 {
            if self.texts(uuid).await.iter().any(|line| line.contains(text)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let detail = self.get(&format!("/api/servers/{uuid}")).await;
        panic!(
            "waited 10 s for `{text}` in {:#?}, {detail}",
            self.texts(uuid).await
        );
    }

    pub fn data(&self, uuid: Uuid) -> PathBuf {
        self.dir.path().join("servers").join(uuid.to_string())
    }
}

static DIRS: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// A story that failed leaves no programs behind.
pub fn end_keepers() {
    for dir in DIRS.lock().unwrap().drain(..) {
        let Ok(entries) = std::fs::read_dir(dir.join("node/run")) else {
            continue;
        };
        for entry in entries.flatten() {
            let Ok(Some((record, _link))) = roost_keeper::find(&entry.path()) else {
                continue;
            };
            let keeper = i32::try_from(record.keeper).ok().and_then(Pid::from_raw);
            // The first ends its programs, the second the keeper, which would wait for a node.
            for signal in [Signal::TERM, Signal::KILL] {
                let _ = keeper.map(|pid| kill_process(pid, signal));
                std::thread::sleep(Duration::from_millis(300));
            }
        }
    }
}

/// Waits until `done`, or says what it waited for in vain.
pub async fn until(what: &str, done: impl AsyncFn() -> bool) {
    for _ in 0..200 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("waited 10 s for {what}");
}

/// A program that reads commands: says them back, `crash` exits with 3, `stop` ends well.
pub const ECHO: &str = "echo up; while read line; do case $line in stop) echo bye; exit 0;; crash) exit 3;; *) echo \"got \
                    $line\";; esac; done";

pub fn path(uuid: Uuid, rest: &str) -> String {
    format!("/api/servers/{uuid}{rest}")
}

pub async fn echo_server(house: &House, panel: &Panel) -> Uuid {
    let uuid = Uuid::new_v4();
    house.create(panel, uuid, shell(uuid, ECHO, |_| {})).await;
    assert_eq!(house.power(uuid, "start").await, 202);
    house.until_text(uuid, "up").await;
    uuid
}

pub async fn kill_all(house: &House) {
    for server in house.node.servers().all() {
        house.power(server.uuid, "kill").await;
        house.until_state(server.uuid, "offline").await;
    }
}
