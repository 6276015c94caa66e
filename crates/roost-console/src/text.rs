//! A program's bytes as text and back, in the encoding that its server is set to.
//!
//! The journal keeps raw bytes, so that another setting reads the same history anew. Cutting lines and escape
//! sequences are not its business.

use encoding_rs::{DecoderResult, EncoderResult};
use roost_wire::encoding::Encoding;
use std::borrow::Cow;

/// Below this no byte is ever a part of a longer character.
const ALWAYS_ALONE: u8 = 0x30;

/// `bytes` as text; what is no character becomes U+FFFD.
pub fn decode(encoding: Encoding, bytes: &[u8]) -> Cow<'_, str> {
    match table(encoding) {
        None => String::from_utf8_lossy(bytes),
        Some(table) => table.decode_without_bom_handling(bytes).0,
    }
}

/// `text` in bytes, or the first character that the encoding does not have.
pub fn encode(encoding: Encoding, text: &str) -> Result<Vec<u8>, char> {
    let Some(table) = table(encoding) else {
        return Ok(text.as_bytes().to_vec());
    };
    let mut encoder = table.new_encoder();
    let longest = encoder
        .max_buffer_length_from_utf8_without_replacement(text.len())
        .unwrap_or_default();
    let mut bytes = Vec::with_capacity(longest);
    match encoder
        .encode_from_utf8_to_vec_without_replacement(text, &mut bytes, true)
        .0
    {
        EncoderResult::Unmappable(missing) => Err(missing),
        EncoderResult::InputEmpty | EncoderResult::OutputFull => Ok(bytes),
    }
}

/// How many bytes at the end (0 to 3) begin a character that later bytes could complete.
pub(crate) fn incomplete_tail(encoding: Encoding, bytes: &[u8]) -> usize {
    match encoding {
        Encoding::Utf8 => incomplete_utf8(bytes),
        Encoding::Windows1251 | Encoding::Windows1252 => 0,
        Encoding::Gb18030 | Encoding::Big5 | Encoding::ShiftJis => incomplete_multibyte(encoding, bytes),
    }
}

fn incomplete_utf8(bytes: &[u8]) -> usize {
    for n in 1..=bytes.len().min(3) {
        let tail = &bytes[bytes.len() - n..];
        match tail[0] {
            0x80..=0xBF => {}
            0xC2..=0xF4 => {
                let waits = matches!(std::str::from_utf8(tail),
                    Err(e) if e.valid_up_to() == 0 && e.error_len().is_none());
                return if waits { n } else { 0 };
            }
            _ => return 0,
        }
    }
    0
}

/// Where a character begins can only be told from the front, or behind a byte that is always alone.
fn incomplete_multibyte(encoding: Encoding, bytes: &[u8]) -> usize {
    let Some(table) = table(encoding) else { return 0 };
    let start = bytes
        .iter()
        .rposition(|&b| b < ALWAYS_ALONE)
        .map_or(0, |at| at + 1);
    let mut decoder = table.new_decoder_without_bom_handling();
    let (mut rest, mut text) = (&bytes[start..], [0; 4096]);
    loop {
        let (result, read, _) = decoder.decode_to_utf8_without_replacement(rest, &mut text, false);
        rest = &rest[read..];
        if let DecoderResult::InputEmpty = result {
            break;
        }
    }
    match decoder.decode_to_utf8_without_replacement(&[], &mut text, true).0 {
        DecoderResult::Malformed(pending, _) => usize::from(pending).min(3),
        DecoderResult::InputEmpty | DecoderResult::OutputFull => 0,
    }
}

/// `None`: as it is.
fn table(encoding: Encoding) -> Option<&'static encoding_rs::Encoding> {
    match encoding {
        Encoding::Utf8 => None,
        Encoding::Gb18030 => Some(encoding_rs::GB18030),
        Encoding::Big5 => Some(encoding_rs::BIG5),
        Encoding::ShiftJis => Some(encoding_rs::SHIFT_JIS),
        Encoding::Windows1251 => Some(encoding_rs::WINDOWS_1251),
        Encoding::Windows1252 => Some(encoding_rs::WINDOWS_1252),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [(Encoding, &str); 6] = [
        (Encoding::Utf8, "Ünï 漢字 🎮"),
        (Encoding::Gb18030, "服务器已启动 𠀀 [Info] 完成"),
        (Encoding::Big5, "伺服器已啟動 done 功能"),
        (Encoding::ShiftJis, "サーバー起動 表示 ok ｱｲｳ"),
        (Encoding::Windows1251, "Сервер запущен"),
        (Encoding::Windows1252, "Café déjà vu €"),
    ];

    #[test]
    fn text_goes_out_and_comes_back() {
        for (encoding, text) in TEXTS {
            let bytes = encode(encoding, text).unwrap();
            assert_eq!(decode(encoding, &bytes), text, "{encoding}");
        }
    }

    #[test]
    fn a_character_that_an_encoding_lacks_is_named() {
        assert_eq!(encode(Encoding::Windows1251, "so é"), Err('é'));
        assert_eq!(encode(Encoding::Big5, "🎮"), Err('🎮'));
        assert!(encode(Encoding::Gb18030, "🎮").is_ok(), "it has all of Unicode");
    }

    #[test]
    fn wherever_bytes_are_parted_no_character_is() {
        for (encoding, text) in TEXTS {
            let bytes = encode(encoding, text).unwrap();
            for at in 0..=bytes.len() {
                let cut = at - incomplete_tail(encoding, &bytes[..at]);
                let joined = [decode(encoding, &bytes[..cut]), decode(encoding, &bytes[cut..])].concat();
                assert_eq!(joined, text, "{encoding} at {at}");
            }
        }
    }

    #[test]
    fn broken_bytes_hold_nothing_back_for_long() {
        for encoding in Encoding::ALL {
            for first in 0..=255_u8 {
                for second in 0..=255_u8 {
                    assert!(incomplete_tail(encoding, &[b'a', first, second, b'\n']) == 0);
                }
            }
        }
        assert_eq!(decode(Encoding::ShiftJis, b"a\x81"), "a\u{fffd}");
    }
}
