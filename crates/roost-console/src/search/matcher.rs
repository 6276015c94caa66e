//! What is looked for: a text or an expression, in a range of time, from one source.
//!
//! A text is found by one pass over a whole page. An expression is compiled to an automaton of bounded size, that looks
//! at each byte once: it cannot run away. Reading pages is not its business.

use super::{
    FoundLine,
    page::{JOINED, Page},
};
use crate::ansi;
use memchr::memmem::Finder;
use regex::bytes::{Regex, RegexBuilder};
use roost_wire::{clock::Millis, node_api::Source};
use std::{
    fmt,
    ops::{Range, RangeInclusive},
};

/// Bytes of a text or an expression.
const LONGEST: usize = 1000;
/// Bytes of a compiled expression, and of a line that such a one is tried on: the worst case takes as long as one times
/// the other, about a second.
const TRIED: [(usize, usize); 3] = [(32 << 10, JOINED), (256 << 10, 32 << 10), (1 << 20, 8 << 10)];

/// Whether `A` is `a`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Case {
    /// A text: it is, unless the text has an uppercase letter. An expression: as it says itself.
    #[default]
    Smart,
    /// It is not.
    Exact,
    /// It is.
    Ignored,
}

/// Why something can't be looked for; a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadQuery(String);

impl fmt::Display for BadQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadQuery {}

