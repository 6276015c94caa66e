//! The stream of a container's terminal: an HTTP request to the engine that turns into a raw stream.
//!
//! Containers of Roost always have a terminal, so that the stream is the terminal's bytes and nothing else. When the
//! container starts is the node's business: this happens before.

use crate::spec::Attach;
use std::{
    io::{Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    time::Duration,
};

/// How long the engine may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer head, in bytes.
const HEAD_MAX: usize = 16 << 10;

/// Attaches. Gives the stream, not blocking, and what came behind the answer's head. The error is a sentence.
pub(crate) fn open(attach: &Attach) -> Result<(OwnedFd, Vec<u8>), String> {
    let place = attach.socket.display();
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        format!("The engine at {place} {what} ({error}): is it running?")
    };
    let mut stream = UnixStream::connect(&attach.socket).map_err(|e| failed("can't be reached", &e))?;
    stream
        .set_read_timeout(Some(PATIENCE))
        .map_err(|e| failed("can't be asked", &e))?;
    let request = format!(
        "POST {}/containers/{}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
        attach.api, attach.container
    );
    stream
        .write_all(request.as_bytes())
        .map_err(|e| failed("can't be asked", &e))?;
    let mut answer = Vec::new();
    let end = loop {
        if let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if answer.len() > HEAD_MAX {
            return Err(format!("The engine at {place} gave an answer that is not HTTP."));
        }
        let mut piece = [0; 4096];
        match stream.read(&mut piece) {
            Ok(0) => return Err(failed("closed the stream", &"no answer")),
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) => return Err(failed("does not answer", &error)),
        }
    };
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    if status != "101" && status != "200" {
        let body = String::from_utf8_lossy(&answer[end..]).trim().to_owned();
        return Err(format!(
            "The engine at {place} does not attach to the container (status {status}): {body}"
        ));
    }
    stream
        .set_read_timeout(None)
        .and_then(|()| stream.set_nonblocking(true))
        .map_err(|e| failed("can't be read", &e))?;
    Ok((OwnedFd::from(stream), answer.split_off(end)))
}
