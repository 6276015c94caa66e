//! How the panel speaks to nodes: Roost's own and stock daemons alike.
//!
//! Every call has a deadline and a bound on what is read; redirects and proxies of the environment are not followed;
//! errors are one of a fixed list of reasons. Who may ask what of which node is not this file's business.

mod answer;
mod other_daemons;
mod preflight;
mod reason;

pub use preflight::{ANSWER_SERVES, FAILURE_SERVES};
pub use reason::{NodeError, Reason, SAID_MAX, one_line};

use http::{Method, StatusCode};
use other_daemons::OtherDaemons;
use preflight::Flights;
use roost_wire::admin_api::{EraseRequest, Erased};
use roost_wire::node_api::{
    CommandRequest, CreateServer, DeauthorizeUser, DenyRequest, DirectoryRequest, HEADER_SEQ, HEADER_STREAM,
    JournalPage, JournalQuery, PowerRequest, SearchPage, SearchQuery, ServerDetail, SocketInfo, SocketList,
    SystemInfo,
};
use roost_wire::power::PowerAction;
use serde::Serialize;
use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Deadline of the pre-flight, its answer read: within it the caller of the credentials has his answer.
pub const PREFLIGHT: Duration = Duration::from_millis(1_700);
/// Deadline of every other call that does not wait by itself.
pub const CALL: Duration = Duration::from_secs(5);
/// Deadline of a call that gives a directory with all in it to a server's user.
pub const CHOWN: Duration = Duration::from_secs(50);
/// How long another daemon lets a power action wait for the one before.
const POWER_WAIT_SECS: i64 = 30;
/// Most bytes read of an answer.
pub const BODY_MAX: usize = 64 << 10;
/// Most bytes read of a page of the journal or of a list.
pub const PAGE_MAX: usize = 8 << 20;
/// Most lines in a page of the journal.
pub const LINES_MAX: u32 = 10_000;

/// Where a node is, and what it is shown.
#[derive(Clone)]
pub struct NodeTarget {
    /// The node.
    pub node: Uuid,
    /// As the panel reaches it: `http://host:port`, a path prefix allowed.
    pub base: Arc<str>,
    /// Its token secret.
    pub secret: Arc<str>,
}

impl fmt::Debug for NodeTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeTarget")
            .field("node", &self.node)
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// Where a command stands in the journal; nothing from daemons that keep none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CommandPlace {
    /// The journal.
    pub stream: Option<Uuid>,
    /// The last sequence number before the command.
    pub seq: Option<u64>,
}

/// The client. Cheap to clone.
#[derive(Clone)]
pub struct NodeClient {
    http: reqwest::Client,
    flights: Arc<Flights>,
    others: Arc<OtherDaemons>,
}

