//! What the command line knows of a server: administrators see all of it, others what the panel shows of their own.

use super::{Context, server::admin};
use crate::{
    client::segment,
    failure::Failure,
    output::{local_time, or_dash},
};
use roost_wire::{
    admin_api::Server,
    power::{PowerAction, PowerState},
};
use serde::Serialize;
use serde_json::Value;
use std::time::Duration;

/// How long a server may take to stop, where its own timer is not shown: the default, and a bit.
const STOP_TIMEOUT: u64 = 600;

/// A state for people, with the time at which a crashed server is started again.
pub fn state(state: Option<PowerState>, starts_again_at: Option<&str>) -> String {
    let word = state.map_or("unknown", PowerState::as_str);
    match starts_again_at {
        Some(at) if state == Some(PowerState::Offline) => {
            format!("{word}, starts again at {}", local_time(at))
        }
        _ => word.to_owned(),
    }
}

/// What power actions need to know.
#[derive(Debug)]
pub struct View {
    pub identifier: String,
    pub node: Option<String>,
    /// `None` where the node does not say.
    pub state: Option<PowerState>,
    /// Seconds.
    pub stop_timeout: u64,
    pub last_exit: Option<String>,
    /// Main process, for administrators.
    pub pid: Option<u32>,
    /// Milliseconds that the program runs.
    pub uptime: u64,
    /// All of it, for administrators.
    pub server: Option<Box<Server>>,
}

impl View {
    /// An administrator's.
    pub fn of(server: Server) -> Self {
        Self {
            identifier: server.identifier.clone(),
            node: server.node.clone(),
            state: server.state,
            stop_timeout: server.stop_timeout,
            last_exit: server.last_exit.clone(),
            pid: server.pid,
            uptime: server
                .stats
                .as_ref()
                .map(|stats| stats.uptime)
                .unwrap_or_default(),
            server: Some(Box::new(server)),
        }
    }

    /// What the panel shows to whoever asks.
    pub async fn read(server: &str, cx: &Context) -> Result<Self, Failure> {
        match cx.panel.get::<Server>(&admin(server, "")).await {
            Ok(server) => Ok(Self::of(server)),
            Err(failure) if failure.is_forbidden() => Self::read_own(server, cx).await,
            Err(failure) => Err(failure),
        }
    }

    async fn read_own(server: &str, cx: &Context) -> Result<Self, Failure> {
        let path = format!("/api/client/servers/{}", segment(server));
        let own: Value = cx.panel.get(&path).await.map_err(|f| f.about_server(server))?;
        let own = Own::read(&own["attributes"], cx).await;
        Ok(Self {
            identifier: own.identifier,
            node: Some(own.node),
            state: own.state,
            stop_timeout: STOP_TIMEOUT,
            last_exit: None,
            pid: None,
            uptime: own.uptime,
            server: None,
        })
    }

    /// How long a power action may take.
    pub fn patience(&self, action: PowerAction) -> Duration {
        match action {
            PowerAction::Start => Duration::from_secs(20),
            PowerAction::Kill => Duration::from_secs(15),
            PowerAction::Stop | PowerAction::Restart => Duration::from_secs(self.stop_timeout + 20),
        }
    }

    /// Whether this is another run of the server than `before`.
    pub fn is_other_run(&self, before: &Self) -> bool {
        self.pid != before.pid || self.uptime < before.uptime
    }
}

/// A server as a user sees it who is no administrator.
#[derive(Debug, Serialize)]
struct Own {
    uuid: String,
    identifier: String,
    name: String,
    node: String,
    owner: bool,
    suspended: bool,
    state: Option<PowerState>,
    /// Milliseconds.
    uptime: u64,
}

impl Own {
    async fn read(attributes: &Value, cx: &Context) -> Self {
        let word = |key: &str| attributes[key].as_str().unwrap_or_default().to_owned();
        let identifier = word("identifier");
        let path = format!("/api/client/servers/{}/resources", segment(&identifier));
        // A node that is away says nothing of the state.
        let now: Value = cx.panel.get(&path).await.unwrap_or_default();
        let now = &now["attributes"];
        Self {
            uuid: word("uuid"),
            identifier,
            name: word("name"),
            node: word("node"),
            owner: attributes["server_owner"] == true,
            suspended: attributes["is_suspended"] == true,
            state: serde_json::from_value(now["current_state"].clone()).ok(),
            uptime: now["resources"]["uptime"].as_u64().unwrap_or_default(),
        }
    }

    fn state(&self) -> String {
        match (self.suspended, self.state) {
            (true, _) => "suspended".to_owned(),
            (false, Some(state)) => state.to_string(),
            (false, None) => "unknown".to_owned(),
        }
    }
}

/// The servers of whoever asks, and those that were shared.
pub async fn list_own(cx: &Context) -> Result<(), Failure> {
    let mut rows = Vec::new();
    for page in 1.. {
        let list: Value = cx
            .panel
            .get(&format!("/api/client?per_page=100&page={page}"))
            .await?;
        for server in list["data"].as_array().into_iter().flatten() {
            rows.push(Own::read(&server["attributes"], cx).await);
        }
        let pages = list["meta"]["pagination"]["total_pages"].as_u64().unwrap_or(1);
        if page >= pages {
            break;
        }
    }
    if rows.is_empty() && !cx.out.json {
        return cx
            .out
            .line("You have no servers yet, and none was shared with you.");
    }
    cx.out
        .table(&rows, &["server", "state", "yours", "node", "name"], |own| {
            vec![
                own.identifier.clone(),
                own.state(),
                if own.owner { "owner" } else { "shared" }.to_owned(),
                or_dash(Some(&own.node)),
                own.name.clone(),
            ]
        })
}

/// One of them.
pub async fn show_own(server: &str, cx: &Context) -> Result<(), Failure> {
    let path = format!("/api/client/servers/{}", segment(server));
    let own: Value = cx.panel.get(&path).await.map_err(|f| f.about_server(server))?;
    let own = Own::read(&own["attributes"], cx).await;
    cx.out.value(&own, |own| {
        format!(
            "server     {}\nname       {}\nuuid       {}\nstate      {}\nnode       {}\nyours      {}",
            own.identifier,
            own.name,
            own.uuid,
            own.state(),
            or_dash(Some(&own.node)),
            if own.owner { "as owner" } else { "shared with you" }
        )
    })
}
