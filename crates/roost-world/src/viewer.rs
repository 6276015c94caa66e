//! A classic console client: opens a socket, authenticates, reads events, types.

use crate::http::Person;
use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// How long a viewer waits for anything before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// One frame.
#[derive(Debug, Clone, PartialEq)]
pub enum Seen {
    /// An event with its arguments.
    Event(String, Vec<String>),
    /// The end, with code and reason where the node gave them.
    Closed(Option<(u16, String)>),
}

/// A socket.
#[derive(Debug)]
pub struct Viewer {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Viewer {
    /// Opens a socket and says nothing yet.
    pub async fn open(url: &str) -> anyhow::Result<Self> {
        Self::open_with(url, &[]).await
    }

    /// Opens a socket with further request headers.
    pub async fn open_with(url: &str, headers: &[(&'static str, &str)]) -> anyhow::Result<Self> {
        let mut request = url.into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse()?);
        }
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { socket })
    }

    /// Gets credentials, opens, authenticates.
    pub async fn join(person: &Person, server: &str) -> anyhow::Result<Self> {
        let (token, url) = person.credentials(server).await?;
        let mut viewer = Self::open(&url).await?;
        viewer.send("auth", &[&token]).await?;
        match viewer.next().await? {
            Seen::Event(name, _) if name == "auth success" => Ok(viewer),
            other => bail!("the answer to auth was {other:?}"),
        }
    }

    /// Sends an event.
    pub async fn send(&mut self, event: &str, args: &[&str]) -> anyhow::Result<()> {
        self.send_text(json!({"event": event, "args": args}).to_string())
            .await
    }

    /// Sends any text.
    pub async fn send_text(&mut self, text: String) -> anyhow::Result<()> {
        self.socket.send(Message::text(text)).await.context("sending")
    }

    /// Sends any message.
    pub async fn send_message(&mut self, message: Message) -> anyhow::Result<()> {
        self.socket.send(message).await.context("sending")
    }

    /// The next event, or the end.
    pub async fn next(&mut self) -> anyhow::Result<Seen> {
        tokio::time::timeout(PATIENCE, self.next_unhurried())
            .await
            .context("nothing came within 15 s")?
    }

    async fn next_unhurried(&mut self) -> anyhow::Result<Seen> {
        loop {
            match self.socket.next().await {
                None => return Ok(Seen::Closed(None)),
                Some(Err(_)) => return Ok(Seen::Closed(None)),
                Some(Ok(Message::Close(frame))) => {
                    return Ok(Seen::Closed(
                        frame.map(|CloseFrame { code, reason }| (code.into(), reason.to_string())),
                    ));
                }
                Some(Ok(Message::Text(text))) => {
                    let value: Value =
                        serde_json::from_str(&text).with_context(|| format!("not JSON: {text}"))?;
                    let name = value["event"].as_str().context("no event name")?.to_owned();
                    let args = match &value["args"] {
                        Value::Null => Vec::new(),
                        Value::Array(args) => args
                            .iter()
                            .map(|a| {
                                a.as_str()
                                    .map(str::to_owned)
                                    .with_context(|| format!("an argument is no text: {text}"))
                            })
                            .collect::<anyhow::Result<_>>()?,
                        other => bail!("args is neither absent nor an array: {other}"),
                    };
                    return Ok(Seen::Event(name, args));
                }
                Some(Ok(Message::Ping(_))) => bail!("a classic client got a ping"),
                Some(Ok(_)) => {}
            }
        }
    }

    /// Reads until an event of this name, whose first argument `fits`; gives that argument.
    pub async fn wait_for(&mut self, event: &str, fits: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        let wait = async {
            loop {
                match self.next_unhurried().await? {
                    Seen::Event(name, args) => {
                        let first = args.into_iter().next().unwrap_or_default();
                        if name == event && fits(&first) {
                            return Ok(first);
                        }
                    }
                    Seen::Closed(why) => bail!("closed ({why:?}) while waiting for `{event}`"),
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .with_context(|| format!("no fitting `{event}` within 15 s"))?
    }

    /// Reads until a console line `fits`.
    pub async fn line(&mut self, fits: impl Fn(&str) -> bool) -> anyhow::Result<String> {
        self.wait_for("console output", fits).await
    }

    /// Reads until the end; gives code and reason.
    pub async fn end(&mut self) -> anyhow::Result<Option<(u16, String)>> {
        let wait = async {
            loop {
                if let Seen::Closed(why) = self.next_unhurried().await? {
                    return Ok(why);
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .context("not closed within 15 s")?
    }
}
