//! The socket of `roost attach`: credentials, authentication, refresh, and coming back after a loss.

use crate::{client::Panel, client::segment, failure::Failure};
use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use roost_wire::{client_api::Credentials, client_api::Unavailable, event};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, tungstenite::Message};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// One open socket.
#[derive(Debug)]
pub struct Session {
    sink: SplitSink<Socket, Message>,
    stream: SplitStream<Socket>,
}

/// What came over it.
#[derive(Debug)]
pub enum Came {
    /// An event and its first argument.
    Event(String, String),
    /// The end: code and reason, where the node gave them.
    Ended(Option<(u16, String)>),
}

/// Asks the panel for credentials.
pub async fn credentials(panel: &Panel, server: &str) -> Result<Credentials, Failure> {
    let path = format!("/api/client/servers/{}/websocket", segment(server));
    let answer = panel.send(http::Method::GET, &path, None).await?.ok(panel)?;
    if let Ok(credentials) = serde_json::from_slice::<Credentials>(&answer.body) {
        return Ok(credentials);
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
    /// Opens a socket and authenticates; history and figures are asked for.
    pub async fn open(panel: &Panel, server: &str) -> Result<Self, Failure> {
        let credentials = credentials(panel, server).await?;
        let (socket, _) = tokio_tungstenite::connect_async(&credentials.socket)
            .await
            .map_err(|e| {
                Failure::unreachable(format!(
                    "the console at {} can't be reached: {e}",
                    credentials.socket
                ))
            })?;
        let (sink, stream) = socket.split();
        let mut session = Self { sink, stream };
        session.send("auth", &[&credentials.token]).await?;
        match session.next().await {
            Came::Event(name, _) if name == event::AUTH_SUCCESS => {}
            Came::Event(_, why) => return Err(Failure::new(format!("the node refused the console: {why}"))),
            Came::Ended(why) => {
                return Err(Failure::new(format!(
                    "the node closed the console: {}",
                    reason(why.as_ref())
                )));
            }
        }
        session.send("send logs", &[]).await?;
        session.send("send stats", &[]).await?;
        Ok(session)
    }

    /// Sends an event.
    pub async fn send(&mut self, name: &str, args: &[&str]) -> Result<(), Failure> {
        self.sink
            .send(Message::text(event::json(name, args)))
            .await
            .map_err(|e| Failure::unreachable(format!("the console is gone: {e}")))
    }

    /// A fresh token on the same socket; nothing changes on screen.
    pub async fn refresh(&mut self, panel: &Panel, server: &str) -> Result<(), Failure> {
        let credentials = credentials(panel, server).await?;
        self.send("auth", &[&credentials.token]).await
    }

    /// What comes next.
    pub async fn next(&mut self) -> Came {
        loop {
            match self.stream.next().await {
                None | Some(Err(_)) => return Came::Ended(None),
                Some(Ok(Message::Close(frame))) => {
                    return Came::Ended(frame.map(|f| (f.code.into(), f.reason.to_string())));
                }
                Some(Ok(Message::Text(text))) => {
                    let Ok(value) = serde_json::from_str::<serde_json::Value>(&text) else {
                        continue;
                    };
                    let first = value["args"][0].as_str().unwrap_or_default().to_owned();
                    return Came::Event(value["event"].as_str().unwrap_or_default().to_owned(), first);
                }
                Some(Ok(_)) => {}
            }
        }
    }
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
