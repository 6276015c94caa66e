//! A viewer of `roost.v1` that never gives up: it comes back after each loss and goes on where it was.
//!
//! It keeps what it saw, with numbers, and complains about nothing itself: what must be true of it is the story's.

use crate::http::Person;
use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};

/// What a follower saw.
#[derive(Debug, Default)]
pub struct Followed {
    /// Number and text of each line, as they came.
    pub lines: Vec<(u64, String)>,
    /// Gaps, as they came.
    pub gaps: Vec<Value>,
    /// Sockets that it opened.
    pub sockets: usize,
    stream: Option<String>,
}

/// Follows a server's console until a line is `last`, coming back for `patience` at most. It begins with the line that
/// comes next.
pub async fn follow(
    person: Person,
    server: String,
    last: String,
    patience: Duration,
) -> anyhow::Result<Followed> {
    follow_by(person, server, last, patience, None).await
}

/// The same by way of something that stands before the node.
pub async fn follow_by(
    person: Person,
    server: String,
    last: String,
    patience: Duration,
    way: Option<SocketAddr>,
) -> anyhow::Result<Followed> {
    let mut followed = Followed::default();
    let end = Instant::now() + patience;
    loop {
        match followed.once(&person, &server, &last, way).await {
            Ok(true) => return Ok(followed),
            Ok(false) | Err(_) if Instant::now() < end => tokio::time::sleep(Duration::from_millis(50)).await,
            Ok(false) => anyhow::bail!("`{last}` did not come, after {} lines", followed.lines.len()),
            Err(error) => return Err(error),
        }
    }
}

impl Followed {
    /// One socket, until it is lost (false) or the last line came.
    async fn once(
        &mut self,
        person: &Person,
        server: &str,
        last: &str,
        way: Option<SocketAddr>,
    ) -> anyhow::Result<bool> {
        let (token, url) = person.credentials(server).await?;
        let url = match (
            way,
            url.strip_prefix("ws://").and_then(|rest| rest.split_once('/')),
        ) {
            (Some(way), Some((_, path))) => format!("ws://{way}/{path}"),
            _ => url,
        };
        let request = ClientRequestBuilder::new(url.parse()?).with_sub_protocol("roost.v1");
        let (mut socket, _) = tokio_tungstenite::connect_async(request).await?;
        self.sockets += 1;
        let begin = match (&self.stream, self.lines.last()) {
            (Some(stream), Some((seq, _))) => json!({"stream": stream, "after": seq, "most": 10_000}),
            _ => Value::Null,
        };
        let auth = json!({"event": "auth", "args": [token, begin]});
        socket.send(Message::text(auth.to_string())).await?;
        while let Some(Ok(message)) = socket.next().await {
            let Message::Text(text) = message else { continue };
            let event: Value = serde_json::from_str(&text)?;
            let first = &event["args"][0];
            match event["event"].as_str().context("no event")? {
                "auth success" => {
                    let stream = first["stream"].as_str().context("no stream")?;
                    self.stream = Some(stream.to_owned());
                }
                "gap" => self.gaps.push(first.clone()),
                "lines" => {
                    let seq = first["seq"].as_u64().context("no seq")?;
                    for (line, seq) in first["lines"].as_array().context("no lines")?.iter().zip(seq..) {
                        let text = line[1].as_str().context("no text")?.to_owned();
                        let is_last = text == last;
                        self.lines.push((seq, text));
                        if is_last {
                            return Ok(true);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(false)
    }

    /// Fails unless each line came once, in order, and none was missing.
    pub fn assert_whole(&self) -> anyhow::Result<()> {
        ensure!(self.gaps.is_empty(), "gaps: {:?}", self.gaps);
        for pair in self.lines.windows(2) {
            ensure!(
                pair[1].0 == pair[0].0 + 1,
                "line {} ({}) is followed by {} ({})",
                pair[0].0,
                pair[0].1,
                pair[1].0,
                pair[1].1
            );
        }
        Ok(())
    }
}
