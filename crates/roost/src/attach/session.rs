//! The socket of `roost attach`: credentials, authentication, refresh, and coming back after a loss.

use crate::{
    client::{Panel, out_of_reach, segment},
    failure::Failure,
};
use futures_util::{SinkExt, StreamExt, stream::SplitSink, stream::SplitStream};
use http::HeaderValue;
use roost_wire::{
    client_api::{Credentials, HEADER_ORIGIN, Unavailable},
    event,
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Error as WsError, Message, client::IntoClientRequest},
};

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
    /// Opens a socket and authenticates; history and figures are asked for.
    pub async fn open(panel: &Panel, server: &str) -> Result<Self, Failure> {
        let (credentials, origin) = credentials(panel, server).await?;
        let socket = connect(&credentials.socket, origin).await?;
        let (sink, stream) = socket.split();
        let mut session = Self { sink, stream };
        session.send("auth", &[&credentials.token]).await?;
        match session.next().await {
            Came::Event(name, _) if name == event::AUTH_SUCCESS => {}
            // A daemon takes no token from before its own start: the next one will do.
            Came::Event(_, why) if wants_fresh_token(&why) => {
                return Err(Failure::unreachable(format!(
                    "the node wants a newer token: {why}"
                )));
            }
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
        let (credentials, _) = credentials(panel, server).await?;
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

/// Opens the socket as a page of the panel would: stock daemons let in nobody else, not even who names no page.
async fn connect(socket: &str, origin: Option<HeaderValue>) -> Result<Socket, Failure> {
    let open = async |origin: Option<HeaderValue>| {
        let mut request = socket.into_client_request()?;
        if let Some(origin) = origin {
            request.headers_mut().insert(http::header::ORIGIN, origin);
        }
        tokio_tungstenite::connect_async(request).await
    };
    let opened = match open(origin.clone()).await {
        // A node whose settings know the panel by another address; Roost's takes a program that names no page.
        Err(WsError::Http(answer)) if answer.status() == 403 && origin.is_some() => open(None).await,
        other => other,
    };
    let place = format!("the console at {socket}");
    match opened {
        Ok((socket, _)) => Ok(socket),
        Err(WsError::Http(answer)) => {
            let said = said(answer.body().as_deref().unwrap_or_default());
            let status = answer.status();
            Err(Failure::unreachable(format!(
                "{place} can't be reached: {status}{said}"
            )))
        }
        Err(e) => Err(out_of_reach(&place, &e)),
    }
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

    #[test]
    fn a_refusal_says_why() {
        assert_eq!(said(br#"{"error":"not this page"}"#), " (not this page)");
        assert_eq!(said(b"<html>"), "");
    }
}
