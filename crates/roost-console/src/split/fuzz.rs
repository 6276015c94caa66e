//! What servers really print, and what it can become: whatever the chunks, and wherever a prompt is shown, the lines are
//! those of the whole stream read at once.

use super::tests::{Reader, expected};
use roost_wire::encoding::Encoding;

const ENCODINGS: [Encoding; 6] = [
    Encoding::Utf8,
    Encoding::Gb18030,
    Encoding::Big5,
    Encoding::ShiftJis,
    Encoding::Windows1251,
    Encoding::Windows1252,
];

const WORDS: [&[u8]; 8] = [
    b"\n",
    b"\r\n",
    b"\r",
    b"\r\r\r\n",
    "€".as_bytes(),
    "😀".as_bytes(),
    b"\xF0\x9F",
    b"\x1b[33m",
];

fn lines(pieces: &[&[u8]], (cap, encoding): (usize, Encoding), flush_after: usize) -> Vec<Vec<u8>> {
    let mut reader = Reader::new(cap);
    reader.splitter.encoding = encoding;
    for (at, piece) in pieces.iter().enumerate() {
        reader.feed(piece);
        assert!(
            reader.splitter.pending() <= 2 * cap,
            "the pending text is bounded"
        );
        if at % flush_after == flush_after - 1 {
            reader.flush();
        }
    }
    reader.end();
    reader.lines
}

/// The first byte of an input chooses cap and encoding, the rest is the stream.
#[test]
fn fuzz_splitter() {
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "splitter", &WORDS, |input| {
        let Some((choice, stream)) = input.split_first() else {
            return 0;
        };
        let choice = usize::from(*choice);
        let cap = 4 + choice;
        let how = (cap, ENCODINGS[choice % ENCODINGS.len()]);
        let whole = expected(stream, cap);
        assert_eq!(whole, lines(&[stream], how, usize::MAX), "at once");
        let single: Vec<&[u8]> = stream.chunks(1).collect();
        assert_eq!(whole, lines(&single, how, usize::MAX), "byte by byte");
        let seed = roost_fuzz::signature(stream);
        let pieces = roost_fuzz::pieces(stream, 40, seed);
        assert_eq!(whole, lines(&pieces, how, usize::MAX), "in pieces");
        assert_eq!(whole, lines(&pieces, how, 1 + seed as usize % 5), "with prompts");
        let shapes: Vec<_> = whole
            .iter()
            .take(6)
            .map(|line| (line.len() / cap, line.contains(&b'\r'), line.last() > Some(&0x7F)))
            .collect();
        roost_fuzz::signature(shapes)
    });
}
