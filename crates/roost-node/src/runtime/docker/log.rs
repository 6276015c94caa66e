//! The engine's own log of a container: a bounded read of whole lines, with the times at which the engine read them.
//!
//! Never followed: a read that follows doubles lines when the log rotates. For a container with a terminal the answer
//! is its bytes, each entry behind its time: an entry is a line, or a part of one (the engine cuts at 16 KiB, and where
//! it was stopped itself). Which lines are wanted is not its business.

#[cfg(test)]
mod fuzz;

use super::{ANSWER_SECS, Engine, EngineError};
use http_body_util::{BodyExt, Empty};
use hyper::{Request, StatusCode, client::conn::http1};
use hyper_util::rt::TokioIo;
use roost_wire::clock::Millis;
use std::time::Duration;
use tokio::net::UnixStream;

/// `2026-11-24T18:25:40.123456789`, before the zone.
const TIME_LEN: usize = 29;
/// Bytes of a line after which the engine begins another entry.
const ENTRY_MAX: usize = 16 << 10;
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
        parse(&bytes, cut).ok_or_else(|| LogError::Unreadable("the engine's log has no times".to_owned()))
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

/// Takes the lines apart; `None` where an entry does not begin with a time. `cut`: the log goes on.
fn parse(bytes: &[u8], cut: bool) -> Option<LogPart> {
    let mut part = LogPart {
        cut,
        ..LogPart::default()
    };
    let mut rest = bytes;
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let (entry, after) = (&rest[..end], &rest[end + 1..]);
        let (time, length) = time_at(entry)?;
        join(&entry[length..], time, &mut part.lines);
        rest = after;
    }
    // Behind the last line may stand the beginning of another.
    if let Some((time, length)) = time_at(rest) {
        let is_whole = join(&rest[length..], time, &mut part.lines);
        if cut || !is_whole {
            part.lines.pop();
        }
    }
    Some(part)
}

/// Adds the line without the times of entries that continue it: those are of the line's beginning, or later, where a
/// time that the server wrote itself is earlier. Docker's `local` driver leaves out the line feed behind a line that it
/// had cut (seen with 20.10), so that the next line stands here, too. Says whether the last one must be whole, even
/// if no line feed follows.
fn join(mut rest: &[u8], first: Millis, lines: &mut Vec<LogLine>) -> bool {
    let mut line = LogLine {
        time: first,
        bytes: Vec::with_capacity(rest.len().min(LINE_MAX)),
    };
    let (mut from, mut was_cut) = (0, false);
    let ends = |piece: &[u8], was_cut| was_cut && piece.len() < ENTRY_MAX && piece.ends_with(b"\r");
    while let Some(dot) = memchr::memchr(b'.', &rest[from..]).map(|at| from + at) {
        from = dot + 1;
        let Some(begin) = dot.checked_sub(TIME_LEN - 10) else {
            continue;
        };
        if let Some((time, length)) = time_at(&rest[begin..]).filter(|(time, _)| *time >= first) {
            let piece = &rest[..begin];
            line.bytes.extend_from_slice(piece);
            rest = &rest[begin + length..];
            from = 0;
            if ends(piece, was_cut) {
                let next = LogLine {
                    time,
                    bytes: Vec::new(),
                };
                lines.push(bounded(std::mem::replace(&mut line, next)));
                was_cut = false;
            } else {
                was_cut |= piece.len() == ENTRY_MAX;
            }
        }
    }
    line.bytes.extend_from_slice(rest);
    lines.push(bounded(line));
    ends(rest, was_cut)
}

fn bounded(mut line: LogLine) -> LogLine {
    line.bytes.truncate(LINE_MAX);
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
        let part = parse(log.as_bytes(), false).unwrap();
        let text = |line: LogLine| String::from_utf8(line.bytes).unwrap();
        part.lines.into_iter().map(text).collect()
    }

    #[test]
    fn every_line_has_its_time() {
        let part = parse(format!("{T}one\r\n{LATER}\r\n{LATER}beg").as_bytes(), false).unwrap();
        assert_eq!(part.lines.len(), 2);
        assert_eq!(part.lines[0].bytes, b"one\r");
        assert_eq!(part.lines[1].time - part.lines[0].time, 877);
        assert!(parse(b"no time\n", false).is_none());
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
    fn a_line_behind_a_cut_one_is_its_own_though_its_line_feed_is_missing() {
        let part = "x".repeat(ENTRY_MAX);
        let log = format!("{T}{part}{T}end\r{LATER}next\r\n{LATER}{part}{LATER}end\r\n");
        let log = parse(log.as_bytes(), false).unwrap();
        let times: Vec<_> = log
            .lines
            .iter()
            .map(|line| line.time - log.lines[0].time)
            .collect();
        assert_eq!(times, [0, 877, 877]);
        assert_eq!(
            texts(&format!(
                "{T}{part}{T}end\r{LATER}next\r\n{LATER}{part}{LATER}end\r\n"
            )),
            [
                format!("{part}end\r"),
                "next\r".to_owned(),
                format!("{part}end\r")
            ]
        );
        // Two in a row, a cut just before the line feed, and a carriage return of the server's own.
        assert_eq!(
            texts(&format!("{T}{part}{T}end\r{T}{part}{T}end\r{T}next\r\n")),
            [
                format!("{part}end\r"),
                format!("{part}end\r"),
                "next\r".to_owned()
            ]
        );
        let full = format!("{}\r", &part[1..]);
        assert_eq!(
            texts(&format!("{T}{full}{T}\n{T}next\r\n")),
            [full, "next\r".to_owned()]
        );
        let last = format!("{T}one\r\n{T}{part}{T}end\r");
        assert_eq!(texts(&last), ["one\r".to_owned(), format!("{part}end\r")]);
        assert_eq!(
            parse(last.as_bytes(), true).unwrap().lines.len(),
            1,
            "it may go on"
        );
        assert_eq!(texts(&format!("{T}10 %\r{T}20 %\r\n")), ["10 %\r20 %\r"]);
    }

    /// What Docker 20.10 gave, with its driver `local`.
    #[test]
    fn a_recorded_log_reads_as_the_server_wrote_it() {
        let log = include_bytes!("../../../fuzz/log/local-driver");
        let mut wrote: Vec<_> = (1..=5).map(|n| format!("line {n}\r")).collect();
        wrote.extend(["\x1b[32mgreen\x1b[0m\r".to_owned(), "\r".to_owned()]);
        wrote.push(format!("{}\r", "x".repeat(40_000)));
        wrote.extend(["at 2026-11-24T18:25:39.999999999Z it began\r", "Привет 世界\r"].map(str::to_owned));
        assert_eq!(texts(std::str::from_utf8(log).unwrap()), wrote);
    }

    #[test]
    fn times_that_the_server_wrote_stay() {
        let own = "at 2026-11-24T18:25:39.999999999Z it began";
        assert_eq!(texts(&format!("{T}{own}\n")), [own]);
    }
}
