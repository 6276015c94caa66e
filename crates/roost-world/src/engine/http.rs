//! The few requests that a private engine needs before anything of Roost talks to it.
//!
//! For everything else the tests use the node's own runtime.

use anyhow::{Context, Result};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

/// What the engine answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: String,
}

pub(super) fn get(socket: &Path, path: &str) -> Result<Answer> {
    request(socket, "GET", path, "text/plain", &[])
}

pub(super) fn post(socket: &Path, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
    request(socket, "POST", path, kind, body)
}

pub(super) fn delete(socket: &Path, path: &str) -> Result<Answer> {
    request(socket, "DELETE", path, "text/plain", &[])
}

/// Ends and removes every container, with its volumes.
pub(super) fn remove_all_containers(socket: &Path) {
    let Ok(answer) = get(socket, "/containers/json?all=1") else {
        return;
    };
    let list: Vec<serde_json::Value> = serde_json::from_str(&answer.body).unwrap_or_default();
    for id in list.iter().filter_map(|container| container["Id"].as_str()) {
        let _ = request(
            socket,
            "DELETE",
            &format!("/containers/{id}?force=1&v=1"),
            "text/plain",
            &[],
        );
    }
}

fn request(socket: &Path, method: &str, path: &str, kind: &str, body: &[u8]) -> Result<Answer> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    // HTTP/1.0: the answer is not chunked and ends with the connection.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: docker\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the engine's answer has no end")?;
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    Ok(Answer {
        status: status.context("the engine's answer has no status")?,
        body: body.to_owned(),
    })
}

/// Per cent encoding of everything that is not a letter or a digit.
pub(super) fn escape(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, byte| {
        if byte.is_ascii_alphanumeric() {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
        out
    })
}
