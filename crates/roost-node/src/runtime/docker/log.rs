//! The engine's own log of a container: a bounded read of whole lines, with the times at which the engine read them.
//!
//! Never followed: a read that follows doubles lines when the log rotates. For a container with a terminal the answer
//! is its bytes, each entry behind its time: an entry is a line, or a part of one (the engine cuts at 16 KiB, and where
//! it was stopped itself). Which lines are wanted is not its business.

use super::{ANSWER_SECS, Engine, EngineError};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use roost_wire::clock::Millis;
use std::time::Duration;
use tokio::net::UnixStream;

/// `2026-11-24T18:25:40.123456789`, before the zone.
const TIME_LEN: usize = 29;
/// Longest line that is put together, in bytes; of a longer one the rest is left out.
const LINE_MAX: usize = 4 << 20;
/// Longest refusal that is read, in bytes.
const REFUSAL_MAX: usize = 4 << 10;

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LogLine {
    /// When the engine read it.
    pub(super) time: Millis,
    /// With its `\r`, without its `\n`.
    pub(super) bytes: Vec<u8>,
}

/// What a read gave.
#[derive(Debug, Default)]
pub(super) struct LogPart {
    pub(super) lines: Vec<LogLine>,
    /// The log goes on: the read had reached its bound.
    pub(super) cut: bool,
}

/// Why the log can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum LogError {
    /// The engine is away, or the container gone.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Not by anybody; a clause.
    #[error("{0}")]
    Unreadable(String),
}

impl Engine {
    /// Lines since `since`, at most about `bound` bytes of them, oldest first.
    pub(super) async fn read_log(
        &self,
        container: &str,
        since: Millis,
        bound: usize,
    ) -> Result<LogPart, LogError> {
        let since = since.max(0);
        let path = format!(
            "/containers/{container}/logs?stdout=1&stderr=1&timestamps=1&since={}.{:03}000000",
            since / 1000,
            since % 1000
        );
        let read = tokio::time::timeout(Duration::from_secs(ANSWER_SECS), self.log_bytes(&path, bound)).await;
        let (status, bytes, cut) = match read {
            Ok(Ok(read)) => read,
            Ok(Err(error)) => return Err(self.away(error.to_string()).into()),
            Err(_) => {
                return Err(self
                    .away(format!("its log did not come within {ANSWER_SECS} s"))
                    .into());
            }
        };
        if status == StatusCode::NOT_FOUND {
            return Err(EngineError::Gone.into());
        }
        if !status.is_success() {
            let text = String::from_utf8_lossy(&bytes);
            let message = serde_json::from_str::<serde_json::Value>(&text)
                .ok()
                .and_then(|json| json.get("message")?.as_str().map(str::to_owned))
                .unwrap_or_else(|| text.trim().to_owned());
            return Err(LogError::Unreadable(format!(
                "Docker can't read its log ({message})"
            )));
        }
        let mut part =
            parse(&bytes).ok_or_else(|| LogError::Unreadable("the engine's log has no times".to_owned()))?;
        part.cut = cut;
        Ok(part)
    }

