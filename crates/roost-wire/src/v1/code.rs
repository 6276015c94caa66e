//! Why a request was not carried out, in one word that never changes.
//!
//! The sentence for people is made where the refusal is.

/// The `code` of `refused`. `docs/protocol.md` lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The viewer has not the right to.
    Permission,
    /// The server is offline.
    Offline,
    /// The server is suspended.
    Suspended,
    /// The server is being installed.
    Installing,
    /// Something else is under way.
    Busy,
    /// A line that the terminal does not take.
    Command,
    /// No power action of that name.
    Action,
    /// It is so already.
    Already,
    /// Too many requests.
    Limit,
    /// The node could not do it.
    Failed,
    /// A request that can't be read.
    Request,
    /// What can't be looked for.
    Pattern,
    /// A search that was ended.
    Cancelled,
}

impl Code {
    /// All of them, in the order of their values.
    pub const ALL: [Self; 13] = [
        Self::Permission,
        Self::Offline,
        Self::Suspended,
        Self::Installing,
        Self::Busy,
        Self::Command,
        Self::Action,
        Self::Already,
        Self::Limit,
        Self::Failed,
        Self::Request,
        Self::Pattern,
        Self::Cancelled,
    ];

    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Permission => "permission",
            Self::Offline => "offline",
            Self::Suspended => "suspended",
            Self::Installing => "installing",
            Self::Busy => "busy",
            Self::Command => "command",
            Self::Action => "action",
            Self::Already => "already",
            Self::Limit => "limit",
            Self::Failed => "failed",
            Self::Request => "request",
            Self::Pattern => "pattern",
            Self::Cancelled => "cancelled",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_its_place_and_a_name_of_its_own() {
        for (at, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, at);
            assert_eq!(Code::ALL.iter().filter(|c| c.name() == code.name()).count(), 1);
        }
    }
}
