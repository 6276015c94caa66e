//! Why a node could not be asked: a fixed list of reasons that anybody may read, and details for administrators.
//!
//! A reason never holds an address, a status line of the node's or a library's words; those are in the detail.
//! Which HTTP status a reason becomes is the caller's business.

use std::error::Error;
use std::fmt::Write as _;

/// Longest text of a node's own that is passed on, in characters.
pub const SAID_MAX: usize = 200;

/// What stands in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Nothing listens there.
    #[error("Connection refused")]
    Refused,
    /// No answer in time.
    #[error("Connection timed out")]
    TimedOut,
    /// No such host.
    #[error("Name could not be resolved")]
    Unresolved,
    /// TLS, but not with a certificate that this machine trusts for that name.
    #[error("TLS certificate was not accepted")]
    Certificate,
    /// `https` in the address, something else behind it.
    #[error("The node does not speak TLS at its address")]
    NotTls,
    /// The network has no way there.
    #[error("The node's machine can't be reached")]
    Unreachable,
    /// The connection broke.
    #[error("The connection to the node was cut")]
    Cut,
    /// 401 or 403.
    #[error("The node refused the panel's token")]
    TokenRefused,
    /// 3xx.
    #[error("The node answered with a redirect, which Roost does not follow")]
    Redirected,
    /// 5xx or another status that says nothing of the request.
    #[error("The node reported an error of its own")]
    Failed,
    /// Too large, not JSON, not the right JSON.
    #[error("The node gave an answer that Roost does not understand")]
    NotUnderstood,
}

/// A call that got no usable answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum NodeError {
    /// The node can't be used at all.
    #[error("{reason}")]
    Away {
        /// One of the list.
        reason: Reason,
        /// For administrators and the log.
        detail: String,
    },
    /// The node answers, and does not know the server.
    #[error("404: {said}")]
    UnknownServer {
        /// What it said: one line, cleaned, at most [`SAID_MAX`] characters.
        said: String,
    },
    /// The node answers, and does not do it.
    #[error("{said}")]
    Declined {
        /// Its status: 4xx, or 502 where the server is offline.
        status: u16,
        /// What it said, cleaned; the status' own words where it said nothing.
        said: String,
    },
}

impl NodeError {
    pub(super) fn away(reason: Reason, detail: impl Into<String>) -> Self {
        Self::Away {
            reason,
            detail: one_line(&detail.into(), 500),
        }
    }

    /// For administrators: the reason and what lies behind it.
    pub fn detail(&self) -> String {
        match self {
            Self::Away { reason, detail } if !detail.is_empty() => format!("{reason} ({detail})"),
            other => other.to_string(),
        }
    }

    /// Reads the failure of a request that got no answer, or no whole one.
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        let mut chain = String::new();
        let mut reason = None;
        let mut at: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(e) = at {
            let text = e.to_string();
            let _ = write!(chain, "{}{text}", if chain.is_empty() { "" } else { ": " });
            reason = reason
                .or_else(|| e.downcast_ref::<std::io::Error>().and_then(of_io))
                .or(of_text(&text));
            at = e.source();
        }
        let fallback = if error.is_timeout() {
            Reason::TimedOut
        } else if error.is_connect() {
            Reason::Unreachable
        } else if error.is_decode() {
            Reason::NotUnderstood
        } else {
            Reason::Cut
        };
        Self::away(
            if error.is_timeout() {
                fallback
            } else {
                reason.unwrap_or(fallback)
            },
            chain,
        )
    }
}

fn of_io(error: &std::io::Error) -> Option<Reason> {
    use std::io::ErrorKind as K;
    match error.kind() {
        K::ConnectionRefused => Some(Reason::Refused),
        K::TimedOut => Some(Reason::TimedOut),
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown | K::AddrNotAvailable => {
            Some(Reason::Unreachable)
        }
        K::ConnectionReset | K::ConnectionAborted | K::BrokenPipe | K::UnexpectedEof => Some(Reason::Cut),
        _ => None,
    }
}

/// The libraries between here and the socket give these causes no type of their own.
fn of_text(text: &str) -> Option<Reason> {
    if text.starts_with("dns error") || text.contains("failed to lookup address") {
        Some(Reason::Unresolved)
    } else if text.contains("invalid peer certificate") || text.contains("certificate verify failed") {
        Some(Reason::Certificate)
    } else if text.contains("received corrupt message") || text.contains("InvalidContentType") {
        Some(Reason::NotTls)
    } else {
        None
    }
}

/// `text` as one line of at most `max` characters: control characters become spaces, ends are trimmed.
pub fn one_line(text: &str, max: usize) -> String {
    let mut line = String::with_capacity(text.len().min(max * 4));
    let mut space = true;
    let mut left = max;
    for c in text.chars() {
        if left == 0 {
            break;
        }
        // Directional marks and line separators can forge what stands around them.
        let hidden = c.is_control()
            || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
        if hidden || c == ' ' {
            if !space {
                line.push(' ');
                left -= 1;
            }
            space = true;
        } else {
            line.push(c);
            left -= 1;
            space = false;
        }
    }
    line.truncate(line.trim_end().len());
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_says_becomes_one_harmless_line() {
        assert_eq!(one_line("  a\r\nb\u{1b}[31m\0c ", 200), "a b [31m c");
        assert_eq!(one_line("x\u{202e}y", 200), "x y");
        assert_eq!(one_line(&"é".repeat(500), 200).chars().count(), 200);
        assert_eq!(one_line("ab cd", 3), "ab");
    }
}
