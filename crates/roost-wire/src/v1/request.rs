//! What clients of `roost.v1` ask for, read from their messages.
//!
//! Whether somebody may, and what is done, is the node's business.

use super::{FOUND_LINES, LAST_MAX, MOST_DEFAULT, NAME_MAX, PAGE_LINES};
use crate::{clock::Millis, event, node_api::Source};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

/// Where a client wants to begin: the second argument of its first `auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begin {
    /// With so many lines of the past.
    Last(u64),
    /// Behind a line that it has, with so many lines of the past at most.
    After {
        /// The journal that it was of.
        stream: Uuid,
        /// Its number.
        after: u64,
        /// Lines.
        most: u64,
    },
}

impl Default for Begin {
    fn default() -> Self {
        Self::Last(0)
    }
}

/// What a client of `roost.v1` asked for. A request's name is a number or a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// `auth`.
    Auth(String, Begin),
    /// `send command`.
    Command(String, Option<Value>),
    /// `set state`.
    State(String, Option<Value>),
    /// `send page`: so many lines before or behind a number.
    Page {
        /// The number.
        place: Place,
        /// How many.
        lines: u64,
        /// The request's name.
        name: Option<Value>,
    },
    /// `send search`.
    Search(Box<Search>, Option<Value>),
    /// `cancel search`.
    CancelSearch,
    /// `send stats`.
    Stats,
    /// Any other name: ignored and counted.
    Unknown,
}

/// Where a page is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Lines before this number.
    Before(u64),
    /// Lines behind this number.
    After(u64),
}

/// What is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pattern {
    /// A text; an empty one is in every line.
    Text(String),
    /// A regular expression.
    Regex(String),
}

/// `send search`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// What is looked for.
    pub pattern: Pattern,
    /// `A` is not `a`.
    pub is_exact: bool,
    /// Only lines from this time on.
    pub since: Option<Millis>,
    /// Only lines up to this time, with it.
    pub until: Option<Millis>,
    /// Only lines of this source.
    pub source: Option<Source>,
    /// Only lines before this number.
    pub before: Option<u64>,
    /// Found lines in the answer.
    pub most: u64,
}

/// A request that can't be read; the sentence says what it has to look like.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct BadRequest {
    /// Its name, if that could be read.
    pub name: Option<Value>,
    /// For people.
    pub reason: &'static str,
}

#[derive(Deserialize)]
struct Raw {
    event: String,
    #[serde(default)]
    args: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct RawBegin {
    last: Option<u64>,
    stream: Option<Uuid>,
    after: Option<u64>,
    most: Option<u64>,
}

#[derive(Deserialize)]
struct RawPage {
    before: Option<u64>,
    after: Option<u64>,
    lines: Option<u64>,
}

#[derive(Deserialize)]
struct RawSearch {
    text: Option<String>,
    regex: Option<String>,
    #[serde(default)]
    case: bool,
    since: Option<Millis>,
    until: Option<Millis>,
    source: Option<Source>,
    before: Option<u64>,
    most: Option<u64>,
}

impl Request {
    /// Reads one message. The outer error is for what is no event at all: it is ignored and counted.
    pub fn parse(text: &str) -> Result<Result<Self, BadRequest>, event::NotAnEvent> {
        let raw: Raw = serde_json::from_str(text).map_err(|_| event::NotAnEvent)?;
        let mut args = raw.args.unwrap_or_default().into_iter();
        let (first, second) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
        Ok(match raw.event.as_str() {
            "auth" => auth(first, second),
            "send command" => named(second).and_then(|name| match first {
                Value::String(text) => Ok(Self::Command(text, name)),
                _ => bad(name, "send command: the first argument is the command, a text."),
            }),
            "set state" => named(second).and_then(|name| match first {
                Value::String(word) => Ok(Self::State(word, name)),
                _ => bad(
                    name,
                    "set state: the first argument is start, stop, restart or kill.",
                ),
            }),
            "send page" => named(second).and_then(|name| page(first, name)),
            "send search" => named(second).and_then(|name| search(first, name)),
            "cancel search" => Ok(Self::CancelSearch),
            "send stats" => Ok(Self::Stats),
            _ => Ok(Self::Unknown),
        })
    }

