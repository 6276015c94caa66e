//! What clients really send, and what it can become on the way: however the bytes are cut, the same messages come out,
//! and a text comes out as it went in.

use super::*;

const WORDS: [&[u8]; 12] = [
    &[0x81, 0xFE],
    &[0x81, 0xFF],
    &[0x01, 0x83],
    &[0x80, 0x80],
    &[0x00, 0x81],
    &[0x82, 0x80],
    &[0x88, 0x82],
    &[0x89, 0x80],
    &[0x8A, 0xFD],
    &[0, 0, 0, 0],
    "€".as_bytes(),
    b"{\"event\":\"send logs\",\"args\":[null]}",
];

type Seen = (Vec<Message>, Option<BadFrame>);

/// All messages out of these pieces, and the error that ended the reading.
fn read(pieces: &[&[u8]]) -> Seen {
    let mut reader = FrameReader::new(MESSAGE_MAX);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut rest = *piece;
        loop {
            match reader.read(&mut rest) {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(bad) => return (messages, Some(bad)),
            }
            assert!(reader.data.len() <= MESSAGE_MAX && reader.control.len() <= CONTROL_MAX);
        }
        assert!(rest.is_empty(), "bytes were left lying");
    }
    (messages, None)
}

/// The frames of a client that sends `text` in fragments, whose lengths and mask `input` chooses.
fn frames(text: &[u8], input: &[u8]) -> Vec<u8> {
    let mask = [0x5A, text.len() as u8, input.len() as u8, 0xFF];
    let parts = roost_fuzz::pieces(text, 1 + input.len() % 300, input.len() as u64);
    let mut out = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        let is_final = if at + 1 == parts.len() { 0x80 } else { 0 };
        out.push(is_final | if at == 0 { TEXT } else { CONTINUATION });
        match part.len() {
            len @ 0..126 => out.push(0x80 | len as u8),
            len => {
                out.push(0xFE);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
        }
        out.extend_from_slice(&mask);
        out.extend(part.iter().enumerate().map(|(i, b)| b ^ mask[i & 3]));
    }
    out
}

#[test]
fn fuzz_frames() {
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "frames", &WORDS, |input| {
        let whole = read(&[input]);
        let single: Vec<&[u8]> = input.chunks(1).collect();
        assert_eq!(whole, read(&single), "byte by byte");
        let seed = roost_fuzz::signature(input);
        assert_eq!(whole, read(&roost_fuzz::pieces(input, 100, seed)), "in pieces");

        let text = String::from_utf8_lossy(&input[..input.len().min(MESSAGE_MAX / 3)]).into_owned();
        let (messages, bad) = read(&[&frames(text.as_bytes(), input)]);
        assert_eq!(bad, None);
        let last = messages.last().cloned();
        assert_eq!(last, (!text.is_empty()).then_some(Message::Text(text)));

        let kinds: Vec<_> = whole.0.iter().map(std::mem::discriminant).take(8).collect();
        roost_fuzz::signature((kinds, whole.1.map(|bad| bad as u8)))
    });
}
