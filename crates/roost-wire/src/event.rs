//! The classic console events: names, reading what clients send, writing what they get.
//!
//! One text frame is one JSON object `{"event": name, "args": [string, ...]}`. Outbound `args` is left out where there
//! are none, and is an array of strings otherwise: structured data is JSON text inside a string.

use serde::Deserialize;

/// Reply to `auth`.
pub const AUTH_SUCCESS: &str = "auth success";
/// Less than 60 s are left.
pub const TOKEN_EXPIRING: &str = "token expiring";
/// The token has expired; nothing but `auth` helps now.
pub const TOKEN_EXPIRED: &str = "token expired";
/// A token was refused; the argument says why.
pub const JWT_ERROR: &str = "jwt error";
/// The power state.
pub const STATUS: &str = "status";
/// Figures, as JSON in a string.
pub const STATS: &str = "stats";
/// One line of the console.
pub const CONSOLE_OUTPUT: &str = "console output";
/// A word from the daemon to this viewer.
pub const DAEMON_MESSAGE: &str = "daemon message";
/// A request failed inside the daemon.
pub const DAEMON_ERROR: &str = "daemon error";
/// One line of the installer.
pub const INSTALL_OUTPUT: &str = "install output";
/// The installer begins.
pub const INSTALL_STARTED: &str = "install started";
/// The installer has ended.
pub const INSTALL_COMPLETED: &str = "install completed";
/// The server was removed from this node.
pub const DELETED: &str = "deleted";
/// Messages are being dropped; the argument says of which kind.
pub const THROTTLED: &str = "throttled";

/// All that a classic client of Roost can get. Some end themselves at a name that they don't know.
pub const CLASSIC: [&str; 14] = [
    AUTH_SUCCESS,
    TOKEN_EXPIRING,
    TOKEN_EXPIRED,
    JWT_ERROR,
    STATUS,
    STATS,
    CONSOLE_OUTPUT,
    DAEMON_MESSAGE,
    DAEMON_ERROR,
    INSTALL_OUTPUT,
    INSTALL_STARTED,
    INSTALL_COMPLETED,
    DELETED,
    THROTTLED,
];

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inbound {
    /// `auth` with a token.
    Auth(String),
    /// `set state` with the word as it came.
    SetState(String),
    /// `send command` with the text as it came.
    SendCommand(String),
    /// `send logs`.
    SendLogs,
    /// `send stats`.
    SendStats,
    /// Any other name: ignored and counted.
    Unknown(String),
}

/// The text is not an event: ignored and counted, never answered with a close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an event: send {{\"event\": \"...\", \"args\": [\"...\"]}}")]
pub struct NotAnEvent;

#[derive(Deserialize)]
struct Raw {
    event: String,
    #[serde(default)]
    args: Option<Vec<Option<String>>>,
}

impl Inbound {
    /// Reads one message. `args` may be missing, `null`, `[]` or hold `null`s (read as empty); several are joined
    /// without a separator, as existing daemons do.
    pub fn parse(text: &str) -> Result<Self, NotAnEvent> {
        let raw: Raw = serde_json::from_str(text).map_err(|_| NotAnEvent)?;
        let arg = || {
            raw.args
                .iter()
                .flatten()
                .flatten()
                .map(String::as_str)
                .collect::<String>()
        };
        Ok(match raw.event.as_str() {
            "auth" => Self::Auth(arg()),
            "set state" => Self::SetState(arg()),
            "send command" => Self::SendCommand(arg()),
            "send logs" => Self::SendLogs,
            "send stats" => Self::SendStats,
            _ => Self::Unknown(raw.event),
        })
    }
}

/// The JSON text of one event.
pub fn json(name: &str, args: &[&str]) -> String {
    let mut out = Vec::with_capacity(32 + args.iter().map(|a| a.len() + 8).sum::<usize>());
    write_json(&mut out, name, args);
    // `write_json` copies whole `&str`s and ASCII only.
    String::from_utf8(out).unwrap_or_default()
}

/// Appends the JSON text of one event.
pub fn write_json(out: &mut Vec<u8>, name: &str, args: &[&str]) {
    out.extend_from_slice(b"{\"event\":");
    write_json_string(out, name);
    if !args.is_empty() {
        out.extend_from_slice(b",\"args\":[");
        for (i, arg) in args.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            write_json_string(out, arg);
        }
        out.push(b']');
    }
    out.push(b'}');
}

/// A whole text frame with one event.
pub fn frame(name: &str, args: &[&str]) -> Vec<u8> {
    let mut out = Vec::with_capacity(48 + args.iter().map(|a| a.len() + 8).sum::<usize>());
    crate::frame::push_text_with(&mut out, |out| write_json(out, name, args));
    out
}

/// Appends `text` as a JSON string with its quotes.
pub fn write_json_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut done = 0;
    for (i, &b) in bytes.iter().enumerate() {
        if b >= 0x20 && b != b'"' && b != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[done..i]);
        done = i + 1;
        match b {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(&[
                b'\\',
                b'u',
                b'0',
                b'0',
                HEX[usize::from(b >> 4)],
                HEX[usize::from(b & 15)],
            ]),
        }
    }
    out.extend_from_slice(&bytes[done..]);
    out.push(b'"');
}

/// A line of the daemon's own, dressed as existing consoles expect it (bold yellow name, then the text).
pub fn daemon_line(app: &str, text: &str) -> String {
    format!("\x1b[33m\x1b[1m[{app} Daemon]:\x1b[39m {text}\x1b[0m")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn args_may_be_missing_null_empty_or_hold_null() {
        for args in ["", ",\"args\":null", ",\"args\":[]", ",\"args\":[null]"] {
            let text = format!("{{\"event\":\"send logs\"{args}}}");
            assert_eq!(Inbound::parse(&text), Ok(Inbound::SendLogs), "{text}");
        }
        assert_eq!(
            Inbound::parse(r#"{"event":"send command","args":["say ",null,"hi"]}"#),
            Ok(Inbound::SendCommand("say hi".into()))
        );
        assert_eq!(Inbound::parse("ping"), Err(NotAnEvent));
        assert_eq!(
            Inbound::parse(r#"{"event":"auth","args":{"a":1}}"#),
            Err(NotAnEvent)
        );
        assert_eq!(
            Inbound::parse(r#"{"event":"dance"}"#),
            Ok(Inbound::Unknown("dance".into()))
        );
    }

    #[test]
    fn empty_args_are_left_out() {
        assert_eq!(json(AUTH_SUCCESS, &[]), r#"{"event":"auth success"}"#);
        assert_eq!(
            json(STATUS, &["running"]),
            r#"{"event":"status","args":["running"]}"#
        );
    }

    proptest! {
        #[test]
        fn any_text_survives_as_a_json_string(text in any::<String>()) {
            let value: serde_json::Value = serde_json::from_str(&json(CONSOLE_OUTPUT, &[&text])).unwrap();
            prop_assert_eq!(value["args"][0].as_str(), Some(text.as_str()));
        }

        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _ = Inbound::parse(&text);
        }
    }
}
