//! How servers are named: UUID, identifier (`my-server`), short UUID (its first 8 hex digits).

use std::fmt;
use uuid::Uuid;

/// Words that stand in routes and can't name a server.
const RESERVED: [&str; 12] = [
    "websocket",
    "resources",
    "command",
    "power",
    "users",
    "activity",
    "logs",
    "permissions",
    "account",
    "servers",
    "new",
    "create",
];

/// Longest identifier, in characters.
pub const IDENTIFIER_MAX: usize = 48;

/// Why a text can't be an identifier.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadIdentifier {
    /// Empty or too long.
    #[error("an identifier has 1 to {IDENTIFIER_MAX} characters")]
    Length,
    /// A character outside the alphabet, or a hyphen at an end.
    #[error(
        "an identifier has lower-case letters, digits and hyphens only, and begins and ends with a letter or digit"
    )]
    Alphabet,
    /// It would be read as a UUID or a short UUID.
    #[error("an identifier can't look like a UUID or like 8 hexadecimal digits")]
    LooksLikeUuid,
    /// A word of the routes.
    #[error("this word is part of addresses and can't name a server")]
    Reserved,
}

/// Checks an identifier chosen by a person.
pub fn check_identifier(text: &str) -> Result<(), BadIdentifier> {
    if text.is_empty() || text.len() > IDENTIFIER_MAX {
        return Err(BadIdentifier::Length);
    }
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.bytes().all(fits) || text.starts_with('-') || text.ends_with('-') {
        return Err(BadIdentifier::Alphabet);
    }
    if is_short_uuid(text) || Uuid::try_parse(text).is_ok() {
        return Err(BadIdentifier::LooksLikeUuid);
    }
    if RESERVED.contains(&text) {
        return Err(BadIdentifier::Reserved);
    }
    Ok(())
}

/// An identifier made from a name: `My Server!` gives `my-server`. Always valid; not necessarily free.
pub fn identifier_from_name(name: &str) -> String {
    let mut id = String::new();
    for c in name.chars() {
        let c = c.to_ascii_lowercase();
        if c.is_ascii_lowercase() || c.is_ascii_digit() {
            id.push(c);
        } else if !id.is_empty() && !id.ends_with('-') {
            id.push('-');
        }
        if id.len() >= IDENTIFIER_MAX - 8 {
            break;
        }
    }
    let id = id.trim_matches('-').to_owned();
    if check_identifier(&id).is_ok() {
        id
    } else if id.is_empty() {
        "server".to_owned()
    } else {
        format!("server-{id}")
    }
}

fn is_short_uuid(text: &str) -> bool {
    text.len() == 8 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The first 8 hex digits of a UUID.
pub fn short_uuid(uuid: Uuid) -> String {
    let mut text = uuid.simple().to_string();
    text.truncate(8);
    text
}

/// A server as a caller names it in a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerRef {
    /// The whole UUID.
    Uuid(Uuid),
    /// Something that may be an identifier.
    Identifier(String),
    /// 8 hex digits: no identifier has this form.
    Short(String),
}

impl ServerRef {
    /// Reads a path segment. `None` for what can be neither of the three: blank, too long, foreign characters.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() == 36
            && let Ok(uuid) = Uuid::try_parse(text)
        {
            return Some(Self::Uuid(uuid));
        }
        let lower = text.to_ascii_lowercase();
        if is_short_uuid(&lower) {
            return Some(Self::Short(lower));
        }
        matches!(check_identifier(text), Ok(()) | Err(BadIdentifier::Reserved))
            .then(|| Self::Identifier(text.to_owned()))
    }
}

impl fmt::Display for ServerRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Uuid(uuid) => uuid.fmt(f),
            Self::Identifier(text) | Self::Short(text) => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn identifiers_are_told_from_uuids() {
        assert_eq!(check_identifier("my-server"), Ok(()));
        assert_eq!(check_identifier("deadbeef"), Err(BadIdentifier::LooksLikeUuid));
        assert_eq!(check_identifier("websocket"), Err(BadIdentifier::Reserved));
        assert_eq!(check_identifier("-a"), Err(BadIdentifier::Alphabet));
        assert_eq!(check_identifier("A"), Err(BadIdentifier::Alphabet));
        assert_eq!(
            ServerRef::parse("DEADBEEF"),
            Some(ServerRef::Short("deadbeef".into()))
        );
        assert_eq!(ServerRef::parse(" "), None);
        assert_eq!(ServerRef::parse("a/../b"), None);
        assert_eq!(identifier_from_name("My Server!"), "my-server");
        assert_eq!(identifier_from_name("deadbeef"), "server-deadbeef");
    }

    proptest! {
        #[test]
        fn any_name_gives_a_valid_identifier(name in ".{0,80}") {
            prop_assert_eq!(check_identifier(&identifier_from_name(&name)), Ok(()));
        }
    }
}
