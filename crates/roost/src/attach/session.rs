//! The socket of `roost attach`: credentials, authentication, refresh, and coming back after a loss.
//!
//! A node of Roost's speaks `roost.v1`, others the classic protocol; what comes is the same to the client, but that
//! without numbers nobody knows where a new socket goes on. What is shown, and how, is the client's business.

use super::v1;
use crate::{
    client::{Panel, out_of_reach, segment},
    failure::Failure,
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use http::HeaderValue;
use roost_wire::{
    client_api::{Credentials, HEADER_ORIGIN, Unavailable},
    event,
    v1::SUBPROTOCOL,
};
use serde_json::{Value, json};
use std::{collections::VecDeque, time::Duration};
use tokio::{
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{
        Error as WsError, Message,
        client::IntoClientRequest,
        error::{ProtocolError, SubProtocolError},
    },
};
use uuid::Uuid;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Lines of the past that a first socket asks for.
const LAST: u64 = 150;
/// The same for one that comes back after a loss.
const MOST: u64 = 10_000;

/// A node that speaks `roost.v1` says or asks something far more often: after so much silence it is gone.
const SILENCE: Duration = Duration::from_secs(45);

/// The last line that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The journal.
    pub stream: Uuid,
    /// Its number.
    pub seq: u64,
}

/// One open socket.
#[derive(Debug)]
pub struct Session {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
    is_v1: bool,
    /// When something last came.
    heard: Instant,
    place: Option<Place>,
    /// What came in one message, to be given out one by one.
    waiting: VecDeque<Came>,
    requests: u64,
}

/// What came over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Came {
    /// A line of the console.
    Line(Line),
    /// Lines are missing here; the sentence says how many, and why.
    Gap(String),
    /// Somebody typed this.
    Typed(String, String),
    /// An event and its first argument.
    Event(String, String),
    /// The end: code and reason, where the node gave them.
    Ended(Option<(u16, String)>),
}

/// A line, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Without its end.
    pub text: String,
    /// It goes on where the line before it broke off.
    pub continued: bool,
    /// Its rest follows.
    pub open: bool,
}

/// Asks the panel for credentials, and for the `Origin` with which the node takes them.
async fn credentials(panel: &Panel, server: &str) -> Result<(Credentials, Option<HeaderValue>), Failure> {
    let path = format!("/api/client/servers/{}/websocket", segment(server));
    let answer = panel
        .send(http::Method::GET, &path, None)
        .await?
        .ok(panel)
        .map_err(|failure| failure.about_server(server))?;
    if let Ok(credentials) = serde_json::from_slice::<Credentials>(&answer.body) {
        return Ok((credentials, answer.headers.get(HEADER_ORIGIN).cloned()));
    }
    match serde_json::from_slice::<Unavailable>(&answer.body) {
        Ok(unavailable) => Err(Failure::unreachable(format!(
            "{} ({})",
            unavailable.message, unavailable.diagnostics.error
        ))),
        Err(_) => Err(Failure::new("the panel gave no credentials")),
    }
}

impl Session {
    /// Opens a socket and authenticates; history and figures are asked for. Where the node can, it goes on behind
    /// `place`.
    pub async fn open(panel: &Panel, server: &str, place: Option<Place>) -> Result<Self, Failure> {
        let (credentials, origin) = credentials(panel, server).await?;
        let (is_v1, socket) = connect(&credentials.socket, origin).await?;
        let mut session = Self::over(socket, is_v1);
        let begin = match place {
            Some(Place { stream, seq }) => json!({"stream": stream, "after": seq, "most": MOST}),
            None => json!({"last": LAST}),
        };
        if is_v1 {
            session.put("auth", json!([credentials.token, begin])).await?;
        } else {
            session.put("auth", json!([credentials.token])).await?;
        }
        match session.read().await {
            Ok((name, args)) if name == event::AUTH_SUCCESS => {
                session.place = v1::place(&args);
            }
            Ok((_, args)) => {
                let why = args[0].as_str().unwrap_or_default();
                // A daemon takes no token from before its own start: the next one will do.
                if wants_fresh_token(why) {
                    return Err(Failure::unreachable(format!(
                        "the node wants a newer token: {why}"
                    )));
                }
                return Err(Failure::new(format!("the node refused the console: {why}")));
            }
            Err(why) => {
                let text = format!("the node closed the console: {}", reason(why.as_ref()));
                return Err(if is_final(why.as_ref()) {
                    Failure::new(text)
                } else {
                    Failure::unreachable(text)
                });
            }
        }
        if !is_v1 {
            session.put("send logs", json!([])).await?;
        }
        session.put("send stats", json!([])).await?;
        Ok(session)
    }