impl NodeClient {
    /// A client with its own connections. Fails where TLS can't be set up.
    pub fn new() -> Result<Self, reqwest::Error> {
        let builder = || {
            reqwest::Client::builder()
                .user_agent(concat!("Roost/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .referer(false)
                .no_proxy()
                .tcp_nodelay(true)
                .connect_timeout(PREFLIGHT)
                .pool_idle_timeout(Duration::from_secs(20))
        };
        let http = match builder().build() {
            Ok(http) => http,
            Err(error) => {
                // A bare machine has no certificates: nodes over plain HTTP, its own among them, work all the same.
                tracing::warn!(%error, "no root certificates found: nodes over https can't be reached until ca-certificates is installed");
                builder().tls_certs_only([]).build()?
            }
        };
        Ok(Self {
            http,
            flights: Arc::default(),
            others: Arc::default(),
        })
    }

    /// The pre-flight: what the node says of the server, at most [`ANSWER_SERVES`] old, within [`PREFLIGHT`]. One
    /// request is in flight a server, however many callers wait.
    pub async fn server(&self, target: &NodeTarget, server: Uuid) -> Result<Arc<ServerDetail>, NodeError> {
        self.server_at_most(target, server, ANSWER_SERVES).await
    }

    /// The same, at most `max_age` old (never older than [`ANSWER_SERVES`]).
    pub async fn server_at_most(
        &self,
        target: &NodeTarget,
        server: Uuid,
        max_age: Duration,
    ) -> Result<Arc<ServerDetail>, NodeError> {
        self.flights
            .join((target.node, server), max_age, Instant::now(), || {
                let (client, target) = (self.clone(), target.clone());
                async move {
                    let path = format!("/api/servers/{server}");
                    let body = client.get(&target, &path, PREFLIGHT, BODY_MAX).await?;
                    let detail = answer::detail(&body)?;
                    client.others.note(target.node, detail.roost.is_some());
                    Ok(Arc::new(detail))
                }
            })
            .await
    }

    /// Starts, stops, restarts or kills. Returns when the node has taken it on, not when it is done.
    pub async fn power(
        &self,
        target: &NodeTarget,
        server: Uuid,
        action: PowerAction,
    ) -> Result<(), NodeError> {
        let body = PowerRequest {
            action,
            // Such a daemon says yes at once and then does nothing if another action has not quite ended, as a stop that
            // it has already told of. Roost's node refuses with the reason.
            wait_seconds: self.others.knows(target.node).then_some(POWER_WAIT_SECS),
        };
        self.post(target, &format!("/api/servers/{server}/power"), &body)
            .await?;
        self.flights.forget((target.node, server));
        Ok(())
    }

    /// Sends lines to the server's terminal.
    pub async fn commands(
        &self,
        target: &NodeTarget,
        server: Uuid,
        commands: Vec<String>,
    ) -> Result<CommandPlace, NodeError> {
        let path = format!("/api/servers/{server}/commands");
        let response = self.post(target, &path, &CommandRequest { commands }).await?;
        let text = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok());
        Ok(CommandPlace {
            stream: text(HEADER_STREAM).and_then(|v| v.parse().ok()),
            seq: text(HEADER_SEQ).and_then(|v| v.parse().ok()),
        })
    }

    /// A page of the journal (Roost's node only). Where the lines asked for are larger than [`PAGE_MAX`], fewer come.
    pub async fn journal(
        &self,
        target: &NodeTarget,
        server: Uuid,
        query: &JournalQuery,
    ) -> Result<JournalPage, NodeError> {
        let mut lines = query.lines.unwrap_or(100).clamp(1, LINES_MAX);
        loop {
            let path = journal_path(server, query, lines);
            let deadline = CALL + Duration::from_secs(query.wait.unwrap_or(0).min(30).into());
            match self.get(target, &path, deadline, PAGE_MAX).await {
                Ok(body) => return answer::json(&body),
                Err(NodeError::Away {
                    reason: Reason::NotUnderstood,
                    ..
                }) if lines > 1 => lines = lines.div_ceil(8),
                Err(other) => return Err(other),
            }
        }
    }

    /// Found lines of the journal (Roost's node only).
    pub async fn search(
        &self,
        target: &NodeTarget,
        server: Uuid,
        query: &SearchQuery,
    ) -> Result<SearchPage, NodeError> {
        let path = format!("/api/servers/{server}/journal/search");
        let response = self.post(target, &path, query).await?;
        let body = answer::read(response, PAGE_MAX).await?;
        answer::json(&body)
    }

    /// Erases what the console showed before `before`, in milliseconds since the epoch (Roost's node only).
    pub async fn erase(&self, target: &NodeTarget, server: Uuid, before: i64) -> Result<Erased, NodeError> {
        let path = format!("/api/servers/{server}/journal/erase");
        let response = self.post(target, &path, &EraseRequest { before }).await?;
        let body = answer::read(response, BODY_MAX).await?;
        answer::json(&body)
    }

    /// Makes the node take on a server that the panel just made.
    pub async fn create(&self, target: &NodeTarget, request: &CreateServer) -> Result<(), NodeError> {
        let sent = self.request(target, Method::POST, "/api/servers").json(request);
        let deadline = if request.chown { CHOWN } else { CALL };
        expect_success(sent.timeout(deadline)).await?;
        self.flights.forget((target.node, request.uuid));
        Ok(())
    }

    /// Whether an operator's directory can be a server's (Roost's node only).
    pub async fn directory(
        &self,
        target: &NodeTarget,
        server: Uuid,
        request: &DirectoryRequest,
    ) -> Result<(), NodeError> {
        let path = format!("/api/servers/{server}/directory");
        let sent = self.request(target, Method::POST, &path).json(request);
        let deadline = if request.chown { CHOWN } else { CALL };
        expect_success(sent.timeout(deadline)).await.map(drop)
    }

    /// Makes the node read the server's settings again.
    pub async fn sync(&self, target: &NodeTarget, server: Uuid) -> Result<(), NodeError> {
        self.post(
            target,
            &format!("/api/servers/{server}/sync"),
            &serde_json::Map::new(),
        )
        .await?;
        self.flights.forget((target.node, server));
        Ok(())
    }

    /// Makes the node stop and remove a server. One that it does not know is removed already.
    pub async fn delete(&self, target: &NodeTarget, server: Uuid) -> Result<(), NodeError> {
        let path = format!("/api/servers/{server}");
        // A node stops the whole tree before it answers.
        let sent = self
            .request(target, Method::DELETE, &path)
            .timeout(Duration::from_secs(30));
        let done = match expect_success(sent).await {
            Ok(_) | Err(NodeError::UnknownServer { .. }) => Ok(()),
            Err(other) => Err(other),
        };
        self.flights.forget((target.node, server));
        done
    }

    /// Refuses tokens by name, as stock daemons know it.
    pub async fn deny(&self, target: &NodeTarget, server: Uuid, jtis: Vec<String>) -> Result<(), NodeError> {
        self.post(
            target,
            &format!("/api/servers/{server}/ws/deny"),
            &DenyRequest { jtis },
        )
        .await
        .map(drop)
    }

    /// Ends a user's sockets and refuses the tokens issued so far.
    pub async fn deauthorize_user(
        &self,
        target: &NodeTarget,
        request: &DeauthorizeUser,
    ) -> Result<(), NodeError> {
        self.post(target, "/api/deauthorize-user", request)
            .await
            .map(drop)
    }

    /// Sends changed settings of the node itself: those given, the rest stays.
    pub async fn update(&self, target: &NodeTarget, config: &serde_json::Value) -> Result<(), NodeError> {
        self.post(target, "/api/update", config).await.map(drop)
    }

    /// The live consoles (Roost's node only).
    pub async fn sockets(&self, target: &NodeTarget) -> Result<Vec<SocketInfo>, NodeError> {
        let body = self.get(target, "/api/sockets", CALL, PAGE_MAX).await?;
        answer::json::<SocketList>(&body).map(|list| list.data)
    }

    /// Ends a live console (Roost's node only).
    pub async fn end_socket(&self, target: &NodeTarget, socket: Uuid) -> Result<(), NodeError> {
        let path = format!("/api/sockets/{socket}");
        expect_success(self.request(target, Method::DELETE, &path).timeout(CALL))
            .await
            .map(drop)
    }

    /// What runs there. `roost` is set on Roost's node only.
    pub async fn system(&self, target: &NodeTarget) -> Result<SystemInfo, NodeError> {
        let body = self.get(target, "/api/system", PREFLIGHT, BODY_MAX).await?;
        let info: SystemInfo = answer::json(&body)?;
        self.others.note(target.node, info.roost.is_some());
        Ok(info)
    }

    /// Whether the node is known to run another daemon than Roost's.
    pub fn is_other_daemon(&self, node: Uuid) -> bool {
        self.others.knows(node)
    }

    /// To be called once a daemon that is not Roost's refuses a user's tokens; `now` in milliseconds since the epoch.
    pub fn denied(&self, node: Uuid, server: Uuid, user: Uuid, now: i64) {
        self.others.denied((node, server, user), now);
    }

    /// When a token may be issued that the node does not take for one of those it refuses: `now`, or up to a second
    /// later.
    pub fn tokens_hold_from(&self, node: Uuid, server: Uuid, user: Uuid, now: i64) -> i64 {
        self.others.holds_from((node, server, user), now)
    }

    /// Forgets what a node last said of a server.
    #[cfg(test)]
    pub(crate) fn forget(&self, node: Uuid, server: Uuid) {
        self.flights.forget((node, server));
    }

    fn request(&self, target: &NodeTarget, method: Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", target.base.trim_end_matches('/'));
        self.http
            .request(method, url)
            .bearer_auth(&target.secret)
            .header(http::header::ACCEPT, "application/json")
    }

    async fn get(
        &self,
        target: &NodeTarget,
        path: &str,
        deadline: Duration,
        limit: usize,
    ) -> Result<Vec<u8>, NodeError> {
        let response = expect_success(self.request(target, Method::GET, path).timeout(deadline)).await?;
        answer::read(response, limit).await
    }

    async fn post(
        &self,
        target: &NodeTarget,
        path: &str,
        body: &(impl Serialize + ?Sized),
    ) -> Result<reqwest::Response, NodeError> {
        expect_success(self.request(target, Method::POST, path).json(body).timeout(CALL)).await
    }
}

/// Sends, and turns everything but 2xx into an error.
async fn expect_success(request: reqwest::RequestBuilder) -> Result<reqwest::Response, NodeError> {
    let response = request
        .send()
        .await
        .map_err(|e| NodeError::of_transport(&e.without_url()))?;
    let status: StatusCode = response.status();
    if status.is_success() {
        return Ok(response);
    }
    // Only a sentence of the body is of use; a large one makes the status no less clear.
    let body = answer::read(response, BODY_MAX).await.unwrap_or_default();
    Err(answer::refusal(status, &body))
}

fn journal_path(server: Uuid, query: &JournalQuery, lines: u32) -> String {
    use std::fmt::Write as _;
    let mut path = format!("/api/servers/{server}/journal?lines={lines}");
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(path, "&{name}={value}");
        }
    };
    put("stream", query.stream.map(|v| v.to_string()));
    put("after", query.after.map(|v| v.to_string()));
    put("before", query.before.map(|v| v.to_string()));
    put("wait", query.wait.map(|v| v.min(30).to_string()));
    put("since", query.since.map(|v| v.to_string()));
    path
}

#[cfg(test)]
pub(crate) mod stub;
#[cfg(test)]
mod tests;
