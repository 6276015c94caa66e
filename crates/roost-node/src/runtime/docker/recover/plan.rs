//! What to write after one read of the engine's log. Pure.
//!
//! Where lines lie is `align`'s business; reading and writing them is that of the file above.

use super::{
    align::{self, Key, without_cr},
    head::Head,
    tail::Tail,
};
use crate::runtime::docker::log::LogPart;
use roost_wire::clock::Millis;

/// Lines so much older than the stream's first one can't be its own, in milliseconds.
const OLD: Millis = 10_000;
/// Lines so much younger than the journal's last one can't be its own.
const YOUNG: Millis = 1_000;

/// What is known.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) tail: Tail,
    pub(super) head: Head,
    pub(super) part: LogPart,
    /// The log must have all of the stream's first lines.
    pub(super) strict: bool,
    /// It is not read again.
    pub(super) last: bool,
}

/// What follows.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The log lags behind: read it again.
    Again,
    /// Write these.
    Write {
        /// Each with its `\n`; the first may be the rest of a line.
        lines: Vec<(Millis, Vec<u8>)>,
        /// Lines that may be missing, at most.
        missing: u64,
        /// Why it is not known how many.
        unknown: Option<String>,
        /// Then the stream goes on, from this byte. `None`: read on.
        skip: Option<u64>,
    },
}

impl Plan {
    pub(super) fn step(self) -> Step {
        let Self {
            tail,
            head,
            part,
            strict,
            last,
        } = self;
        let keys: Vec<_> = part
            .lines
            .iter()
            .map(|line| Key::new(&line.bytes, line.time))
            .collect();
        let goes_on = |at: usize| {
            part.lines
                .get(at)
                .is_none_or(|line| line.bytes.starts_with(&tail.open))
        };
        let mut unknown = None;
        let mut missing = 0;
        let known = match align::behind(&tail.lines, &keys, goes_on) {
            Some(places) => {
                missing += (places.end() - places.start()) as u64;
                *places.end()
            }
            None if !last && !part.cut => return Step::Again,
            None => match align::behind_loss(&tail.lines, &keys, |_| true) {
                Some((places, lost)) => {
                    unknown = Some(lacking(lost));
                    *places.end()
                }
                None => {
                    unknown = Some("Docker's log does not have the lines before it any more".to_owned());
                    let young = tail.last.map_or(Millis::MIN, |time| time + YOUNG);
                    part.lines.partition_point(|line| line.time <= young)
                }
            },
        };
        let rest = &part.lines[known..];
        let begins_like = |at: usize| without_cr(&rest[at].bytes).ends_with(without_cr(&head.first));
        let too_early = part.cut && rest.last().is_none_or(|line| line.time < head.time - OLD);
        let (until, skip) = if part.cut && (head.lines.is_empty() || too_early) {
            (rest.len(), None)
        } else if head.lines.is_empty() {
            (rest.len(), Some(0))
        } else {
            match align::ahead(&head.lines, &keys[known..], begins_like, strict && !part.cut) {
                Some(places) => {
                    missing += (places.end() - places.start()) as u64;
                    (*places.start(), Some(head.length))
                }
                None if part.cut => (rest.len(), None),
                None if !last => return Step::Again,
                None => {
                    unknown.get_or_insert_with(|| "Docker's log does not have the lines after it".to_owned());
                    (
                        rest.partition_point(|line| line.time < head.time - YOUNG),
                        Some(0),
                    )
                }
            }
        };
        let mut lines: Vec<_> = part
            .lines
            .into_iter()
            .skip(known)
            .take(until)
            .map(|mut line| {
                line.bytes.push(b'\n');
                (line.time, line.bytes)
            })
            .collect();
        if let Some((time, first)) = lines.first_mut() {
            if first.starts_with(&tail.open) {
                first.drain(..tail.open.len());
            } else {
                // The rest of the open line is lost: it ends here.
                let end = (*time, b"\n".to_vec());
                lines.insert(0, end);
            }
        }
        Step::Write {
            lines,
            missing,
            unknown,
            skip,
        }
    }
}