    fn over(socket: Socket, is_v1: bool) -> Self {
        let (sink, stream) = socket.split();
        Self {
            sink,
            stream,
            is_v1,
            heard: Instant::now(),
            place: None,
            waiting: VecDeque::new(),
            requests: 0,
        }
    }

    /// Where its lines have got to, if it numbers them.
    pub fn place(&self) -> Option<Place> {
        self.place
    }

    /// Types a line.
    pub async fn command(&mut self, text: &str) -> Result<(), Failure> {
        self.requests += 1;
        let args = if self.is_v1 {
            json!([text, self.requests])
        } else {
            json!([text])
        };
        self.put("send command", args).await
    }

    /// A fresh token on the same socket; nothing changes on screen.
    pub async fn refresh(&mut self, panel: &Panel, server: &str) -> Result<(), Failure> {
        let (credentials, _) = credentials(panel, server).await?;
        self.put("auth", json!([credentials.token])).await
    }

    async fn put(&mut self, name: &str, args: Value) -> Result<(), Failure> {
        let text = json!({"event": name, "args": args}).to_string();
        self.sink
            .send(Message::text(text))
            .await
            .map_err(|e| Failure::unreachable(format!("the console is gone: {e}")))
    }

    /// What comes next.
    pub async fn next(&mut self) -> Came {
        loop {
            if let Some(came) = self.waiting.pop_front() {
                return came;
            }
            match self.read().await {
                Ok((name, args)) if self.is_v1 => v1::read(&name, &args, &mut self.place, &mut self.waiting),
                Ok((name, args)) => self.waiting.push_back(classic(name, &args)),
                Err(why) => return Came::Ended(why),
            }
        }
    }

    /// The next message. Pings are answered by the library, whenever this is waited for.
    async fn message(&mut self) -> Result<Option<Result<Message, WsError>>, Option<(u16, String)>> {
        let message = if self.is_v1 {
            match timeout_at(self.heard + SILENCE, self.stream.next()).await {
                Ok(message) => message,
                Err(_) => {
                    let silence = format!("nothing came for {} s", SILENCE.as_secs());
                    return Err(Some((1006, silence)));
                }
            }
        } else {
            self.stream.next().await
        };
        self.heard = Instant::now();
        Ok(message)
    }

    /// The next event: its name and arguments.
    async fn read(&mut self) -> Result<(String, Value), Option<(u16, String)>> {
        loop {
            match self.message().await? {
                None | Some(Err(_)) => return Err(None),
                Some(Ok(Message::Close(frame))) => {
                    return Err(frame.map(|f| (f.code.into(), f.reason.to_string())));
                }
                Some(Ok(Message::Text(text))) => {
                    let Ok(mut value) = serde_json::from_str::<Value>(&text) else {
                        continue;
                    };
                    let name = value["event"].as_str().unwrap_or_default().to_owned();
                    return Ok((name, value["args"].take()));
                }
                Some(Ok(_)) => {}
            }
        }
    }
}

/// Whether `roost.v1` was agreed on, and the socket. It is opened as a page of the panel would: stock daemons let in
/// nobody else, not even who names no page. One that does not know `roost.v1` is asked again without.
async fn connect(socket: &str, mut origin: Option<HeaderValue>) -> Result<(bool, Socket), Failure> {
    let mut offer = Some(HeaderValue::from_static(SUBPROTOCOL));
    loop {
        match open(socket, origin.as_ref(), offer.as_ref()).await {
            Ok(opened) => return Ok((offer.is_some(), opened)),
            // A node whose settings know the panel by another address; Roost's takes a program that names no page.
            Err(WsError::Http(answer)) if answer.status() == 403 && origin.is_some() => origin = None,
            Err(WsError::Protocol(ProtocolError::SecWebSocketSubProtocolError(
                SubProtocolError::NoSubProtocol,
            ))) if offer.is_some() => offer = None,
            Err(WsError::Http(answer)) => {
                let said = said(answer.body().as_deref().unwrap_or_default());
                let status = answer.status();
                return Err(Failure::unreachable(format!(
                    "the console at {socket} can't be reached: {status}{said}"
                )));
            }
            Err(error) => return Err(out_of_reach(&format!("the console at {socket}"), &error)),
        }
    }
}

