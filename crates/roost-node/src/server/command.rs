//! Which lines a server's terminal may get.
//!
//! Whether the server is up to read one is the actor's business.

use super::handle::Refusal;
use roost_wire::encoding::Encoding;

/// The longest line that a terminal in line mode takes, in bytes, without its end.
pub const LINE_MAX: usize = 4095;

/// What a command is for the program: in its own encoding, with the line's end.
pub fn line(text: &str, encoding: Encoding) -> Result<Vec<u8>, Refusal> {
    let mut line =
        roost_console::encode(encoding, text).map_err(|missing| Refusal::NotInEncoding(missing, encoding))?;
    if line.len() > LINE_MAX {
        return Err(Refusal::TooLong(line.len()));
    }
    line.push(b'\n');
    Ok(line)
}

/// Checks one command. A line end or another control character could make several commands of one, or end the
/// program; a tab is text.
pub fn check(text: &str) -> Result<(), Refusal> {
    if text.len() > LINE_MAX {
        return Err(Refusal::TooLong(text.len()));
    }
    for c in text.chars() {
        let code = u32::from(c);
        if c.is_control() && c != '\t' {
            return Err(Refusal::ControlCharacter(u8::try_from(code).unwrap_or(0x7f)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_of_plain_text_passes() {
        for text in ["", "say hi", "say\tÜmläut 漢字 🎮", &"x".repeat(LINE_MAX)] {
            assert_eq!(check(text), Ok(()), "{text:.20}");
        }
    }

    #[test]
    fn a_program_gets_a_line_in_its_own_encoding() {
        assert_eq!(
            line("привет", Encoding::Windows1251),
            Ok(b"\xef\xf0\xe8\xe2\xe5\xf2\n".to_vec())
        );
        assert_eq!(line("say hi", Encoding::Gb18030), Ok(b"say hi\n".to_vec()));
        let refusal = line("say \u{1f3ae}", Encoding::Big5).unwrap_err();
        assert_eq!(refusal, Refusal::NotInEncoding('\u{1f3ae}', Encoding::Big5));
        assert!(refusal.to_string().contains("Big5"), "{refusal}");
    }

    #[test]
    fn what_could_be_more_than_one_line_is_refused_with_the_character() {
        for (text, byte) in [
            ("a\nb", 0x0a),
            ("a\r", 0x0d),
            ("\x1b[2J", 0x1b),
            ("\x03", 3),
            ("\x04", 4),
            ("a\x7f", 0x7f),
            ("a\u{9b}31m", 0x9b),
            ("a\u{85}b", 0x85),
        ] {
            assert_eq!(check(text), Err(Refusal::ControlCharacter(byte)), "{text:?}");
        }
        assert_eq!(check(&"x".repeat(4096)), Err(Refusal::TooLong(4096)));
    }
}
