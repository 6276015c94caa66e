//! What `roost.v1` brings, as the terminal client understands it: lines by number, gaps, refusals, who typed what.

use super::session::{Came, Line, Place};
use roost_wire::{event, v1};
use serde_json::Value;
use std::collections::VecDeque;

/// Where a console stands, from the answer to `auth`: behind the last line that there is.
pub fn place(args: &Value) -> Option<Place> {
    let stream = args[0]["stream"].as_str()?.parse().ok()?;
    // Its lines are still to come: nothing of it was seen.
    Some(Place { stream, seq: 0 })
}

/// Reads one event. `place` moves on with each line, and a line that was there already is left out.
pub fn read(name: &str, args: &Value, place: &mut Option<Place>, came: &mut VecDeque<Came>) {
    let first = &args[0];
    match name {
        v1::LINES => lines(first, place, came),
        v1::GAP => came.push_back(Came::Gap(gap(first))),
        v1::REFUSED => {
            let why = args[1]["reason"].as_str().unwrap_or_default().to_owned();
            came.push_back(Came::Event(event::DAEMON_MESSAGE.to_owned(), why));
        }
        v1::TYPED => {
            let word = |key: &str| first[key].as_str().unwrap_or_default().to_owned();
            came.push_back(Came::Typed(word("user"), word("text")));
        }
        // A fresh token was taken.
        event::AUTH_SUCCESS => {}
        _ => {
            let text = first.as_str().unwrap_or_default().to_owned();
            came.push_back(Came::Event(name.to_owned(), text));
        }
    }
}

fn lines(block: &Value, place: &mut Option<Place>, came: &mut VecDeque<Came>) {
    let Some(first) = block["seq"].as_u64() else {
        return;
    };
    let is_daemon = block["source"] == "daemon";
    let lines = block["lines"].as_array().map(Vec::as_slice).unwrap_or_default();
    for (line, seq) in lines.iter().zip(first..) {
        if let Some(place) = place.as_mut() {
            if seq <= place.seq {
                continue;
            }
            place.seq = seq;
        }
        let text = line[1].as_str().unwrap_or_default();
        let flags = line[2].as_u64().unwrap_or_default();
        came.push_back(Came::Line(Line {
            text: if is_daemon {
                event::daemon_line("Roost", text)
            } else {
                text.to_owned()
            },
            continued: flags & u64::from(v1::CONTINUED) != 0,
            open: flags & u64::from(v1::OPEN) != 0,
        }));
    }
}

fn gap(gap: &Value) -> String {
    let count = match gap["count"].as_u64() {
        Some(1) => "1 line is".to_owned(),
        Some(count) => format!("{count} lines are"),
        None => "lines are".to_owned(),
    };
    let reason = gap["reason"].as_str().unwrap_or_default();
    let why = match reason {
        "throttle" => "the node has a view throttle, and more came than it shows",
        "retention" => "the journal does not hold them any more",
        "disk" => "the node can't read them from its disk",
        "most" => "too many came meanwhile; `roost server logs` has them",
        "unknown_stream" | "after_end" => {
            "the machine went down before the last lines were safe, or the journal was made anew; what it holds follows"
        }
        other => other,
    };
    format!("{count} missing here: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn texts(came: &VecDeque<Came>) -> Vec<(&str, bool, bool)> {
        came.iter()
            .map(|came| match came {
                Came::Line(line) => (line.text.as_str(), line.continued, line.open),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn a_line_is_shown_once_however_often_it_comes() {
        let stream = uuid::Uuid::from_u128(3);
        let mut at = place(&json!([{"stream": stream, "next": 9}]));
        assert_eq!(at, Some(Place { stream, seq: 0 }));
        let mut came = VecDeque::new();
        let block = |seq: u64, lines: Value| json!([{"source": "output", "seq": seq, "lines": lines}]);
        read(
            "lines",
            &block(7, json!([[1, "a"], [1, "b", 2]])),
            &mut at,
            &mut came,
        );
        read(
            "lines",
            &block(8, json!([[1, "b", 2], [1, "c", 1]])),
            &mut at,
            &mut came,
        );
        assert_eq!(
            texts(&came),
            [("a", false, false), ("b", false, true), ("c", true, false)]
        );
        assert_eq!(at, Some(Place { stream, seq: 9 }));
    }

    #[test]
    fn what_is_missing_is_counted_and_explained() {
        let text = gap(&json!({"after": 3, "count": 1, "reason": "retention"}));
        assert_eq!(
            text,
            "1 line is missing here: the journal does not hold them any more"
        );
        assert!(
            gap(&json!({"after": 3, "count": null, "reason": "unknown_stream"}))
                .starts_with("lines are missing")
        );
    }
}