#[derive(Debug)]
enum Matcher {
    /// Every line.
    All,
    Text(Finder<'static>),
    /// In lowercase, as the page's text is then.
    Lowercase(Finder<'static>),
    /// And how much of a line it is tried on.
    Expression(Regex, usize),
}

/// What is looked for.
#[derive(Debug)]
pub struct Query {
    matcher: Matcher,
    within: RangeInclusive<Millis>,
    source: Option<Source>,
    left_out: Option<Source>,
}

impl Query {
    fn new(matcher: Matcher) -> Self {
        Self {
            matcher,
            within: Millis::MIN..=Millis::MAX,
            source: None,
            left_out: None,
        }
    }

    /// Lines with this text in them, escape sequences aside; an empty text is in every line.
    pub fn text(text: &str, case: Case) -> Result<Self, BadQuery> {
        check(text)?;
        let ignored = match case {
            Case::Smart => !text.chars().any(char::is_uppercase),
            Case::Exact => false,
            Case::Ignored => true,
        };
        Ok(Self::new(match (text.is_empty(), ignored) {
            (true, _) => Matcher::All,
            (_, false) => Matcher::Text(Finder::new(text).into_owned()),
            _ if text.is_ascii() => Matcher::Lowercase(Finder::new(&text.to_ascii_lowercase()).into_owned()),
            // Other alphabets have cases of their own.
            _ => compile(&regex::escape(text), true)?,
        }))
    }

    /// Lines that this regular expression is found in, escape sequences aside. It is tried on the first 256 KiB of a
    /// line; a large one on less, at least 8 KiB.
    pub fn expression(expression: &str, case: Case) -> Result<Self, BadQuery> {
        check(expression)?;
        Ok(Self::new(compile(expression, case == Case::Ignored)?))
    }

    /// Only lines that arrived at these times.
    #[must_use]
    pub fn within(mut self, times: RangeInclusive<Millis>) -> Self {
        self.within = times;
        self
    }

    /// Only lines of this source.
    #[must_use]
    pub fn of(mut self, source: Source) -> Self {
        self.source = Some(source);
        self
    }

    /// No line of this source.
    #[must_use]
    pub fn without(mut self, source: Source) -> Self {
        self.left_out = Some(source);
        self
    }

    /// A found line's text without escape sequences, and where in it is what was looked for.
    pub fn place_in(&self, line: &FoundLine) -> (Vec<u8>, Range<usize>) {
        let text = ansi::without_escapes(line.text().as_bytes()).into_owned();
        let found = |finder: &Finder<'_>, text: &[u8]| {
            let len = finder.needle().len();
            finder.find(text).map(|at| at..at + len)
        };
        let place = match &self.matcher {
            Matcher::All => None,
            Matcher::Text(finder) => found(finder, &text),
            Matcher::Lowercase(finder) => found(finder, &text.to_ascii_lowercase()),
            Matcher::Expression(expression, tried) => expression
                .find(&text[..text.len().min(*tried)])
                .map(|found| found.range()),
        };
        (text, place.unwrap_or_default())
    }

    pub(super) fn times(&self) -> &RangeInclusive<Millis> {
        &self.within
    }

    pub(super) fn wants_source(&self, source: Source) -> bool {
        self.left_out != Some(source) && self.source.is_none_or(|wanted| wanted == source)
    }

    /// The page's text is to be in lowercase.
    pub(super) fn is_lowercase(&self) -> bool {
        matches!(self.matcher, Matcher::Lowercase(_))
    }

    /// Lines of a page, newest first, and whether each is looked for. Where that costs nothing, only those that are.
    pub(super) fn hits<'a>(&'a self, page: &'a Page) -> Box<dyn Iterator<Item = (usize, bool)> + 'a> {
        match &self.matcher {
            Matcher::All => Box::new(page.newest_first((0..page.len()).collect()).map(|at| (at, true))),
            Matcher::Text(finder) | Matcher::Lowercase(finder) => {
                let (mut from, mut hits) = (0, Vec::new());
                while let Some(at) = finder.find(&page.text[from..]) {
                    let line = page.line_at(from + at);
                    hits.push(line);
                    from = page.end(line);
                }
                Box::new(page.newest_first(hits).map(|at| (at, true)))
            }
            Matcher::Expression(expression, tried) => {
                let lines = page.newest_first((0..page.len()).collect());
                Box::new(lines.map(move |at| {
                    let text = page.text_of(at);
                    (at, expression.is_match(&text[..text.len().min(*tried)]))
                }))
            }
        }
    }
}

fn check(text: &str) -> Result<(), BadQuery> {
    if text.len() > LONGEST {
        return Err(BadQuery(format!(
            "That is longer than {LONGEST} bytes: look for a part of it."
        )));
    }
    if text.contains('\n') {
        return Err(BadQuery(
            "A line never contains a line end: look for one line.".to_owned(),
        ));
    }
    Ok(())
}

fn compile(expression: &str, ignored: bool) -> Result<Matcher, BadQuery> {
    for (compiled, tried) in TRIED {
        let regex = RegexBuilder::new(expression)
            .case_insensitive(ignored)
            .size_limit(compiled)
            .dfa_size_limit(1 << 20)
            .nest_limit(50)
            .build();
        match regex {
            Ok(regex) => return Ok(Matcher::Expression(regex, tried)),
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(_) => return Err(mistake(expression)),
        }
    }
    Err(BadQuery(
        "That expression is too large: use fewer or smaller repetitions, or `(?-u)` for plain ASCII classes."
            .to_owned(),
    ))
}

/// Where and why an expression can't be read, on one line.
fn mistake(expression: &str) -> BadQuery {
    let parsed = regex_syntax::ParserBuilder::new()
        .utf8(false)
        .nest_limit(50)
        .build()
        .parse(expression);
    let (why, place) = match &parsed {
        Err(regex_syntax::Error::Parse(e)) => (e.kind().to_string(), Some(e.span().start.offset)),
        Err(regex_syntax::Error::Translate(e)) => (e.kind().to_string(), Some(e.span().start.offset)),
        _ => ("it can't be compiled".to_owned(), None),
    };
    let (before, rest) = match place {
        Some(place) => expression.split_at_checked(place).unwrap_or((expression, "")),
        None => return BadQuery(format!("That is no regular expression: {why}.")),
    };
    let number = before.chars().count() + 1;
    let near: String = rest.chars().take(10).collect();
    BadQuery(format!(
        "That is no regular expression: at character {number} (`{near}`), {why}. A `\\` before a character stands for that \
         character itself."
    ))
}
