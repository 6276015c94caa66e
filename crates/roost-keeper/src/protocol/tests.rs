//! The protocol under any cut of the stream, and under garbage.

use super::*;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Owned {
    Hello(u32, u128, u64),
    Input(u64, Vec<u8>),
    Ack(u64),
    Signal(i32, bool),
    Release,
    Chunk(u64, i64, Vec<u8>),
    KeeperHello(u32, u128, u32, u64, i64),
    Result(u64, String),
    Hole(u64, u64, u64),
    Exit(Option<i32>, Option<i32>, u64, i64),
    /// A type of the future, on either side.
    Unknown(u8, Vec<u8>),
}

impl Owned {
    fn as_node(&self) -> Option<NodeFrame<'_>> {
        Some(match self {
            Owned::Hello(version, run, resume_offset) => NodeFrame::Hello {
                version: *version,
                run: Uuid::from_u128(*run),
                resume_offset: *resume_offset,
            },
            Owned::Input(id, bytes) => NodeFrame::Input { id: *id, bytes },
            Owned::Ack(offset) => NodeFrame::Ack { offset: *offset },
            Owned::Signal(signal, tree) => NodeFrame::Signal {
                signal: *signal,
                tree: *tree,
            },
            Owned::Release => NodeFrame::Release,
            _ => return None,
        })
    }

    fn as_keeper(&self) -> Option<KeeperFrame<'_>> {
        Some(match self {
            Owned::Chunk(offset, time_ms, bytes) => KeeperFrame::Chunk {
                offset: *offset,
                time_ms: *time_ms,
                bytes,
            },
            Owned::KeeperHello(version, run, pid, first_offset, started_ms) => KeeperFrame::Hello {
                version: *version,
                run: Uuid::from_u128(*run),
                pid: *pid,
                first_offset: *first_offset,
                started_ms: *started_ms,
            },
            Owned::Result(id, error) => KeeperFrame::InputResult { id: *id, error },
            Owned::Hole(from, to, newlines) => KeeperFrame::Hole {
                from: *from,
                to: *to,
                newlines: *newlines,
            },
            Owned::Exit(code, signal, end_offset, time_ms) => KeeperFrame::Exit {
                code: *code,
                signal: *signal,
                end_offset: *end_offset,
                time_ms: *time_ms,
            },
            _ => return None,
        })
    }
}

fn node_frames() -> impl Strategy<Value = Vec<Owned>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    proptest::collection::vec(
        prop_oneof![
            any::<(u32, u128, u64)>().prop_map(|(a, b, c)| Owned::Hello(a, b, c)),
            (any::<u64>(), bytes()).prop_map(|(a, b)| Owned::Input(a, b)),
            any::<u64>().prop_map(Owned::Ack),
            any::<(i32, bool)>().prop_map(|(a, b)| Owned::Signal(a, b)),
            Just(Owned::Release),
            (0x06..0x80u8, bytes()).prop_map(|(a, b)| Owned::Unknown(a, b)),
        ],
        0..12,
    )
}

fn keeper_frames() -> impl Strategy<Value = Vec<Owned>> {
    let bytes = || proptest::collection::vec(any::<u8>(), 0..300);
    proptest::collection::vec(
        prop_oneof![
            (any::<u64>(), any::<i64>(), bytes()).prop_map(|(a, b, c)| Owned::Chunk(a, b, c)),
            any::<(u32, u128, u32, u64, i64)>().prop_map(|(a, b, c, d, e)| Owned::KeeperHello(a, b, c, d, e)),
            (any::<u64>(), ".{0,40}").prop_map(|(a, b)| Owned::Result(a, b)),
            any::<(u64, u64, u64)>().prop_map(|(a, b, c)| Owned::Hole(a, b, c)),
            any::<(Option<i32>, Option<i32>, u64, i64)>().prop_map(|(a, b, c, d)| Owned::Exit(a, b, c, d)),
            (0x86..=0xffu8, bytes()).prop_map(|(a, b)| Owned::Unknown(a, b)),
        ],
        0..12,
    )
}

fn encoded(frames: &[Owned]) -> Vec<u8> {
    let mut out = Vec::new();
    for frame in frames {
        if let Some(frame) = frame.as_node() {
            frame.encode(&mut out);
        } else if let Some(frame) = frame.as_keeper() {
            frame.encode(&mut out);
        } else if let Owned::Unknown(kind, bytes) = frame {
            put(&mut out, *kind, &[bytes]);
        }
    }
    out
}

/// Hands `stream` over in pieces whose sizes are `cuts`, over and over.
fn in_pieces(stream: &[u8], cuts: &[usize], mut each: impl FnMut(&[u8])) {
    let mut rest = stream;
    for cut in cuts.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(*cut));
        each(piece);
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
}

proptest! {
    #[test]
    fn node_frames_come_out_whole_however_the_stream_is_cut(
        frames in node_frames(), cuts in proptest::collection::vec(1..400usize, 1..20)
    ) {
        let wanted: Vec<_> = frames.iter().filter_map(Owned::as_node).collect();
        let mut decoder = Decoder::default();
        let mut seen = 0;
        in_pieces(&encoded(&frames), &cuts, |piece| {
            decoder.push(piece);
            while let Some(frame) = decoder.next_from_node().unwrap() {
                assert_eq!(frame, wanted[seen]);
                seen += 1;
            }
        });
        prop_assert_eq!(seen, wanted.len());
    }

    #[test]
    fn keeper_frames_come_out_whole_however_the_stream_is_cut(
        frames in keeper_frames(), cuts in proptest::collection::vec(1..400usize, 1..20)
    ) {
        let wanted: Vec<_> = frames.iter().filter_map(Owned::as_keeper).collect();
        let mut decoder = Decoder::default();
        let mut seen = 0;
        in_pieces(&encoded(&frames), &cuts, |piece| {
            decoder.push(piece);
            while let Some(frame) = decoder.next_from_keeper().unwrap() {
                assert_eq!(frame, wanted[seen]);
                seen += 1;
            }
        });
        prop_assert_eq!(seen, wanted.len());
    }

    #[test]
    fn garbage_never_panics_and_never_hoards(
        garbage in proptest::collection::vec(any::<u8>(), 0..2000), cuts in proptest::collection::vec(1..99usize, 1..9)
    ) {
        let mut node = Decoder::with_max(256);
        let mut keeper = Decoder::with_max(256);
        in_pieces(&garbage, &cuts, |piece| {
            node.push(piece);
            while let Ok(Some(_)) = node.next_from_node() {}
            keeper.push(piece);
            while let Ok(Some(_)) = keeper.next_from_keeper() {}
        });
    }
}

#[test]
fn a_newer_peer_may_add_fields_at_the_end() {
    let mut out = Vec::new();
    put(&mut out, 0x03, &[&7u64.to_le_bytes(), b"something of version 2"]);
    let mut decoder = Decoder::default();
    decoder.push(&out);
    assert_eq!(decoder.next_from_node(), Ok(Some(NodeFrame::Ack { offset: 7 })));
    assert_eq!(decoder.next_from_node(), Ok(None));
}

#[test]
fn a_frame_that_is_too_long_or_too_short_is_an_error() {
    let mut decoder = Decoder::with_max(100);
    decoder.push(&101u32.to_le_bytes());
    decoder.push(&[0x02]);
    assert_eq!(decoder.next_from_node(), Err(ProtocolError::TooLong(101, 100)));

    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    put(&mut out, 0x03, &[&[1, 2, 3]]);
    decoder.push(&out);
    assert_eq!(decoder.next_from_node(), Err(ProtocolError::Malformed(0x03)));
}
