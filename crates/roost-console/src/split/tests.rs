//! The splitter as a story: whatever the chunks, the same lines.

use super::*;
use proptest::prelude::*;

/// A splitter and what came out of it, put together again.
pub(super) struct Reader {
    pub(super) splitter: Splitter,
    pub(super) lines: Vec<Vec<u8>>,
    line: Vec<u8>,
    open: bool,
}

impl Reader {
    pub(super) fn new(cap: usize) -> Self {
        Self {
            splitter: Splitter::new(cap, false),
            lines: Vec::new(),
            line: Vec::new(),
            open: false,
        }
    }

    fn take(&mut self, pieces: Vec<(Vec<u8>, bool, bool)>) {
        for (bytes, continued, open) in pieces {
            assert_eq!(
                continued, self.open,
                "a piece is continued exactly after an open one"
            );
            self.line.extend(bytes);
            self.open = open;
            if !open {
                self.lines.push(std::mem::take(&mut self.line));
            }
        }
    }

    pub(super) fn feed(&mut self, chunk: &[u8]) -> Vec<(Vec<u8>, bool, bool)> {
        let mut pieces = Vec::new();
        let fed = self
            .splitter
            .feed(chunk, |p| pieces.push((p.bytes.to_vec(), p.continued, p.open)));
        assert!(pieces.len() <= self.splitter.pieces_bound(chunk));
        assert_eq!(
            matches!(fed, Fed::Grown),
            pieces.is_empty(),
            "nothing is copied without need"
        );
        self.splitter.commit(chunk, fed);
        self.take(pieces.clone());
        pieces
    }

    pub(super) fn flush(&mut self) -> Option<Vec<u8>> {
        let piece = self
            .splitter
            .partial()
            .map(|p| (p.bytes.to_vec(), p.continued, p.open))?;
        self.splitter.commit_partial();
        self.take(vec![piece.clone()]);
        Some(piece.0)
    }

    pub(super) fn end(&mut self) {
        let piece = self
            .splitter
            .last()
            .map(|p| (p.bytes.to_vec(), p.continued, p.open));
        self.splitter.reset();
        self.take(piece.into_iter().collect());
    }
}

/// The rule itself, on the whole stream at once.
pub(super) fn expected(stream: &[u8], cap: usize) -> Vec<Vec<u8>> {
    let mut lines: Vec<_> = stream
        .split(|&b| b == b'\n')
        .map(|line| strip_cr(line, cap).to_vec())
        .collect();
    if lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    lines
}

#[test]
fn line_ends_go_and_everything_else_stays() {
    let mut reader = Reader::new(SOFT_CAP);
    reader.feed(b"a\r\n  b \r\r\n\n\rc\rd\n\t\r");
    reader.feed(b"\r\n");
    assert_eq!(reader.lines, [&b"a"[..], b"  b ", b"", b"\rc\rd", b"\t"]);
}

#[test]
fn a_line_of_exactly_the_cap_is_one_piece_and_has_no_empty_rest() {
    let mut reader = Reader::new(8);
    assert_eq!(reader.feed(b"12345678\r"), []);
    assert_eq!(reader.feed(b"\n"), [(b"12345678".to_vec(), false, false)]);
    assert_eq!(
        reader.feed(b"123456789"),
        [(b"12345678".to_vec(), false, true)],
        "one more byte and it is cut"
    );
    assert_eq!(reader.feed(b"\n"), [(b"9".to_vec(), true, false)]);
}

#[test]
fn lines_of_up_to_64_kib_are_not_cut() {
    let mut reader = Reader::new(SOFT_CAP);
    let line = [b'x'; 65_536];
    reader.feed(&line);
    assert_eq!(reader.feed(b"\n"), [(line.to_vec(), false, false)]);
    assert_eq!(reader.feed(&line), []);
    assert_eq!(reader.feed(b"x"), [(line.to_vec(), false, true)]);
}

#[test]
fn a_prompt_is_shown_without_its_unfinished_character_and_without_its_cr() {
    let mut reader = Reader::new(SOFT_CAP);
    reader.feed("name\u{20ac}".as_bytes().split_at(6).0);
    assert_eq!(reader.flush().as_deref(), Some(&b"name"[..]));
    assert_eq!(reader.flush(), None, "an unfinished character is withheld");
    reader.feed(b"\xac> \r");
    assert_eq!(reader.flush().as_deref(), Some("\u{20ac}> ".as_bytes()));
    assert_eq!(reader.flush(), None, "a CR may be half of a line end");
    reader.feed(b"\n");
    assert_eq!(reader.lines, ["name\u{20ac}> ".as_bytes()]);
}

#[test]
fn a_cr_that_ended_nothing_is_text_like_any_other() {
    let mut reader = Reader::new(SOFT_CAP);
    reader.feed(b"1\r");
    reader.feed(b"2\r");
    assert_eq!(reader.flush().as_deref(), Some(&b"1\r2"[..]));
}

