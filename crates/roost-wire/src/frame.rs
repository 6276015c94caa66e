//! WebSocket frames as a server writes them (RFC 6455): unmasked, never compressed, appended to a buffer.
//!
//! Server frames carry no mask, so one encoded frame can be shared by every viewer. Reading the frames of clients is
//! the node's business.

/// Text frame.
pub const TEXT: u8 = 0x1;
/// Binary frame.
pub const BINARY: u8 = 0x2;
/// Close frame.
pub const CLOSE: u8 = 0x8;
/// Ping frame.
pub const PING: u8 = 0x9;
/// Pong frame.
pub const PONG: u8 = 0xA;

/// Longest header of a server frame, in bytes.
pub const HEADER_MAX: usize = 10;

/// Appends one whole unmasked frame.
pub fn push(out: &mut Vec<u8>, opcode: u8, payload: &[u8]) {
    push_header(out, opcode, payload.len());
    out.extend_from_slice(payload);
}

/// Appends the header of a whole unmasked frame with `len` bytes of payload.
pub fn push_header(out: &mut Vec<u8>, opcode: u8, len: usize) {
    out.push(0x80 | opcode);
    if len < 126 {
        out.push(len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.push(126);
        out.extend_from_slice(&len.to_be_bytes());
    } else {
        out.push(127);
        out.extend_from_slice(&(len as u64).to_be_bytes());
    }
}

/// Appends a text frame whose payload `write` appends; the header is made to fit afterwards.
pub fn push_text_with(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    // The two-byte header fits almost every console line; longer payloads are moved once.
    out.extend_from_slice(&[0x80 | TEXT, 0]);
    write(out);
    let len = out.len() - start - 2;
    if len < 126 {
        out[start + 1] = len as u8;
        return;
    }
    let extra: &[u8] = if let Ok(short) = u16::try_from(len) {
        out[start + 1] = 126;
        &short.to_be_bytes()
    } else {
        out[start + 1] = 127;
        &(len as u64).to_be_bytes()
    };
    out.splice(start + 2..start + 2, extra.iter().copied());
}

/// The payload of `frames`, if that is exactly one whole frame as [`push`] writes it.
pub fn only_payload(frames: &[u8]) -> Option<&[u8]> {
    let (head, len) = match *frames.get(1)? {
        126 => (4, u16::from_be_bytes(frames.get(2..4)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(frames.get(2..10)?.try_into().ok()?)),
        len => (2, len.into()),
    };
    let payload = frames.get(head..)?;
    (payload.len() as u64 == len).then_some(payload)
}

/// A whole close frame.
pub fn close(close: crate::close::Close) -> Vec<u8> {
    let mut payload = close.code().to_be_bytes().to_vec();
    payload.extend_from_slice(close.reason().as_bytes());
    let mut out = Vec::with_capacity(payload.len() + 2);
    push(&mut out, CLOSE, &payload);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_of_writing_agree_at_every_header_size() {
        for len in [0, 1, 125, 126, 127, 65_535, 65_536, 70_000] {
            let payload = vec![b'x'; len];
            let mut plain = vec![9];
            push(&mut plain, TEXT, &payload);
            assert_eq!(only_payload(&plain[1..]), Some(&payload[..]));
            assert_eq!(only_payload(&[&plain[1..], &plain[1..]].concat()), None);
            assert_eq!(only_payload(&plain[1..plain.len() - 1]), None);
            let mut late = vec![9];
            push_text_with(&mut late, |out| out.extend_from_slice(&payload));
            assert_eq!(plain, late, "payload of {len} bytes");
        }
    }
}
