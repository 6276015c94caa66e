//! What a node and a keeper really said to each other, and what it can become: however the bytes are cut, the same frames
//! come out, and what was read can be written and read again.

use super::*;

const WORDS: [&[u8]; 10] = [
    &[0, 0, 0, 0, 0x05],
    &[8, 0, 0, 0, 0x03],
    &[5, 0, 0, 0, 0x04],
    &[28, 0, 0, 0, 0x01],
    &[20, 0, 0, 0, 0x82],
    &[8, 0, 0, 0, 0x83],
    &[24, 0, 0, 0, 0x84],
    &[25, 0, 0, 0, 0x85],
    &[1, 0, 0, 0, 0x7F],
    &[0, 0, 0x10, 0],
];
/// Smaller than what is real, so that the bound is met.
const MAX: usize = 8 << 10;

/// What was seen: every frame as it is written again, its kind, and the error that ended the reading.
type Seen = (Vec<Vec<u8>>, Option<ProtocolError>);

fn read(pieces: &[&[u8]], from_keeper: bool) -> Seen {
    let mut decoder = Decoder::with_max(MAX);
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            let mut again = Vec::new();
            let next = match from_keeper {
                true => decoder
                    .next_from_keeper()
                    .map(|f| f.map(|f| f.encode(&mut again))),
                false => decoder.next_from_node().map(|f| f.map(|f| f.encode(&mut again))),
            };
            match next {
                Ok(Some(())) => frames.push(again),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

#[test]
fn fuzz_protocol() {
    roost_fuzz::run(env!("CARGO_MANIFEST_DIR"), "protocol", &WORDS, |input| {
        let mut signature = Vec::new();
        for from_keeper in [false, true] {
            let whole = read(&[input], from_keeper);
            let single: Vec<&[u8]> = input.chunks(1).collect();
            assert_eq!(whole, read(&single, from_keeper), "byte by byte");
            let pieces = roost_fuzz::pieces(input, 64, roost_fuzz::signature(input));
            assert_eq!(whole, read(&pieces, from_keeper), "in pieces");
            let again = whole.0.concat();
            assert!(again.len() <= input.len(), "more was read than came");
            assert_eq!(
                read(&[&again], from_keeper),
                (whole.0.clone(), None),
                "written again"
            );
            let kinds: Vec<_> = whole.0.iter().map(|frame| frame[4]).take(8).collect();
            signature.push((kinds, whole.1.map(|error| std::mem::discriminant(&error))));
        }
        roost_fuzz::signature(signature)
    });
}