async fn open(
    socket: &str,
    origin: Option<&HeaderValue>,
    offer: Option<&HeaderValue>,
) -> Result<Socket, WsError> {
    let mut request = socket.into_client_request()?;
    let headers = [
        (http::header::ORIGIN, origin),
        (http::header::SEC_WEBSOCKET_PROTOCOL, offer),
    ];
    for (name, value) in headers {
        if let Some(value) = value {
            request.headers_mut().insert(name, value.clone());
        }
    }
    Ok(tokio_tungstenite::connect_async(request).await?.0)
}

/// What a refusal says of its reason, for the end of a sentence; nothing where that can't be read.
fn said(body: &[u8]) -> String {
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    let text = ["error", "message"].iter().find_map(|key| value[key].as_str());
    text.map(|text| format!(" ({})", crate::output::plain(text)))
        .unwrap_or_default()
}

/// Whether a `jwt error` is one that a fresh token mends, if the panel still gives one.
pub fn wants_fresh_token(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["exp claim is invalid", "created too far in past", "jwt expired"]
        .iter()
        .any(|known| text.contains(known))
}

fn classic(name: String, args: &Value) -> Came {
    let text = args[0].as_str().unwrap_or_default().to_owned();
    if name == event::CONSOLE_OUTPUT || name == event::INSTALL_OUTPUT {
        return Came::Line(Line {
            text,
            continued: false,
            open: false,
        });
    }
    Came::Event(name, text)
}

/// A close for people.
pub fn reason(why: Option<&(u16, String)>) -> String {
    match why {
        Some((code, text)) if !text.is_empty() => format!("{text} ({code})"),
        Some((code, _)) => format!("code {code}"),
        None => "the connection was lost".to_owned(),
    }
}

/// Whether a close is final: coming back would be refused.
pub fn is_final(why: Option<&(u16, String)>) -> bool {
    matches!(why, Some((1000 | 4400 | 4409, _)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_token_is_worth_a_new_one_and_a_missing_right_is_not() {
        assert!(wants_fresh_token(
            "Error Event [b3]: jwt: created too far in past (denylist)"
        ));
        assert!(wants_fresh_token("jwt: exp claim is invalid"));
        assert!(!wants_fresh_token("jwt: missing connect permission"));
    }

    /// A session, and the node's end of it.
    async fn pair() -> (Session, WebSocketStream<TcpStream>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", listener.local_addr().unwrap());
        let accepted = async {
            let (tcp, _) = listener.accept().await.unwrap();
            tokio_tungstenite::accept_async(tcp).await.unwrap()
        };
        let (opened, node) = tokio::join!(tokio_tungstenite::connect_async(url), accepted);
        (Session::over(opened.unwrap().0, true), node)
    }

    #[tokio::test]
    async fn pings_are_answered_while_nothing_else_comes() {
        let (mut session, mut node) = pair().await;
        let asked = async {
            for n in 0..3u8 {
                node.send(Message::Ping(vec![n].into())).await.unwrap();
                let answer = node.next().await.unwrap().unwrap();
                assert_eq!(answer, Message::Pong(vec![n].into()));
            }
        };
        tokio::select! {
            came = session.next() => panic!("{came:?}"),
            () = asked => {}
        }
    }

    #[tokio::test]
    async fn a_node_that_says_nothing_is_left_but_not_for_good() {
        let (mut session, mut node) = pair().await;
        let nearly = SILENCE.checked_sub(Duration::from_millis(200)).unwrap();
        session.heard = Instant::now().checked_sub(nearly).unwrap();
        node.send(Message::Ping(Vec::new().into())).await.unwrap();
        let patience = Duration::from_millis(400);
        assert!(
            tokio::time::timeout(patience, session.next()).await.is_err(),
            "the ping counts"
        );
        session.heard = Instant::now().checked_sub(nearly).unwrap();
        let Came::Ended(why) = session.next().await else {
            panic!("something came")
        };
        assert_eq!(reason(why.as_ref()), "nothing came for 45 s (1006)");
        assert!(!is_final(why.as_ref()));
    }

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(said(br#"{"error":"not this page"}"#), " (not this page)");
        assert_eq!(said(b"<html>"), "");
    }
}
