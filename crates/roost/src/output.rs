//! What the command line prints: JSON with `--json`, aligned columns or sentences without.

use crate::failure::Failure;
use serde::Serialize;
use std::io::Write;

/// How answers are printed.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    /// `--json`.
    pub json: bool,
}

impl Output {
    /// One value: as JSON, else by `plain`.
    pub fn value<T: Serialize>(self, value: &T, plain: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json {
            self.line(&serde_json::to_string(value).map_err(|e| Failure::new(e.to_string()))?)
        } else {
            self.line(plain(value).trim_end())
        }
    }

    /// A sentence, or `{"ok": true}` and what `json` adds.
    pub fn done(self, sentence: &str, json: serde_json::Value) -> Result<(), Failure> {
        if !self.json {
            return self.line(sentence);
        }
        let mut body = serde_json::json!({"ok": true});
        if let (Some(body), serde_json::Value::Object(more)) = (body.as_object_mut(), json) {
            body.extend(more);
        }
        self.line(&body.to_string())
    }

    /// A list: as one JSON array, else as a table under `head`.
    pub fn table<T: Serialize>(
        self,
        rows: &[T],
        head: &[&str],
        cells: impl Fn(&T) -> Vec<String>,
    ) -> Result<(), Failure> {
        if self.json {
            return self.line(&serde_json::to_string(rows).map_err(|e| Failure::new(e.to_string()))?);
        }
        let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
        self.line(&layout(head, &rows))
    }

    /// One line of text from a program that goes on, whether anybody reads or not.
    pub fn tell(self, text: &str) {
        let mut out = std::io::stdout().lock();
        let told = out
            .write_all(format!("{text}\n").as_bytes())
            .and_then(|()| out.flush());
        if let Err(error) = told {
            tracing::warn!(%error, "nobody reads standard output");
        }
    }

    /// One line of text. A reader that has gone away (`| head`) ends the program quietly.
    pub fn line(self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        match out
            .write_all(text.as_bytes())
            .and_then(|()| out.write_all(b"\n"))
            .and_then(|()| out.flush())
        {
            Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
            result => result.map_err(|e| Failure::new(format!("can't write to standard output: {e}"))),
        }
    }
}

fn layout(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|h| h.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String]| {
        let padded: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let head: Vec<String> = head.iter().map(|h| h.to_uppercase()).collect();
    std::iter::once(line(&head))
        .chain(rows.iter().map(|row| line(row)))
        .collect::<Vec<_>>()
        .join("\n")
}

/// Text of a server or person on a terminal: without control characters, so that it can't drive it.
pub fn plain(text: &str) -> String {
    text.chars()
        .map(|c| {
            if c.is_control() && c != '\t' {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

/// A server's line for a terminal: colours stay where they are wanted, every other control is made harmless.
pub fn shown(text: &str, colours: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\x1b') {
        out.push_str(&plain(&rest[..at]));
        let tail = &rest[at + 1..];
        let body = tail.strip_prefix('[').unwrap_or("");
        let end = body.find(|c: char| !(c.is_ascii_digit() || c == ';' || c == ':'));
        match end {
            Some(end) if body[end..].starts_with('m') => {
                if colours {
                    out.push_str(&rest[at..at + 2 + end + 1]);
                }
                rest = &tail[1 + end + 1..];
            }
            _ => {
                out.push('\u{fffd}');
                rest = tail;
            }
        }
    }
    out.push_str(&plain(rest));
    if colours && text.contains('\x1b') {
        out.push_str("\x1b[0m");
    }
    out
}

/// A table's dash for nothing.
pub fn or_dash(text: Option<&str>) -> String {
    text.filter(|t| !t.is_empty()).unwrap_or("-").to_owned()
}

/// An RFC 3339 time in UTC, in this machine's time zone for people.
pub fn local_time(text: &str) -> String {
    match text.parse::<jiff::Timestamp>() {
        Ok(time) => time
            .to_zoned_datetime(jiff::tz::TimeZone::system())
            .strftime("%Y-%m-%d %H:%M:%S")
            .to_string(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_have_no_trailing_blanks() {
        let text = layout(
            &["name", "state"],
            &[
                vec!["a-long-name".into(), "up".into()],
                vec!["b".into(), String::new()],
            ],
        );
        assert_eq!(text, "NAME         STATE\na-long-name  up\nb");
    }

    #[test]
    fn hostile_sequences_are_made_harmless() {
        assert_eq!(shown("\x1b[31mred\x1b[0m", false), "red");
        assert_eq!(shown("\x1b[1;31mred\x1b[0m", true), "\x1b[1;31mred\x1b[0m\x1b[0m");
        assert_eq!(
            shown("a\x1b]52;c;eA==\x07b", true),
            "a\u{fffd}]52;c;eA==\u{fffd}b\x1b[0m"
        );
        assert_eq!(
            shown("\x1b[6n\x1b[2J\x1b", false),
            "\u{fffd}[6n\u{fffd}[2J\u{fffd}"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(plain("a\x1b]0;x\x07\tb"), "a\u{fffd}]0;x\u{fffd}\tb");
    }
}
