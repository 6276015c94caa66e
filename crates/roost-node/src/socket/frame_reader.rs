//! Reads the frames of a client as they trickle in (RFC 6455), and keeps no buffer while nothing is half read.
//!
//! A client's frames are masked; none is compressed, since permessage-deflate is never negotiated. Fragments are joined
//! up to a limit, and the limit is checked against the announced length, so that a huge frame costs nothing. What a
//! message means, and how many may come, is not decided here.

use super::Ended;
use roost_wire::{
    close::Close,
    frame::{BINARY, CLOSE, PING, PONG, TEXT},
};

/// Longest message, in bytes, with all of its fragments, where nothing else is set.
pub(super) const MESSAGE_MAX: usize = 32_768;
/// Longest payload of a control frame, in bytes.
const CONTROL_MAX: usize = 125;
/// Two bytes, eight of length, four of mask.
const HEADER_MAX: usize = 14;
const CONTINUATION: u8 = 0x0;

/// One whole thing that a client sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// A text message.
    Text(String),
    /// A binary message; nobody wants its content.
    Binary,
    /// A fragment that does not end its message. Told so that an endless row of them can be counted.
    Fragment,
    /// A ping and what to answer with.
    Ping(Vec<u8>),
    /// A pong.
    Pong,
    /// A close with its code, if it has one.
    Close(Option<u16>),
}

/// Why a client's bytes can't be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadFrame {
    /// Breaks the protocol.
    Protocol,
    /// Longer than it may be.
    TooBig,
    /// Text that is not UTF-8.
    NotUtf8,
}

impl From<BadFrame> for Ended {
    fn from(bad: BadFrame) -> Self {
        Self::By(match bad {
            BadFrame::Protocol => Close::Protocol,
            BadFrame::TooBig => Close::TooBig,
            BadFrame::NotUtf8 => Close::NotUtf8,
        })
    }
}

/// Where the reading of one client's bytes stands.
#[derive(Debug)]
pub(super) struct FrameReader {
    /// Bytes of a message at most.
    most: usize,
    /// Header bytes of the frame under way, as far as they came.
    header: [u8; HEADER_MAX],
    header_len: u8,
    /// The frame under way, once its header is whole.
    frame: Option<Frame>,
    /// Opcode of the fragmented message under way.
    message: Option<u8>,
    /// Payload of the message under way; no allocation while there is none.
    data: Vec<u8>,
    /// Payload of the control frame under way, which may come between fragments.
    control: Vec<u8>,
}

impl FrameReader {
    /// For messages of at most so many bytes, with all their fragments.
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            header: [0; HEADER_MAX],
            header_len: 0,
            frame: None,
            message: None,
            data: Vec::new(),
            control: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    is_final: bool,
    opcode: u8,
    mask: [u8; 4],
    /// Bytes of payload read, and bytes in all.
    done: usize,
    len: usize,
}

