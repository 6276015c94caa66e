//! Joining the stream of a container's terminal, through the engine's Unix socket.
//!
//! One request of HTTP/1.1, written by hand: after the answer the connection is the terminal's bytes, raw in both
//! directions (containers of Roost always have a terminal). The container may be attached to before it is started.
//! Starting it, and knowing how it ended, is the node's business.

use crate::spec::Attach;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    fs::{Mode, OFlags},
};
use std::{
    io::{self, Read, Write},
    os::fd::{AsRawFd, OwnedFd},
    os::unix::net::UnixStream,
    time::{Duration, Instant},
};

/// How long the engine may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest answer before the stream begins, in bytes.
const ANSWER_MAX: usize = 16 << 10;

/// Attaches; the bytes that came with the answer already belong to the stream.
pub(crate) fn attach(attach: &Attach) -> Result<(OwnedFd, Vec<u8>), String> {
    let shown = attach.socket.display();
    let engine = |error: io::Error| {
        format!(
            "The engine at {shown} can't be reached ({error}): start it, and see that the node may use its socket."
        )
    };
    if !attach
        .container
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte))
    {
        return Err("The container's name holds characters that no engine allows.".to_owned());
    }
    let mut stream = connect(&attach.socket).map_err(engine)?;
    let request = format!(
        "POST {}/containers/{}/attach?stream=1&stdin=1&stdout=1&stderr=1 HTTP/1.1\r\nHost: engine\r\n\
         Connection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n",
        attach.api, attach.container
    );
    stream.write_all(request.as_bytes()).map_err(engine)?;
    let (answer, stream_begin) = read_answer(&mut stream).map_err(engine)?;
    let head = String::from_utf8_lossy(&answer[..stream_begin]);
    let status = head.split_whitespace().nth(1).unwrap_or_default();
    let rest = answer[stream_begin..].to_vec();
    if !matches!(status, "101" | "200") {
        let reason = refusal(&mut stream, rest);
        return Err(format!(
            "The engine refused to attach to the container (status {status}): {reason}"
        ));
    }
    stream.set_nonblocking(true).map_err(engine)?;
    Ok((stream.into(), rest))
}

/// The socket's path may be longer than an address holds.
fn connect(socket: &std::path::Path) -> io::Result<UnixStream> {
    let (Some(directory), Some(name)) = (socket.parent(), socket.file_name()) else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no path of a socket"));
    };
    let directory = rustix::fs::open(directory, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())?;
    let short = std::path::Path::new("/proc/self/fd").join(directory.as_raw_fd().to_string());
    UnixStream::connect(short.join(name))
}

/// Reads up to the blank line; returns all that came, and where the stream begins in it.
fn read_answer(stream: &mut UnixStream) -> io::Result<(Vec<u8>, usize)> {
    let deadline = Instant::now() + PATIENCE;
    let mut answer = Vec::new();
    loop {
        wait_readable(stream, deadline)?;
        let mut block = [0; 4096];
        let count = stream.read(&mut block)?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if let Some(begin) = take(&mut answer, &block[..count])? {
            return Ok((answer, begin));
        }
    }
}

/// Takes the next bytes of an answer. Says where the stream begins, once that has come. However the bytes are cut, it is
/// the same place, or the same refusal of an answer that is too long.
fn take(answer: &mut Vec<u8>, block: &[u8]) -> io::Result<Option<usize>> {
    const BLANK: &[u8] = b"\r\n\r\n";
    let from = answer.len().saturating_sub(BLANK.len() - 1);
    answer.extend_from_slice(block);
    let found = answer[from..]
        .windows(BLANK.len())
        .position(|window| window == BLANK);
    let begin = found.map(|at| from + at + BLANK.len());
    if begin.unwrap_or(answer.len()) > ANSWER_MAX {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "its answer has no end",
        ));
    }
    Ok(begin)
}

fn wait_readable(stream: &UnixStream, deadline: Instant) -> io::Result<()> {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = Timespec::try_from(left).map_err(io::Error::other)?;
    match poll(&mut [PollFd::new(stream, PollFlags::IN)], Some(&left))? {
        0 => Err(io::ErrorKind::TimedOut.into()),
        _ => Ok(()),
    }
}

/// The engine's own words, from a body like `{"message":"..."}` or of plain text.
fn refusal(stream: &mut UnixStream, mut body: Vec<u8>) -> String {
    let deadline = Instant::now() + Duration::from_secs(1);
    let mut block = [0; 1024];
    while body.len() < 1024 && !body.ends_with(b"}\n") && wait_readable(stream, deadline).is_ok() {
        match stream.read(&mut block) {
            Ok(count @ 1..) => body.extend_from_slice(&block[..count]),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&body);
    let json = text
        .find('{')
        .zip(text.rfind('}'))
        .and_then(|(from, to)| text.get(from..=to));
    let message = json
        .and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok())
        .and_then(|json| json.get("message")?.as_str().map(str::to_owned));
    // Where it was asked for a stream, some engines answer in plain words.
    let plain = text.lines().next().map(str::trim).filter(|line| !line.is_empty());
    match (message, plain) {
        (Some(message), _) => message,
        (None, Some(plain)) => plain.to_owned(),
        (None, None) => "it gave no reason; look at its log.".to_owned(),
    }
}

#[cfg(test)]
mod fuzz;
