//! What a test stands on: shards, one server with a real console, a clock that moves when told, and the rows of the
//! audit.

use super::{
    super::{Filter, Peer, Recorder, Settings, Setup, Shards, Upgraded, shard::Shard},
    client::Client,
};
use crate::{
    deny::DenyList,
    node::Secrets,
    pump::Wake,
    server::handle::{Request, Requester, ServerHandle, ServerView},
};
use bytes::Bytes;
use roost_console::{Audience, Event, Limits, Writer};
use roost_wire::{
    clock::{Clock, ManualClock},
    close::Close,
    node_api::Source,
    permission::PermissionSet,
    power::PowerState,
    token::{Claims, Grant},
};
use serde_json::Value;
use std::{
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::sync::{mpsc, watch};
use uuid::Uuid;

pub(super) const SERVER: Uuid = Uuid::from_u128(0xA1);
pub(super) const ADA: Uuid = Uuid::from_u128(0xB1);
pub(super) const BOB: Uuid = Uuid::from_u128(0xB2);
const SECRET: &str = "a secret of tests, long enough to be one";
const START: i64 = 1_700_000_000_000;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Row {
    pub(super) event: String,
    pub(super) by: Requester,
    pub(super) details: Value,
}

#[derive(Default)]
pub(super) struct Rows(Mutex<Vec<Row>>);

impl Recorder for Rows {
    fn record(&self, server: Uuid, event: &str, by: &Requester, details: Value) {
        assert_eq!(server, SERVER);
        assert_ne!(by.user_name.as_deref(), Some("a name that breaks the recorder"));
        self.0.lock().unwrap().push(Row {
            event: event.to_owned(),
            by: by.clone(),
            details,
        });
    }
}

pub(super) struct Stand {
    pub(super) shards: Shards,
    pub(super) deny: Arc<DenyList>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) rows: Arc<Rows>,
    pub(super) handle: ServerHandle,
    pub(super) view: watch::Sender<ServerView>,
    pub(super) mailbox: mpsc::Receiver<Request>,
    pub(super) writer: Writer,
    offset: u64,
    dir: tempfile::TempDir,
}

impl Stand {
    pub(super) fn new() -> Self {
        Self::with(|_| ())
    }