impl FrameReader {
    /// Takes bytes from the front of `input` until a message is whole (`Some`) or all of them are used up (`None`).
    /// After an error the reader must not be used again.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> Result<Option<Message>, BadFrame> {
        loop {
            let Some(frame) = self.frame.as_mut() else {
                let Some(&byte) = input.first() else {
                    return Ok(None);
                };
                *input = &input[1..];
                self.header[usize::from(self.header_len)] = byte;
                self.header_len += 1;
                self.frame = self.parse_header()?;
                continue;
            };
            let take = input.len().min(frame.len - frame.done);
            let (now, rest) = input.split_at(take);
            *input = rest;
            let target = if frame.opcode >= CLOSE {
                &mut self.control
            } else {
                &mut self.data
            };
            let start = target.len();
            target.extend_from_slice(now);
            unmask(&mut target[start..], frame.mask, frame.done);
            frame.done += take;
            if frame.done < frame.len {
                return Ok(None);
            }
            let frame = *frame;
            self.frame = None;
            self.header_len = 0;
            return self.finish(frame).map(Some);
        }
    }

    /// Whether nothing is half read.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.header_len == 0 && self.message.is_none() && self.data.capacity() + self.control.capacity() == 0
    }

    /// The frame, if its header is whole. Refuses at the second byte what can't become right.
    fn parse_header(&self) -> Result<Option<Frame>, BadFrame> {
        let have = usize::from(self.header_len);
        if have < 2 {
            return Ok(None);
        }
        let (first, second) = (self.header[0], self.header[1]);
        let (is_final, opcode) = (first & 0x80 != 0, first & 0x0F);
        let is_masked = second & 0x80 != 0;
        if first & 0x70 != 0 || !is_masked {
            return Err(BadFrame::Protocol);
        }
        let fits_its_place = match opcode {
            CONTINUATION => self.message.is_some(),
            TEXT | BINARY => self.message.is_none(),
            CLOSE | PING | PONG => is_final && usize::from(second & 0x7F) <= CONTROL_MAX,
            _ => false,
        };
        if !fits_its_place {
            return Err(BadFrame::Protocol);
        }
        let extra = match second & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        if have < 2 + extra {
            return Ok(None);
        }
        let len = match extra {
            0 => u64::from(second & 0x7F),
            _ => self.header[2..2 + extra]
                .iter()
                .fold(0, |len, b| (len << 8) | u64::from(*b)),
        };
        let is_shortest = match extra {
            2 => len > 125,
            8 => len > 0xFFFF && len >> 63 == 0,
            _ => true,
        };
        if !is_shortest {
            return Err(BadFrame::Protocol);
        }
        let len = usize::try_from(len).map_err(|_| BadFrame::TooBig)?;
        if opcode < CLOSE && len > self.most.saturating_sub(self.data.len()) {
            return Err(BadFrame::TooBig);
        }
        if have < 2 + extra + 4 {
            return Ok(None);
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.header[2 + extra..6 + extra]);
        Ok(Some(Frame {
            is_final,
            opcode,
            mask,
            done: 0,
            len,
        }))
    }

    fn finish(&mut self, frame: Frame) -> Result<Message, BadFrame> {
        match frame.opcode {
            PING => Ok(Message::Ping(std::mem::take(&mut self.control))),
            PONG => {
                self.control = Vec::new();
                Ok(Message::Pong)
            }
            CLOSE => close_code(&std::mem::take(&mut self.control)).map(Message::Close),
            opcode if !frame.is_final => {
                self.message.get_or_insert(opcode);
                Ok(Message::Fragment)
            }
            opcode => {
                let opcode = self.message.take().unwrap_or(opcode);
                let data = std::mem::take(&mut self.data);
                if opcode == BINARY {
                    return Ok(Message::Binary);
                }
                String::from_utf8(data)
                    .map(Message::Text)
                    .map_err(|_| BadFrame::NotUtf8)
            }
        }
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, BadFrame> {
    let (code, reason) = match payload {
        [] => return Ok(None),
        [_] => return Err(BadFrame::Protocol),
        [a, b, reason @ ..] => (u16::from_be_bytes([*a, *b]), reason),
    };
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(BadFrame::Protocol);
    }
    match std::str::from_utf8(reason) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(BadFrame::NotUtf8),
    }
}

/// `done` is how many bytes of the payload came before these.
fn unmask(bytes: &mut [u8], mask: [u8; 4], done: usize) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        *byte ^= mask[(done + i) & 3];
    }
}

