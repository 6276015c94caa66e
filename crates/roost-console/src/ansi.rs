//! Text without its escape sequences, as a person would read it.
//!
//! CSI (colours, cursor), OSC and the like (titles, links), and the short ones. One that does not end takes the rest of
//! the line with it, as on a terminal. Whether a line can be trusted is not its business.

use memchr::memchr;
use std::borrow::Cow;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// `line` without escape sequences; not copied where there are none.
pub fn without_escapes(line: &[u8]) -> Cow<'_, [u8]> {
    if memchr(ESC, line).is_none() {
        return Cow::Borrowed(line);
    }
    let mut plain = Vec::with_capacity(line.len());
    strip_into(&mut plain, line);
    Cow::Owned(plain)
}

/// Appends `line` without escape sequences.
pub(crate) fn strip_into(out: &mut Vec<u8>, line: &[u8]) {
    let mut rest = line;
    while let Some(at) = memchr(ESC, rest) {
        out.extend_from_slice(&rest[..at]);
        rest = behind_sequence(&rest[at + 1..]);
    }
    out.extend_from_slice(rest);
}

/// What follows a sequence, of which the escape itself was taken.
fn behind_sequence(rest: &[u8]) -> &[u8] {
    let Some((&kind, rest)) = rest.split_first() else {
        return rest;
    };
    match kind {
        b'[' => behind(rest, |b| matches!(b, 0x40..=0x7e)),
        b']' | b'P' | b'^' | b'_' | b'X' => {
            let Some(at) = rest.iter().position(|&b| b == BEL || b == ESC) else {
                return &[];
            };
            let end = if rest[at] == ESC { at + 2 } else { at + 1 };
            rest.get(end..).unwrap_or_default()
        }
        // One or more intermediate bytes, then the last one.
        0x20..=0x2f => behind(rest, |b| !matches!(b, 0x20..=0x2f)),
        // The rest of a character that is more than a byte.
        0x80.. => {
            let more = rest.iter().take_while(|b| matches!(b, 0x80..=0xbf)).count();
            &rest[more.min(3)..]
        }
        _ => rest,
    }
}

fn behind(rest: &[u8], is_last: impl Fn(u8) -> bool) -> &[u8] {
    match rest.iter().position(|&b| is_last(b)) {
        Some(at) => &rest[at + 1..],
        None => &[],
    }
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
            ("x\x1b\u{20ac}y", "xy"),
            ("x\x1b[31", "x"),
            ("x\x1b]0;endless", "x"),
        ] {
            let out = without_escapes(with.as_bytes()).into_owned();
            assert_eq!(String::from_utf8(out).unwrap(), without, "{with:?}");
        }
    }
}