    /// With other settings. Times are short, where a test would have to wait for them.
    pub(super) fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::with_limits(change, |_| ())
    }

    pub(super) fn with_limits(
        change: impl FnOnce(&mut Settings),
        change_limits: impl FnOnce(&mut Limits),
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut limits = Limits {
            journal_bytes: 1 << 30,
            journal_age: 0,
            disk_free_percent: 0,
            ring_bytes: 1 << 20,
        };
        change_limits(&mut limits);
        let clock = Arc::new(ManualClock::at(START));
        let (writer, console, _) =
            roost_console::open(&dir.path().join("s"), "Roost", limits, START).unwrap();
        let mut settings = Settings {
            threads: 2,
            hold: Duration::from_millis(20),
            ..Settings::default()
        };
        change(&mut settings);
        let (rows, deny) = (
            Arc::new(Rows::default()),
            Arc::new(DenyList::open(dir.path(), clock.clone()).unwrap()),
        );
        let shards = Shards::start(Setup {
            settings,
            secrets: Secrets::new("id", SECRET, None, clock.clone()),
            deny: deny.clone(),
            clock: clock.clone(),
            recorder: rows.clone(),
        })
        .unwrap();
        let (view, view_of) = watch::channel(ServerView {
            state: PowerState::Running,
            ..ServerView::default()
        });
        let (to_actor, mailbox) = mpsc::channel(16);
        let handle = ServerHandle {
            uuid: SERVER,
            console,
            published: Arc::default(),
            view: view_of,
            mailbox: to_actor,
        };
        Self {
            shards,
            deny,
            clock,
            rows,
            handle,
            view,
            mailbox,
            writer,
            offset: 0,
            dir,
        }
    }

    /// The two ends of a connection.
    pub(super) fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (ours, listener.accept().unwrap().0)
    }

    /// A connection that was upgraded, with a token in its address or none.
    pub(super) fn open(&self, query_token: Option<&str>) -> Client {
        let (ours, theirs) = Self::pair();
        self.adopt(Upgraded::Plain(theirs, Bytes::new()), query_token);
        Client::over(ours)
    }

    pub(super) fn adopt(&self, stream: Upgraded, query_token: Option<&str>) {
        self.adopt_as(stream, query_token, false);
    }

    /// A connection on which `roost.v1` was agreed, and `auth` was sent with this token and beginning.
    pub(super) fn join_v1(&self, token: &str, begin: &Value) -> Client {
        let (ours, theirs) = Self::pair();
        self.adopt_as(Upgraded::Plain(theirs, Bytes::new()), None, true);
        let mut client = Client::over(ours);
        client.ask("auth", &serde_json::json!([token, begin]));
        client
    }

    fn adopt_as(&self, stream: Upgraded, query_token: Option<&str>, is_v1: bool) {
        let address = "192.0.2.7".parse().unwrap();
        let permit = Some(self.shards.admit(address, true).unwrap());
        let peer = Peer {
            address,
            query_token: query_token.map(str::to_owned),
            permit,
            is_v1,
        };
        self.shards.adopt(stream, self.handle.clone(), peer);
    }

    /// One that has shown this token, and has read the answer: `auth success` and `status`.
    pub(super) fn join(&self, token: &str) -> Client {
        let mut client = self.open(None);
        client.send("auth", &[token]);
        client.expect(&[super::client::seen("auth success", &[])]);
        client.until("status");
        client
    }

    pub(super) fn token(&self) -> String {
        self.token_with(|_| ())
    }

    /// The owner's token, changed.
    pub(super) fn token_with(&self, change: impl FnOnce(&mut Claims)) -> String {
        let grant = Grant {
            server: SERVER,
            user: ADA,
            user_name: "ada",
            permissions: PermissionSet::owner(),
            credential: "session 1",
            history_from: None,
            issuer: "https://panel.example.com",
            audience: "https://node.example.com",
            unique_id: "0123456789abcdef".into(),
        };
        let mut claims = Claims::new(grant, self.clock.now());
        change(&mut claims);
        claims.sign(SECRET).unwrap()
    }

    /// A subuser's token with exactly these rights.
    pub(super) fn token_of_bob(&self, rights: &[&str]) -> String {
        let rights: Vec<&str> = ["websocket.connect"].iter().chain(rights).copied().collect();
        self.token_with(|claims| {
            claims.user_uuid = BOB;
            claims.jti = roost_wire::token::token_id(BOB, SERVER, "key 2");
            claims.user_name = "bob".into();
            claims.credential = "key 2".into();
            claims.permissions = rights.into_iter().collect();
        })
    }

    /// The only shard, which stands still for as long as it is held.
    pub(super) fn with_shard<T>(&self, look: impl FnOnce(&mut Shard) -> T) -> T {
        let shard = self.shards.0.shards[0].upgrade().unwrap();
        let mut shard = shard.lock().unwrap();
        look(&mut shard)
    }

    /// The server says something, and no shard hears of it yet.
    pub(super) fn print_unheard(&mut self, text: &str) {
        self.offset += text.len() as u64;
        self.writer
            .output(text.as_bytes(), self.offset, self.clock.now())
            .unwrap();
    }

    /// The server says something.
    pub(super) fn print(&mut self, text: &str) {
        self.offset += text.len() as u64;
        self.writer
            .output(text.as_bytes(), self.offset, self.clock.now())
            .unwrap();
        self.shards.published(SERVER);
    }

    pub(super) fn install_line(&mut self, text: &str) {
        self.writer
            .notice(Source::Install, text, self.clock.now())
            .unwrap();
        self.shards.published(SERVER);
    }

    /// The state changes, in the order that the actor keeps.
    pub(super) fn set_state(&mut self, state: PowerState) {
        self.view.send_modify(|view| view.state = state);
        let frame: bytes::Bytes = roost_wire::event::frame("status", &[state.as_str()]).into();
        self.writer.event(Event {
            classic: frame.clone(),
            v1: frame,
            audience: Audience::All,
        });
        self.shards.published(SERVER);
    }

    pub(super) fn clock_now(&self) -> i64 {
        self.clock.now()
    }

    pub(super) fn close(&self, filter: &Filter, why: Close) -> usize {
        self.shards.close(filter, why, Some("root"))
    }

    /// The next request to the actor.
    pub(super) fn asked(&mut self) -> Request {
        let mut request = None;
        super::client::until("a request", || {
            request = self.mailbox.try_recv().ok();
            request.is_some()
        });
        request.unwrap()
    }

    /// The same, leaving out that somebody watches.
    pub(super) fn asked_for_action(&mut self) -> Request {
        loop {
            let request = self.asked();
            if !matches!(request, Request::Watched(_)) {
                return request;
            }
        }
    }

    pub(super) fn rows(&self, event: &str) -> Vec<Row> {
        self.rows
            .0
            .lock()
            .unwrap()
            .iter()
            .filter(|row| row.event == event)
            .cloned()
            .collect()
    }

    /// The rows of this event, once there are so many.
    pub(super) fn rows_of(&self, event: &str, count: usize) -> Vec<Row> {
        super::client::until(event, || self.rows(event).len() >= count);
        self.rows(event)
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        self.shards.shutdown();
        let _ = self.dir.path();
    }
}