    /// The name under which a message is to be refused that is not even looked at; null where it has none. `None` for
    /// what is never answered with `refused`.
    pub fn name_to_answer(text: &str) -> Option<Value> {
        let name = match Self::parse(text).ok()? {
            Ok(
                Self::Command(_, name)
                | Self::State(_, name)
                | Self::Page { name, .. }
                | Self::Search(_, name),
            ) => name,
            Ok(Self::Auth(..) | Self::CancelSearch | Self::Stats | Self::Unknown) => return None,
            Err(bad) => bad.name,
        };
        Some(name.unwrap_or_default())
    }
}

fn bad<T>(name: Option<Value>, reason: &'static str) -> Result<T, BadRequest> {
    Err(BadRequest { name, reason })
}

fn named(value: Value) -> Result<Option<Value>, BadRequest> {
    match value {
        Value::Null => Ok(None),
        Value::Number(_) => Ok(Some(value)),
        Value::String(ref text) if text.len() <= NAME_MAX => Ok(Some(value)),
        _ => bad(
            None,
            "A request's name is a number, or a text of at most 64 bytes.",
        ),
    }
}

fn page(wanted: Value, name: Option<Value>) -> Result<Request, BadRequest> {
    let raw: Option<RawPage> = serde_json::from_value(wanted).ok();
    let place = match raw {
        Some(RawPage {
            before: Some(before),
            after: None,
            ..
        }) => Place::Before(before),
        Some(RawPage {
            before: None,
            after: Some(after),
            ..
        }) => Place::After(after),
        _ => {
            return bad(
                name,
                "send page: the first argument is {\"before\": NUMBER, \"lines\": COUNT}, or `after` in place of `before`.",
            );
        }
    };
    let lines = raw.and_then(|raw| raw.lines).unwrap_or(PAGE_LINES.0);
    Ok(Request::Page {
        place,
        lines: lines.clamp(1, PAGE_LINES.1),
        name,
    })
}

fn search(wanted: Value, name: Option<Value>) -> Result<Request, BadRequest> {
    let Ok(raw) = serde_json::from_value::<RawSearch>(wanted) else {
        return bad(
            name,
            "send search: the first argument is {\"text\": TEXT} or {\"regex\": TEXT}, with \"case\" (true or false), \"since\" and \
             \"until\" (milliseconds), \"source\" (output, daemon or install), \"before\" (a number) and \"most\" (a count) as wanted.",
        );
    };
    let pattern = match (raw.text, raw.regex) {
        (text, None) => Pattern::Text(text.unwrap_or_default()),
        (None, Some(expression)) => Pattern::Regex(expression),
        (Some(_), Some(_)) => return bad(name, "send search: give `text` or `regex`, not both."),
    };
    let search = Search {
        pattern,
        is_exact: raw.case,
        since: raw.since,
        until: raw.until,
        source: raw.source,
        before: raw.before,
        most: raw.most.unwrap_or(FOUND_LINES.0).clamp(1, FOUND_LINES.1),
    };
    Ok(Request::Search(Box::new(search), name))
}

fn auth(token: Value, begin: Value) -> Result<Request, BadRequest> {
    let Value::String(token) = token else {
        return bad(None, "auth: the first argument is the token, a text.");
    };
    if begin.is_null() {
        return Ok(Request::Auth(token, Begin::default()));
    }
    let begin = match serde_json::from_value::<RawBegin>(begin) {
        Ok(RawBegin {
            stream: Some(stream),
            after: Some(after),
            most,
            last: None,
        }) => Begin::After {
            stream,
            after,
            most: most.unwrap_or(MOST_DEFAULT).clamp(1, LAST_MAX),
        },
        Ok(RawBegin {
            stream: None,
            after: None,
            most: None,
            last,
        }) => Begin::Last(last.unwrap_or_default().min(LAST_MAX)),
        _ => {
            return bad(
                None,
                "auth: the second argument is {\"last\": COUNT}, or {\"stream\": UUID, \"after\": NUMBER, \"most\": COUNT}.",
            );
        }
    };
    Ok(Request::Auth(token, begin))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn parse(text: &str) -> Result<Request, BadRequest> {
        Request::parse(text).unwrap()
    }

    #[test]
    fn requests_are_read_with_their_names() {
        assert_eq!(
            parse(r#"{"event":"send command","args":["save-all",7]}"#),
            Ok(Request::Command("save-all".into(), Some(json!(7))))
        );
        assert_eq!(
            parse(r#"{"event":"set state","args":["stop"]}"#),
            Ok(Request::State("stop".into(), None))
        );
        assert_eq!(
            parse(r#"{"event":"send page","args":[{"before":9,"lines":5000},"p"]}"#),
            Ok(Request::Page {
                place: Place::Before(9),
                lines: 1_000,
                name: Some(json!("p"))
            })
        );
        assert_eq!(parse(r#"{"event":"dance"}"#), Ok(Request::Unknown));
        assert!(Request::parse("ping").is_err());
    }

    #[test]
    fn what_waits_for_an_answer_has_a_name_to_refuse_it_by() {
        let name = |text: &str| Request::name_to_answer(text);
        assert_eq!(name(r#"{"event":"send command","args":["x",7]}"#), Some(json!(7)));
        assert_eq!(
            name(r#"{"event":"set state","args":["stop"]}"#),
            Some(Value::Null)
        );
        assert_eq!(
            name(r#"{"event":"send page","args":[{"after":1},"p"]}"#),
            Some(json!("p"))
        );
        assert_eq!(name(r#"{"event":"send page","args":[7,"p"]}"#), Some(json!("p")));
        assert_eq!(
            name(r#"{"event":"send search","args":[{},"s"]}"#),
            Some(json!("s"))
        );
        for other in [
            r#"{"event":"send stats"}"#,
            r#"{"event":"auth","args":["t"]}"#,
            r#"{"event":"dance"}"#,
            "ping",
        ] {
            assert_eq!(name(other), None, "{other}");
        }
    }

    #[test]
    fn a_search_is_read_with_what_it_leaves_out() {
        let search = |text: &str| match parse(&format!(r#"{{"event":"send search","args":[{text},"s"]}}"#)) {
            Ok(Request::Search(search, name)) => {
                assert_eq!(name, Some(json!("s")));
                Ok(*search)
            }
            Err(bad) => Err(bad.reason),
            other => panic!("{other:?}"),
        };
        let plain = Search {
            pattern: Pattern::Text("a".into()),
            is_exact: false,
            since: None,
            until: None,
            source: None,
            before: None,
            most: 100,
        };
        assert_eq!(search(r#"{"text":"a"}"#), Ok(plain.clone()));
        let all =
            r#"{"regex":"a","case":true,"since":1,"until":2,"source":"install","before":9,"most":9999}"#;
        let wanted = Search {
            pattern: Pattern::Regex("a".into()),
            is_exact: true,
            since: Some(1),
            until: Some(2),
            source: Some(Source::Install),
            before: Some(9),
            most: 500,
        };
        assert_eq!(search(all), Ok(wanted));
        assert!(
            search(r#"{"text":"a","regex":"a"}"#)
                .unwrap_err()
                .contains("not both")
        );
        assert!(
            search(r#"{"text":"a","source":"moon"}"#)
                .unwrap_err()
                .contains("daemon")
        );
        assert!(search("7").is_err());
        assert_eq!(parse(r#"{"event":"cancel search"}"#), Ok(Request::CancelSearch));
    }

    #[test]
    fn a_request_that_can_t_be_read_says_how_it_has_to_look() {
        let error = parse(r#"{"event":"send page","args":[{"lines":5},"p"]}"#).unwrap_err();
        assert_eq!(error.name, Some(json!("p")));
        assert!(error.reason.contains("before"));
        assert!(parse(r#"{"event":"send page","args":[{"before":5,"after":5}]}"#).is_err());
        let error = parse(r#"{"event":"send command","args":["x",{"a":1}]}"#).unwrap_err();
        assert_eq!(error.name, None);
        let long = "x".repeat(65);
        assert!(parse(&json!({"event": "send command", "args": ["x", long]}).to_string()).is_err());
    }

    #[test]
    fn where_to_begin_is_one_of_two_things() {
        let begin = |text: &str| match parse(&format!(r#"{{"event":"auth","args":["t",{text}]}}"#)) {
            Ok(Request::Auth(_, begin)) => Some(begin),
            _ => None,
        };
        let stream = Uuid::from_u128(7);
        assert_eq!(begin("null"), Some(Begin::Last(0)));
        assert_eq!(begin(r#"{"last":20000}"#), Some(Begin::Last(10_000)));
        assert_eq!(
            begin(&format!(r#"{{"stream":"{stream}","after":5}}"#)),
            Some(Begin::After {
                stream,
                after: 5,
                most: 5_000
            })
        );
        assert_eq!(begin(r#"{"after":5}"#), None);
        assert_eq!(
            begin(&format!(r#"{{"stream":"{stream}","after":5,"last":5}}"#)),
            None
        );
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in any::<String>()) {
            let _ = Request::parse(&text);
        }
    }
}
