//! A panel with people, a node and a server: `olive` owns `lobby`, `root` administers, `sam` may be granted something,
//! `eve` is a stranger.

use super::{Answer, Call, PASSWORD, START, World};
use crate::{node_client::stub::StubNode, service::secrets::random_uuid, store::UserRow};
use http::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// The node's address, as browsers reach it.
pub(crate) const NODE_URL: &str = "https://node.example.com:8080";

/// What stands on the stage.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a World,
    pub(crate) node: StubNode,
    /// The node's secret and its public half.
    pub(crate) secret: String,
    pub(crate) token_id: String,
    pub(crate) node_uuid: String,
    pub(crate) server: Uuid,
    keys: HashMap<&'static str, String>,
}

impl<'a> Scene<'a> {
    pub(crate) async fn new(world: &'a World) -> Self {
        let node = StubNode::start().await;
        let mut keys = HashMap::new();
        for name in ["root", "olive", "sam", "eve"] {
            add_user(world, name).await;
            keys.insert(name, world.key(name).await);
        }
        let made = json!({"name": "one", "address": NODE_URL, "internal_address": node.url()});
        let made = cli(world.post("/api/admin/nodes", &made)).await;
        assert_eq!(made.status, 200, "{made:?}");
        let shown = cli(world.get("/api/admin/nodes/one?reveal=true")).await.body;
        let text = |name: &str| shown[name].as_str().expect("text").to_owned();
        node.expects(&text("token"));
        let new = json!({"name": "Lobby", "settings": {"owner": "olive", "node": "one", "command": ["./lobby", "--loud"],
            "ports": [{"ip": "0.0.0.0", "port": 25565}, {"ip": "0.0.0.0", "port": 25575}], "memory": 512,
            "env": {"MOTD": "hi"}, "stop": "^C"}});
        let made = cli(world.post("/api/admin/servers", &new)).await;
        assert_eq!(made.status, 200, "{made:?}");
        let server = made.body["uuid"].as_str().expect("a uuid").parse().unwrap();
        world
            .panel
            .app()
            .node_client
            .forget(text("uuid").parse().unwrap(), server);
        node.take_seen();
        Self {
            world,
            node,
            secret: text("token"),
            token_id: text("token_id"),
            node_uuid: text("uuid"),
            server,
            keys,
        }
    }

    /// A request of `who`, by API key.
    pub(crate) fn get(&self, who: &str, path: &str) -> Call {
        self.world.get(path).bearer(&self.keys[who])
    }

    /// The same with a body.
    pub(crate) fn post(&self, who: &str, path: &str, body: &Value) -> Call {
        self.world.post(path, body).bearer(&self.keys[who])
    }

    /// `sam` gets exactly this.
    pub(crate) async fn grant_sam(&self, permissions: &[&str]) {
        let body = json!({"permissions": permissions});
        let call = self
            .world
            .call(Method::PUT, "/api/admin/servers/lobby/grants/sam")
            .json(&body);
        let answer = cli(call).await;
        assert!(answer.status.is_success(), "{answer:?}");
    }

    pub(crate) async fn suspend(&self) {
        let answer = cli(self.world.call(Method::POST, "/api/admin/servers/lobby/suspend")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// A call of the node to the panel.
    pub(crate) fn as_node(&self, call: Call) -> Call {
        call.bearer(&format!("{}.{}", self.token_id, self.secret))
    }

    /// The key of `who`.
    pub(crate) fn key(&self, who: &str) -> &str {
        &self.keys[who]
    }
}

/// All passwords are one, and so is its hash: hashing one takes longer than the rest of a story.
async fn add_user(world: &World, name: &str) {
    static HASH: OnceCell<String> = OnceCell::const_new();
    let app = world.panel.app();
    let hash = HASH
        .get_or_init(|| async { app.passwords.hash(PASSWORD.to_owned()).await.unwrap() })
        .await;
    let user = UserRow {
        number: 0,
        uuid: random_uuid().unwrap(),
        name: name.to_owned(),
        email: None,
        admin: name == "root",
        hidden: false,
        created_at: START,
    };
    let mut tx = app.store.begin().await.unwrap();
    tx.insert_user(&user, Some(hash)).await.unwrap();
    tx.commit().await.unwrap();
}

async fn cli(call: Call) -> Answer {
    call.cli().send().await
}
