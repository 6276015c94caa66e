//! Reading what a node answers: bounded, and never trusted further than its shape.
//!
//! Sending and deadlines are `node_client`'s business.

use super::reason::{NodeError, Reason, SAID_MAX, one_line};
use http::StatusCode;
use roost_wire::node_api::ServerDetail;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Reads a whole body of at most `limit` bytes.
pub(super) async fn read(mut response: reqwest::Response, limit: usize) -> Result<Vec<u8>, NodeError> {
    let too_large = || {
        NodeError::away(
            Reason::NotUnderstood,
            format!("the answer is larger than {limit} bytes"),
        )
    };
    if response.content_length().is_some_and(|len| len > limit as u64) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|e| NodeError::of_transport(&e))? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// JSON of the expected shape.
pub(super) fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, NodeError> {
    serde_json::from_slice(body).map_err(|e| NodeError::away(Reason::NotUnderstood, e.to_string()))
}

/// A server's detail. Some daemons name engine states that are none of the four: no process runs in them.
pub(super) fn detail(body: &[u8]) -> Result<ServerDetail, NodeError> {
    let mut value: Value = json(body)?;
    let word = value.get("state").and_then(Value::as_str);
    if let Some("created" | "exited" | "dead" | "removing" | "missing") = word {
        value["state"] = "offline".into();
    }
    if value.get("utilization").is_some_and(Value::is_null) {
        value["utilization"] = Value::Object(serde_json::Map::new());
    }
    serde_json::from_value(value).map_err(|e| NodeError::away(Reason::NotUnderstood, e.to_string()))
}

/// What a status that is no success means.
pub(super) fn refusal(status: StatusCode, body: &[u8]) -> NodeError {
    let said = said(body);
    let named = || status.canonical_reason().unwrap_or("no reason given").to_owned();
    match status.as_u16() {
        401 | 403 => NodeError::away(Reason::TokenRefused, format!("status {status}")),
        300..=399 => NodeError::away(Reason::Redirected, format!("status {status}")),
        404 => match said {
            // A page of some other program's: whoever answers there is not a node.
            Said::Markup => NodeError::away(Reason::NotUnderstood, "404 with a page of HTML"),
            Said::Nothing => NodeError::UnknownServer { said: named() },
            Said::Text(said) => NodeError::UnknownServer { said },
        },
        400..=499 | 502 => match said {
            Said::Text(said) => NodeError::Declined {
                status: status.as_u16(),
                said,
            },
            Said::Nothing if status.as_u16() != 502 => NodeError::Declined {
                status: status.as_u16(),
                said: named(),
            },
            _ => NodeError::away(Reason::Failed, format!("status {status}")),
        },
        _ => {
            let detail = match said {
                Said::Text(text) => format!("status {status}: {text}"),
                _ => format!("status {status}"),
            };
            NodeError::away(Reason::Failed, detail)
        }
    }
}

enum Said {
    Text(String),
    Markup,
    Nothing,
}

/// The sentence in an error's body: `{"error"}` of daemons, `{"errors":[{"detail"}]}`, `{"message"}`, or plain text.
fn said(body: &[u8]) -> Said {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    if text.is_empty() {
        return Said::Nothing;
    }
    if text.starts_with('<') {
        return Said::Markup;
    }
    let parsed: Option<Value> = serde_json::from_str(text).ok();
    let found = match &parsed {
        None => Some(text),
        Some(Value::String(text)) => Some(text.as_str()),
        Some(value) => value
            .get("error")
            .and_then(Value::as_str)
            .or_else(|| value.get("message").and_then(Value::as_str))
            .or_else(|| value.pointer("/errors/0/detail").and_then(Value::as_str))
            .or_else(|| value.pointer("/errors/0").and_then(Value::as_str)),
    };
    match found.map(|text| one_line(text, SAID_MAX)) {
        Some(line) if !line.is_empty() => Said::Text(line),
        _ => Said::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_daemons_404_says_its_own_words() {
        for (body, expected) in [
            (
                r#"{"error":"The requested resource does not exist on this instance"}"#,
                "The requested resource does not exist on this instance",
            ),
            (r#"{"errors":[{"detail":"gone\nfor good"}]}"#, "gone for good"),
            (r#"{"errors":["server not found"]}"#, "server not found"),
            ("server not found", "server not found"),
            ("", "Not Found"),
        ] {
            let error = refusal(StatusCode::NOT_FOUND, body.as_bytes());
            assert_eq!(error.to_string(), format!("404: {expected}"));
        }
    }

    #[test]
    fn a_page_of_html_is_not_a_node() {
        let error = refusal(StatusCode::NOT_FOUND, b"<html>nginx</html>");
        assert_eq!(
            error.to_string(),
            "The node gave an answer that Roost does not understand"
        );
    }

    #[test]
    fn an_engines_word_for_a_state_is_offline() {
        assert!(detail(br#"{"state":"exited","utilization":null}"#).is_ok());
        assert!(detail(br#"{"state":"whatever"}"#).is_err());
        assert!(detail(br#"{"hello":1}"#).is_err());
    }
}
