//! A viewer of `roost.v1` that reads a console's history: all of it page after page, from a place, or in search of a text.

use super::swarm::Target;
use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, Utf8Bytes, client::IntoClientRequest},
};

/// Lines asked for at once.
const LINES: u64 = 1_000;

/// Behind every line.
const END: u64 = u64::MAX >> 12;
/// Where the first line is, and no page before it.
const BEGINNING: u64 = 1;

/// What a reader has read.
#[derive(Debug, Default)]
pub struct Progress {
    /// Bytes of pages.
    pub bytes: AtomicU64,
    /// Pages.
    pub pages: AtomicU64,
    /// Times that it came to the beginning.
    pub rounds: AtomicU64,
    /// It is to end.
    pub stop: AtomicBool,
}

/// A socket that speaks `roost.v1`, let in, at the end of the console.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    async fn join(target: &Target) -> anyhow::Result<Self> {
        let mut request = format!("ws://{}{}", target.address, target.path).into_client_request()?;
        request
            .headers_mut()
            .insert("sec-websocket-protocol", "roost.v1".parse()?);
        let (socket, _) = tokio_tungstenite::connect_async(request).await?;
        let mut client = Self(socket);
        client.ask("auth", json!([target.token, {"last": 0}])).await?;
        Ok(client)
    }

    async fn ask(&mut self, name: &str, args: Value) -> anyhow::Result<()> {
        let text = json!({"event": name, "args": args}).to_string();
        Ok(self.0.send(Message::text(text)).await?)
    }

    async fn page(&mut self, before: u64) -> anyhow::Result<()> {
        self.ask("send page", json!([{"before": before, "lines": LINES}, 1]))
            .await
    }

    /// The next answer of this name; other events are passed over.
    async fn answer(&mut self, name: &str) -> anyhow::Result<Utf8Bytes> {
        let begin = format!("{{\"event\":\"{name}\",");
        let patience = Duration::from_secs(10);
        loop {
            let message = tokio::time::timeout(patience, self.0.next())
                .await
                .context("nothing came for 10 s")?
                .context("the connection ended")??;
            match message {
                Message::Text(text) if text.starts_with(&begin) => return Ok(text),
                Message::Text(text) if text.starts_with("{\"event\":\"refused\"") => bail!("{text}"),
                Message::Close(_) => bail!("the node closed the reader: {message}"),
                _ => {}
            }
        }
    }
}

/// Between two pages of a reader whose requests are all taken by a node with the default limits.
pub const WITHIN_THE_LIMIT: Duration = Duration::from_millis(50);

/// Reads from the end to the beginning, over and over, until it is to end, with a pause before each page.
pub async fn read(target: &Target, pause: Duration, progress: &Progress) -> anyhow::Result<()> {
    let mut client = Client::join(target).await?;
    client.page(END).await?;
    loop {
        let text = client.answer("page").await?;
        if progress.stop.load(Ordering::Relaxed) {
            return Ok(());
        }
        progress.bytes.fetch_add(text.len() as u64, Ordering::Relaxed);
        progress.pages.fetch_add(1, Ordering::Relaxed);
        let before = beginning_of(&text).context("a page without `from`")?;
        if before == BEGINNING {
            progress.rounds.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(pause).await;
        client
            .page(if before == BEGINNING { END } else { before })
            .await?;
    }
}

/// How long each of these places takes from the request to the whole page before it.
pub async fn places(target: &Target, places: impl Iterator<Item = u64>) -> anyhow::Result<Vec<Duration>> {
    let mut client = Client::join(target).await?;
    let mut took = Vec::new();
    for place in places {
        let begun = Instant::now();
        client.page(place).await?;
        client.answer("page").await?;
        took.push(begun.elapsed());
    }
    Ok(took)
}

/// How long it takes to look for a text through the whole history; how many lines were found.
pub async fn search(target: &Target, text: &str) -> anyhow::Result<(Duration, usize)> {
    let mut client = Client::join(target).await?;
    let (mut before, mut found) = (END, 0);
    let begun = Instant::now();
    loop {
        client
            .ask("send search", json!([{"text": text, "before": before}, 1]))
            .await?;
        let answer: Value = serde_json::from_str(&client.answer("found").await?)?;
        let page = &answer["args"][1];
        found += page["lines"].as_array().map_or(0, Vec::len);
        before = page["from"].as_u64().context("an answer without `from`")?;
        if page["begin"] == true {
            return Ok((begun.elapsed(), found));
        }
    }
}

/// `from` of a page, of which only the head is looked at: the reader's work is on the same cores as the others'.
fn beginning_of(page: &str) -> Option<u64> {
    let (_, rest) = page.split_once("\"from\":")?;
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    rest.get(..digits)?.parse().ok()
}