/// A clause.
fn lacking(lost: usize) -> String {
    let before = match lost {
        1 => "the last line".to_owned(),
        lost => format!("the last {lost} lines"),
    };
    format!("Docker's log lacks {before} before it, so others may not be in it either")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::docker::log::LogLine;

    fn log(texts: &[&str]) -> LogPart {
        let lines = texts.iter().zip(0..).map(|(text, at)| LogLine {
            time: at * 1000,
            bytes: format!("{text}\r").into_bytes(),
        });
        LogPart {
            lines: lines.collect(),
            cut: false,
        }
    }

    fn tail(texts: &[&str], open: &str) -> Tail {
        let lines: Vec<_> = texts
            .iter()
            .zip(0..)
            .map(|(text, at)| Key::new(text.as_bytes(), at * 1000))
            .collect();
        Tail {
            last: lines.len().checked_sub(1).map(|at| at as i64 * 1000),
            lines,
            open: open.as_bytes().to_vec(),
        }
    }

    fn head(texts: &[&str], from: i64) -> Head {
        let lines: Vec<_> = texts
            .iter()
            .zip(from..)
            .map(|(text, at)| Key::new(text.as_bytes(), at * 1000))
            .collect();
        Head {
            lines,
            first: texts
                .first()
                .map(|text| format!("{text}\r").into_bytes())
                .unwrap_or_default(),
            time: from * 1000,
            length: texts.first().map_or(0, |text| text.len() as u64 + 2),
        }
    }

    fn step(tail: Tail, head: Head, part: LogPart, last: bool) -> Step {
        let strict = !last;
        Plan {
            tail,
            head,
            part,
            strict,
            last,
        }
        .step()
    }

    fn written(step: Step) -> (Vec<String>, Option<u64>) {
        match step {
            Step::Write {
                lines,
                missing: 0,
                unknown: None,
                skip,
            } => (
                lines
                    .into_iter()
                    .map(|(_, line)| String::from_utf8(line).unwrap())
                    .collect(),
                skip,
            ),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_hole_is_filled_up_to_the_end_of_the_stream_s_first_line() {
        let (lines, skip) = written(step(
            tail(&["a", "b"], "c"),
            head(&["e", "f"], 4),
            log(&["a", "b", "cc", "d", "ee", "f"]),
            false,
        ));
        assert_eq!(lines, ["c\r\n", "d\r\n", "ee\r\n"]);
        assert_eq!(skip, Some(3));
    }

    #[test]
    fn a_silent_stream_begins_behind_the_log() {
        let (lines, skip) = written(step(tail(&["a"], ""), Head::default(), log(&["a", "b"]), false));
        assert_eq!((lines, skip), (vec!["b\r\n".to_owned()], Some(0)));
        let nothing = step(tail(&["a"], "> "), Head::default(), log(&["a"]), false);
        assert_eq!(written(nothing), (Vec::new(), Some(0)));
    }

    #[test]
    fn a_log_that_lost_its_own_last_lines_is_taken_up_behind_those_that_it_has() {
        let had: Vec<String> = (0..20).map(|n| format!("had {n}")).collect();
        let had: Vec<&str> = had.iter().map(String::as_str).collect();
        // The engine was killed before it had logged the last three, and logs on when it is back.
        let mut part = log(&[&had[..17], &["new 1", "new 2"]].concat());
        for line in &mut part.lines[17..] {
            line.time += 5_000;
        }
        let later = part.lines[18].time / 1000;
        let plan = |last| step(tail(&had, ""), head(&["new 2"], later), log_of(&part), last);
        assert_eq!(plan(false), Step::Again, "it may only lag");
        let Step::Write {
            lines, unknown, skip, ..
        } = plan(true)
        else {
            panic!("it is not read again");
        };
        let lines: Vec<_> = lines
            .iter()
            .map(|(_, line)| String::from_utf8_lossy(line))
            .collect();
        assert_eq!(lines, ["new 1\r\n", "new 2\r\n"]);
        assert_eq!(skip, Some(7));
        assert!(unknown.unwrap().contains("lacks the last 3 lines"));
        // Its rest is lost with them.
        let Step::Write { lines, .. } = step(tail(&had, "op"), Head::default(), part, true) else {
            panic!("it is not read again");
        };
        assert_eq!(lines[0].1, b"\n");
        assert_eq!(lines.len(), 3);
    }

    fn log_of(part: &LogPart) -> LogPart {
        LogPart {
            lines: part.lines.clone(),
            cut: part.cut,
        }
    }

    #[test]
    fn a_log_that_lags_is_read_again_and_one_that_lost_lines_is_told() {
        let again = step(tail(&["a"], ""), head(&["c"], 2), log(&["a", "b"]), false);
        assert_eq!(again, Step::Again);
        let Step::Write {
            lines, unknown, skip, ..
        } = step(tail(&["a"], ""), head(&["c"], 2), log(&["a", "b"]), true)
        else {
            panic!("it is not read again");
        };
        assert_eq!(
            (lines.len(), skip),
            (0, Some(0)),
            "b may be what the stream begins with"
        );
        assert!(unknown.unwrap().contains("lines after it"));
        let Step::Write { unknown, .. } = step(tail(&["x"], ""), Head::default(), log(&["a", "b"]), true)
        else {
            panic!("it is not read again");
        };
        assert!(unknown.unwrap().contains("lines before it"));
    }
}
