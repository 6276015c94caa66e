//! Looks for the text that says that a server is up.
//!
//! It reads the console like any other reader, so that it sees joined lines. What follows from the text is the
//! actor's business.

use super::DoneRule;
use regex::Regex;
use roost_console::{Batch, Console, Cursor, Entry, LineJoiner, Read};
use roost_wire::node_api::Source;
use std::{borrow::Cow, io};

/// Bytes read at a time.
const READ: usize = 256 * 1024;

/// A rule at work on one run.
#[derive(Debug)]
pub(super) struct DoneWatch {
    texts: Vec<String>,
    expressions: Vec<Regex>,
    strip_ansi: bool,
    cursor: Cursor,
    joiner: LineJoiner,
    /// It was seen in this run.
    pub(super) seen: bool,
}

impl DoneWatch {
    /// From `cursor` on.
    pub(super) fn new(rule: &DoneRule, cursor: Cursor) -> Self {
        let (mut texts, mut expressions) = (Vec::new(), Vec::new());
        for pattern in rule.patterns.iter().filter(|p| !p.is_empty()) {
            match pattern.strip_prefix("regex:") {
                Some(expression) => match Regex::new(expression) {
                    Ok(expression) => expressions.push(expression),
                    Err(_) => texts.push(expression.to_owned()),
                },
                None => texts.push(pattern.clone()),
            }
        }
        Self {
            texts,
            expressions,
            strip_ansi: rule.strip_ansi,
            cursor,
            joiner: LineJoiner::default(),
            seen: false,
        }
    }

    /// A new run begins.
    pub(super) fn restart(&mut self, cursor: Cursor) {
        (self.cursor, self.joiner, self.seen) = (cursor, LineJoiner::default(), false);
    }

    /// Looks through what is new. True from when the text was seen in this run.
    pub(super) fn look(&mut self, console: &Console) -> io::Result<bool> {
        while !self.seen {
            match console.read(&mut self.cursor, READ) {
                Read::Entries(entries) => {
                    for entry in entries {
                        if let Entry::Lines(batch) = entry {
                            self.take(&batch);
                        }
                    }
                }
                // The text came in one batch with more than the ring holds.
                Read::Behind => {
                    for batch in console.history(&mut self.cursor, READ)?.batches {
                        self.take(&batch);
                    }
                }
                Read::Empty | Read::Closed => return Ok(false),
            }
        }
        Ok(true)
    }

    fn take(&mut self, batch: &Batch) {
        if batch.source() != Source::Output {
            return;
        }
        for line in batch.lines() {
            let (text, whole) = match self.joiner.push(line) {
                Some(text) => (text, true),
                // A prompt may never end: what it says so far counts, for plain texts.
                None => (self.joiner.so_far().unwrap_or_default(), false),
            };
            let text = String::from_utf8_lossy(text);
            let text = match self.strip_ansi {
                true => strip_ansi(&text),
                false => text,
            };
            self.seen = self.texts.iter().any(|t| text.contains(t.as_str()))
                || (whole && self.expressions.iter().any(|e| e.is_match(&text)));
            if self.seen {
                return;
            }
        }
    }
}

/// Without escape sequences: CSI (colours, cursor), OSC (titles, links) and the short ones.
fn strip_ansi(text: &str) -> Cow<'_, str> {
    if !text.contains('\x1b') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c != '\x1b' {
            plain.push(c);
            continue;
        }
        match chars.next() {
            Some('[') => {
                chars.find(|c| ('\x40'..='\x7e').contains(c));
            }
            Some(']' | 'P' | '^' | '_' | 'X') => {
                while let Some(c) = chars.next() {
                    if c == '\x07' || (c == '\x1b' && chars.next().is_some()) {
                        break;
                    }
                }
            }
            // One or more intermediate bytes, then the last one.
            Some('\x20'..='\x2f') => {
                chars.find(|c| !('\x20'..='\x2f').contains(c));
            }
            Some(_) | None => {}
        }
    }
    Cow::Owned(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escape_sequences_go_and_text_stays() {
        for (with, without) in [
            ("plain", "plain"),
            ("\x1b[1;32mDone\x1b[0m (3s)", "Done (3s)"),
            ("a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c", "abc"),
            ("\x1b(Bx\x1b=y\x1b", "xy"),
            ("\u{e4}\x1b[m\u{20ac}", "\u{e4}\u{20ac}"),
        ] {
            assert_eq!(strip_ansi(with), without);
        }
    }
}