#[cfg(test)]
mod fuzz;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MASK: [u8; 4] = [0x11, 0xFE, 0x00, 0x7B];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut out = vec![first];
        match payload.len() {
            len @ 0..126 => out.push(0x80 | len as u8),
            len @ 126..65_536 => {
                out.push(0xFE);
                out.extend_from_slice(&(len as u16).to_be_bytes());
            }
            len => {
                out.push(0xFF);
                out.extend_from_slice(&(len as u64).to_be_bytes());
            }
        }
        out.extend_from_slice(&MASK);
        out.extend(payload.iter().enumerate().map(|(i, b)| b ^ MASK[i & 3]));
        out
    }

    fn all(reader: &mut FrameReader, mut bytes: &[u8]) -> Result<Vec<Message>, BadFrame> {
        let mut messages = Vec::new();
        while let Some(message) = reader.read(&mut bytes)? {
            messages.push(message);
        }
        assert!(bytes.is_empty());
        Ok(messages)
    }

    fn once(bytes: &[u8]) -> Result<Vec<Message>, BadFrame> {
        all(&mut FrameReader::new(MESSAGE_MAX), bytes)
    }

    #[test]
    fn a_text_comes_out_as_it_went_in_and_leaves_no_buffer() {
        let mut reader = FrameReader::new(MESSAGE_MAX);
        for len in [0, 1, 125, 126, 1000, MESSAGE_MAX] {
            let text = "x".repeat(len);
            assert_eq!(
                all(&mut reader, &frame(0x81, text.as_bytes())),
                Ok(vec![Message::Text(text)])
            );
            assert!(reader.is_idle());
        }
    }

    #[test]
    fn fragments_are_joined_around_a_ping() {
        let mut bytes = frame(0x01, "gr".as_bytes());
        bytes.extend(frame(0x00, &"ü".as_bytes()[..1]));
        bytes.extend(frame(0x89, b"there?"));
        bytes.extend(frame(0x80, &"ü".as_bytes()[1..]));
        let expected = [
            Message::Fragment,
            Message::Fragment,
            Message::Ping(b"there?".to_vec()),
            Message::Text("grü".into()),
        ];
        assert_eq!(once(&bytes).unwrap(), expected);
    }

    #[test]
    fn a_huge_frame_is_refused_at_its_header() {
        assert_eq!(
            once(&frame(0x81, &vec![b'x'; MESSAGE_MAX + 1])[..10]),
            Err(BadFrame::TooBig)
        );
        assert_eq!(once(&[0x82, 0xFF, 0, 0, 0, 1, 0, 0, 0, 0]), Err(BadFrame::TooBig));
        let mut endless = frame(0x01, &vec![b'x'; MESSAGE_MAX]);
        endless.extend(frame(0x00, b"y"));
        assert_eq!(once(&endless), Err(BadFrame::TooBig));
    }

    #[test]
    fn what_breaks_the_protocol_is_refused() {
        let bad: [(&str, Vec<u8>); 11] = [
            ("no mask", vec![0x81, 0x01]),
            ("compressed", frame(0xC1, b"a")),
            ("reserved bit", frame(0xA1, b"a")),
            ("unknown opcode", frame(0x83, b"")),
            ("continues nothing", frame(0x80, b"a")),
            (
                "text within a message",
                [frame(0x01, b"a"), frame(0x81, b"b")].concat(),
            ),
            ("long ping", vec![0x89, 0xFE]),
            ("ping in fragments", frame(0x09, b"")),
            ("close with half a code", frame(0x88, &[3])),
            (
                "close with a code that is never sent",
                frame(0x88, &1005u16.to_be_bytes()),
            ),
            ("length written longer than needed", vec![0x81, 0xFE, 0, 5]),
        ];
        for (name, bytes) in bad {
            assert_eq!(once(&bytes), Err(BadFrame::Protocol), "{name}");
        }
        assert_eq!(once(&frame(0x81, &[0xC3, 0x28])), Err(BadFrame::NotUtf8));
        assert_eq!(once(&frame(0x88, &[3, 232, 0xFF])), Err(BadFrame::NotUtf8));
    }

    #[test]
    fn closes_are_read_with_and_without_a_code() {
        assert_eq!(once(&frame(0x88, b"")).unwrap(), [Message::Close(None)]);
        assert_eq!(
            once(&frame(0x88, &[3, 232, b'b', b'y', b'e'])).unwrap(),
            [Message::Close(Some(1000))]
        );
    }

    fn any_message() -> impl Strategy<Value = Vec<u8>> {
        let text = ".{0,200}".prop_map(|text| frame(0x81, text.as_bytes()));
        let parts = prop::collection::vec("[a-z]{0,20}", 2..5).prop_map(|parts| {
            let last = parts.len() - 1;
            let first = |i| u8::from(i == 0) | if i == last { 0x80 } else { 0 };
            parts
                .iter()
                .enumerate()
                .flat_map(|(i, part)| frame(first(i), part.as_bytes()))
                .collect()
        });
        let ping = prop::collection::vec(any::<u8>(), 0..=125).prop_map(|payload| frame(0x89, &payload));
        prop_oneof![text, parts, ping]
    }

    proptest! {
        #[test]
        fn any_cutting_gives_the_same_messages(
            messages in prop::collection::vec(any_message(), 1..6),
            cuts in prop::collection::vec(1usize..40, 1..20),
        ) {
            let bytes = messages.concat();
            let whole = once(&bytes).unwrap();
            let (mut reader, mut pieces, mut rest) = (FrameReader::new(MESSAGE_MAX), Vec::new(), bytes.as_slice());
            for cut in cuts.iter().cycle() {
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                pieces.extend(all(&mut reader, now).unwrap());
                rest = later;
                if rest.is_empty() {
                    break;
                }
            }
            prop_assert_eq!(whole, pieces);
            prop_assert!(reader.is_idle());
        }

        #[test]
        fn garbage_never_panics_nor_grows(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let mut reader = FrameReader::new(MESSAGE_MAX);
            let mut rest = bytes.as_slice();
            while let Ok(Some(_)) = reader.read(&mut rest) {}
            prop_assert!(reader.data.len() <= MESSAGE_MAX && reader.control.len() <= CONTROL_MAX);
        }
    }
}