#[test]
fn what_ends_no_line_asks_for_no_room() {
    let mut splitter = Splitter::new(SOFT_CAP, false);
    assert_eq!(splitter.pieces_bound(b"no end"), 0);
    let fed = splitter.feed(b"no end", |_| {});
    splitter.commit(b"no end", fed);
    assert_eq!(splitter.pieces_bound(b" yet"), 0);
    assert_eq!(splitter.pieces_bound(b"!\n\n"), 2);
}

#[test]
fn broken_utf8_is_not_withheld() {
    for broken in [
        &b"\xff"[..],
        b"\xc0",
        b"\x80\x80\x80",
        b"\xe2\x28",
        b"\xed\xa0",
        b"\xf5",
    ] {
        let mut reader = Reader::new(SOFT_CAP);
        reader.feed(broken);
        assert_eq!(reader.flush().as_deref(), Some(broken));
    }
    let mut reader = Reader::new(SOFT_CAP);
    reader.feed(b"\xe2\x82\r");
    assert_eq!(
        reader.flush().as_deref(),
        Some(&b"\xe2\x82"[..]),
        "a CR can't complete it"
    );
}

#[test]
fn ten_mib_of_nothing_but_cr_stays_bounded() {
    let mut reader = Reader::new(SOFT_CAP);
    let chunk = vec![b'\r'; 1 << 20];
    for _ in 0..10 {
        reader.feed(&chunk);
        assert!(reader.splitter.pending() <= 2 * SOFT_CAP);
    }
    reader.feed(b"\n");
    assert_eq!(reader.lines.len(), 1);
    assert_eq!(reader.lines[0].len(), 10 * (1 << 20) - SOFT_CAP);
}

fn stream() -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        3 => Just(b"\n".to_vec()),
        2 => Just(b"\r\n".to_vec()),
        2 => proptest::collection::vec(Just(b'\r'), 1..20),
        4 => "[a-z ]{0,12}".prop_map(String::into_bytes),
        3 => "[\u{e4}\u{20ac}\u{1f600}]{1,6}".prop_map(String::into_bytes),
        1 => proptest::collection::vec(any::<u8>(), 0..6),
    ];
    proptest::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #[test]
    fn any_chunks_and_any_flushes_give_the_same_lines(
        stream in stream(),
        cap in 4_usize..24,
        steps in proptest::collection::vec((0_usize..30, any::<bool>()), 1..40),
    ) {
        let mut reader = Reader::new(cap);
        let mut rest = &stream[..];
        for (len, flush) in steps.iter().cycle() {
            let (chunk, after) = rest.split_at((*len).min(rest.len()));
            for (bytes, _, _) in reader.feed(chunk) {
                prop_assert!(bytes.len() <= cap);
            }
            prop_assert!(reader.splitter.pending() <= 2 * cap);
            if *flush {
                reader.flush();
            }
            rest = after;
            if rest.is_empty() || steps.iter().all(|(len, _)| *len == 0) {
                break;
            }
        }
        reader.feed(rest);
        reader.end();
        prop_assert_eq!(reader.lines, expected(&stream, cap));
    }

    #[test]
    fn valid_text_is_never_cut_inside_a_character(
        text in "[a\u{e4}\u{20ac}\u{1f600}\r\n]{0,200}",
        cap in 4_usize..24,
        at in 0_usize..800,
    ) {
        let mut reader = Reader::new(cap);
        let (first, second) = text.as_bytes().split_at(at.min(text.len()));
        let mut pieces = reader.feed(first);
        pieces.extend(reader.flush().map(|bytes| (bytes, false, true)));
        pieces.extend(reader.feed(second));
        for (bytes, _, _) in pieces {
            prop_assert!(std::str::from_utf8(&bytes).is_ok());
        }
    }
}

proptest! {
    #[test]
    fn characters_of_an_old_encoding_are_never_parted(
        text in "[a-z服务器启动\u{20000}\n]{0,60}", cap in 4_usize..20, chunk in 1_usize..7, flush in any::<bool>()
    ) {
        let raw = crate::encode(Encoding::Gb18030, &text).unwrap();
        let mut reader = Reader::new(cap);
        reader.splitter.encoding = Encoding::Gb18030;
        let mut shown = String::new();
        let mut show = |piece: &[u8]| shown.push_str(&crate::decode(Encoding::Gb18030, piece));
        for chunk in raw.chunks(chunk) {
            for (bytes, _, _) in reader.feed(chunk) {
                show(&bytes);
            }
            if flush && let Some(bytes) = reader.flush() {
                show(&bytes);
            }
        }
        if let Some(piece) = reader.splitter.last() {
            show(piece.bytes);
        }
        prop_assert_eq!(shown, text.replace('\n', ""));
    }
}