    async fn log_bytes(
        &self,
        path: &str,
        bound: usize,
    ) -> Result<(StatusCode, Vec<u8>, bool), Box<dyn std::error::Error + Send + Sync>> {
        let stream = UnixStream::connect(self.socket()).await?;
        let (mut send, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let request = Request::get(path)
            .header("Host", "docker")
            .body(Empty::<&[u8]>::new())?;
        let exchange = async {
            let answer = send.send_request(request).await?;
            let status = answer.status();
            let bound = if status.is_success() { bound } else { REFUSAL_MAX };
            let (mut body, mut bytes) = (answer.into_body(), Vec::new());
            while let Some(frame) = body.frame().await {
                if let Ok(data) = frame?.into_data() {
                    bytes.extend_from_slice(&data);
                }
                if bytes.len() >= bound {
                    return Ok((status, bytes, true));
                }
            }
            Ok((status, bytes, false))
        };
        let mut exchange = std::pin::pin!(exchange);
        let mut connection = std::pin::pin!(connection);
        tokio::select! {
            answer = &mut exchange => answer,
            ended = &mut connection => {
                ended?;
                exchange.await
            }
        }
    }
}

/// Takes the lines apart; `None` where an entry does not begin with a time.
fn parse(bytes: &[u8]) -> Option<LogPart> {
    let mut part = LogPart::default();
    let mut rest = bytes;
    while !rest.is_empty() {
        // Behind the last line may stand the beginning of another.
        let Some(end) = memchr::memchr(b'\n', rest) else {
            break;
        };
        let (entry, after) = (&rest[..end], &rest[end + 1..]);
        let (time, length) = time_at(entry)?;
        part.lines.push(LogLine {
            time,
            bytes: joined(&entry[length..], time),
        });
        rest = after;
    }
    Some(part)
}

/// The line without the times of entries that continue it: those are of the line's beginning, or later, where a time
/// that the server wrote itself is earlier.
fn joined(mut rest: &[u8], first: Millis) -> Vec<u8> {
    let mut line = Vec::with_capacity(rest.len().min(LINE_MAX));
    let mut from = 0;
    while let Some(dot) = memchr::memchr(b'.', &rest[from..]).map(|at| from + at) {
        from = dot + 1;
        let Some(begin) = dot.checked_sub(TIME_LEN - 10) else {
            continue;
        };
        if let Some((time, length)) = time_at(&rest[begin..]).filter(|(time, _)| *time >= first) {
            line.extend_from_slice(&rest[..begin]);
            rest = &rest[begin + length..];
            from = 0;
            tracing::trace!(time, "an entry continues a line");
        }
    }
    line.extend_from_slice(rest);
    line.truncate(LINE_MAX);
    line
}

/// The time with which an entry begins, and how many bytes it takes with the space behind it. The fraction has nine
/// digits; the zone is `Z` or, for some log drivers, the engine's own.
fn time_at(entry: &[u8]) -> Option<(Millis, usize)> {
    let zone = match entry.get(TIME_LEN)? {
        b'Z' => 1,
        b'+' | b'-' => 6,
        _ => return None,
    };
    let end = TIME_LEN + zone;
    let shaped = entry.get(end) == Some(&b' ')
        && entry[4] == b'-'
        && entry[10] == b'T'
        && entry[19] == b'.'
        && entry[20..TIME_LEN].iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(entry.get(..end)?).ok().filter(|_| shaped)?;
    let time: jiff::Timestamp = text.parse().ok()?;
    Some((time.as_millisecond(), end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "2026-11-24T18:25:40.123456789Z ";
    const LATER: &str = "2026-11-24T19:25:41.000000000+01:00 ";

    fn texts(log: &str) -> Vec<String> {
        let part = parse(log.as_bytes()).unwrap();
        let text = |line: LogLine| String::from_utf8(line.bytes).unwrap();
        part.lines.into_iter().map(text).collect()
    }

    #[test]
    fn every_line_has_its_time() {
        let part = parse(format!("{T}one\r\n{LATER}\r\n{LATER}beg").as_bytes()).unwrap();
        assert_eq!(part.lines.len(), 2);
        assert_eq!(part.lines[0].bytes, b"one\r");
        assert_eq!(part.lines[1].time - part.lines[0].time, 877);
        assert!(parse(b"no time\n").is_none());
    }

    #[test]
    fn parts_of_a_long_line_and_of_one_cut_by_the_engine_s_end_are_put_together() {
        let part = "x".repeat(16 << 10);
        assert_eq!(
            texts(&format!("{T}{part}{T}{part}{T}end\r\n{T}a{LATER}b\r\n")),
            [format!("{part}{part}end\r"), "ab\r".to_owned()]
        );
    }

    #[test]
    fn times_that_the_server_wrote_stay() {
        let own = "at 2026-11-24T18:25:39.999999999Z it began";
        assert_eq!(texts(&format!("{T}{own}\n")), [own]);
    }
}
