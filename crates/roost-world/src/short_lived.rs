//! A panel's front door that hands out one token with little time left, so that a client must refresh within seconds
//! instead of a quarter of an hour. Everything else goes to the real panel and comes back unchanged.

use crate::Roost;
use anyhow::Context;
use roost_wire::token::Claims;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// Seconds that the first token lives: less than the 60 at which a node says that it expires.
const LIFE_SECS: i64 = 50;

/// The front door; gone when dropped.
#[derive(Debug)]
pub struct ShortLived {
    /// Its address, `http://127.0.0.1:PORT`.
    pub url: String,
    task: JoinHandle<()>,
}

impl Drop for ShortLived {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ShortLived {
    /// Opens one in front of a panel whose local node signs with its own secret.
    pub async fn before(roost: &Roost) -> anyhow::Result<Self> {
        let node = roost.json(&["node", "show", "local", "--reveal-token"])?;
        let secret: Arc<str> = node["token"].as_str().context("no secret")?.into();
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let panel: Arc<str> = roost.url().into();
        let first = Arc::new(AtomicBool::new(true));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (panel, secret, first) = (Arc::clone(&panel), Arc::clone(&secret), Arc::clone(&first));
                tokio::spawn(async move {
                    let _ = pass(stream, &panel, &secret, &first).await;
                });
            }
        });
        Ok(Self { url, task })
    }
}

/// One request a connection.
async fn pass(stream: TcpStream, panel: &str, secret: &str, first: &AtomicBool) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).await?;
    let mut words = line.split_whitespace();
    let (method, path) = (
        words.next().context("method")?.to_owned(),
        words.next().context("path")?.to_owned(),
    );
    let mut request = reqwest::Client::new().request(method.parse()?, format!("{panel}{path}"));
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(": ") else {
            break;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse()?,
            "host" | "connection" | "accept-encoding" => {}
            _ => request = request.header(name, value),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).await?;
    let answer = request.body(body).send().await?;
    let status = answer.status();
    let kind = answer
        .headers()
        .get("content-type")
        .and_then(|v| v.to_str().ok())
        .unwrap_or("text/plain")
        .to_owned();
    let mut text = answer.text().await?;
    if path.ends_with("/websocket") && first.swap(false, Ordering::SeqCst) {
        text = shortened(&text, secret)?;
    }
    let head = format!(
        "HTTP/1.1 {} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        status.as_u16(),
        text.len()
    );
    let mut stream = reader.into_inner();
    stream.write_all(head.as_bytes()).await?;
    // 204 has no body, and no length that matters.
    stream.write_all(text.as_bytes()).await?;
    Ok(())
}

fn shortened(answer: &str, secret: &str) -> anyhow::Result<String> {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let value: serde_json::Value = serde_json::from_str(answer)?;
    let token = value["token"].as_str().context("no token")?;
    let claims = token.split('.').nth(1).context("no claims")?;
    let mut claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims)?)?;
    claims.exp = claims.iat + LIFE_SECS;
    Ok(answer.replace(token, &claims.sign(secret)?))
}
