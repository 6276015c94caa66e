//! In which bytes a server's program writes its text, and reads it.
//!
//! Old game servers and their mods still write what their makers' Windows spoke. Turning bytes into text is the
//! console's business.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A character encoding. On the wire it is its name, such as `GB18030`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
#[repr(u8)]
pub enum Encoding {
    /// Unicode, what nearly everything writes.
    #[default]
    Utf8,
    /// Simplified Chinese; GBK and GB 2312 are parts of it.
    Gb18030,
    /// Traditional Chinese.
    Big5,
    /// Japanese.
    ShiftJis,
    /// Cyrillic.
    Windows1251,
    /// Western Europe; ISO 8859-1 as everybody reads it.
    Windows1252,
}

impl Encoding {
    /// Every one.
    pub const ALL: [Self; 6] = [
        Self::Utf8,
        Self::Gb18030,
        Self::Big5,
        Self::ShiftJis,
        Self::Windows1251,
        Self::Windows1252,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB18030",
            Self::Big5 => "Big5",
            Self::ShiftJis => "Shift_JIS",
            Self::Windows1251 => "windows-1251",
            Self::Windows1252 => "windows-1252",
        }
    }
}

impl fmt::Display for Encoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl From<Encoding> for &'static str {
    fn from(encoding: Encoding) -> Self {
        encoding.name()
    }
}

/// That is no encoding that Roost knows.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no encoding that Roost knows: use UTF-8, GB18030, Big5, Shift_JIS, windows-1251 or windows-1252"
)]
pub struct UnknownEncoding(String);

impl FromStr for Encoding {
    type Err = UnknownEncoding;

    /// By its name, whatever its case, or another name in common use.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain: String = text
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        match plain.as_str() {
            "utf8" => Ok(Self::Utf8),
            "gb18030" | "gbk" | "gb2312" | "cp936" => Ok(Self::Gb18030),
            "big5" | "cp950" => Ok(Self::Big5),
            "shiftjis" | "sjis" | "cp932" | "windows31j" => Ok(Self::ShiftJis),
            "windows1251" | "cp1251" => Ok(Self::Windows1251),
            "windows1252" | "cp1252" => Ok(Self::Windows1252),
            _ => Err(UnknownEncoding(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Encoding {
    type Error = UnknownEncoding;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_read_by_its_name_and_by_what_people_call_it() {
        for encoding in Encoding::ALL {
            assert_eq!(encoding.name().parse(), Ok(encoding));
            assert_eq!(encoding.name().to_uppercase().parse(), Ok(encoding));
            let json = serde_json::to_string(&encoding).unwrap();
            assert_eq!(json, format!("{:?}", encoding.name()));
            assert_eq!(serde_json::from_str::<Encoding>(&json).unwrap(), encoding);
        }
        assert_eq!("gbk".parse(), Ok(Encoding::Gb18030));
        assert_eq!("cp1251".parse(), Ok(Encoding::Windows1251));
        let error = "latin-9".parse::<Encoding>().unwrap_err().to_string();
        assert!(
            error.contains("latin-9") && error.contains("windows-1252"),
            "{error}"
        );
    }
}
