//! The table of close codes: the one place that gives a closed socket its number and its words.
//!
//! Existing consoles reconnect (20 times, a second apart) unless the code is 1000, 1001, 1005, 4400 or 4409. So a
//! close worth retrying never uses those, and one that is final uses only those.

/// Why a node closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Close {
    /// The viewer closed it, and gets its own code back.
    Normal,
    /// A frame that breaks RFC 6455.
    Protocol,
    /// Text that is not UTF-8.
    NotUtf8,
    /// A binary frame where text is expected.
    Unsupported,
    /// A message over the limit.
    TooBig,
    /// Something failed inside the node.
    Internal,
    /// The node is stopped or restarted.
    Restarting,
    /// The node is at its limit of sockets.
    TryLater,
    /// This address is at its limit of sockets on this server.
    AddressFull,
    /// This API key or session is at its limit of sockets on this server.
    KeyFull,
    /// This user is at its limit of sockets on this node.
    UserFull,
    /// The subuser, the key or the session is gone.
    AccessRevoked,
    /// The server was deleted.
    ServerDeleted,
    /// An administrator ended this socket.
    EndedByAdmin,
    /// The token expired and no fresh one came in time.
    TokenExpired,
    /// No valid token within the auth deadline, or too many bad ones.
    NotAuthenticated,
    /// The server is suspended.
    Suspended,
    /// The viewer did not take its bytes in time.
    TooSlow,
    /// Nothing came from the viewer behind a ping.
    Silent,
    /// More messages than the limit allows.
    TooManyMessages,
}

impl Close {
    /// Every entry, in the order of the table in `docs/protocol.md`.
    pub const ALL: [Self; 20] = [
        Self::Normal,
        Self::Protocol,
        Self::Unsupported,
        Self::NotUtf8,
        Self::TooBig,
        Self::Internal,
        Self::Restarting,
        Self::TryLater,
        Self::AddressFull,
        Self::KeyFull,
        Self::UserFull,
        Self::AccessRevoked,
        Self::ServerDeleted,
        Self::EndedByAdmin,
        Self::TokenExpired,
        Self::NotAuthenticated,
        Self::TooSlow,
        Self::Silent,
        Self::Suspended,
        Self::TooManyMessages,
    ];

    /// The close code on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::NotUtf8 => 1007,
            Self::TooBig => 1009,
            Self::Internal => 1011,
            Self::Restarting => 1012,
            Self::TryLater | Self::AddressFull | Self::KeyFull | Self::UserFull => 1013,
            Self::AccessRevoked | Self::ServerDeleted | Self::EndedByAdmin => 4400,
            Self::TokenExpired => 4401,
            Self::NotAuthenticated => 4403,
            Self::TooSlow | Self::Silent => 4408,
            Self::Suspended => 4409,
            Self::TooManyMessages => 4429,
        }
    }

    /// The reason on the wire; at most 123 bytes.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Normal => "",
            Self::Protocol => "protocol error",
            Self::Unsupported => "text frames only",
            Self::NotUtf8 => "text is not valid UTF-8",
            Self::TooBig => "message is too long",
            Self::Internal => "internal error",
            Self::Restarting => "node is restarting",
            Self::TryLater => "too many sockets, try again later",
            Self::AddressFull => "too many sockets of this address, close some",
            Self::KeyFull => "too many sockets of this key or session, close some",
            Self::UserFull => "too many sockets of this user, close some",
            Self::AccessRevoked => "access revoked",
            Self::ServerDeleted => "server deleted",
            Self::EndedByAdmin => "ended by an administrator",
            Self::TokenExpired => "token expired",
            Self::NotAuthenticated => "no valid token in time",
            Self::TooSlow => "viewer did not read in time",
            Self::Silent => "viewer did not answer",
            Self::Suspended => "server is suspended",
            Self::TooManyMessages => "too many messages",
        }
    }

    /// Whether a client should open a new socket (with a fresh token).
    pub const fn is_retryable(self) -> bool {
        !matches!(self.code(), 1000 | 1001 | 1005 | 4400 | 4409)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn final_codes_are_those_at_which_existing_consoles_stop() {
        let finals = [
            Close::Normal,
            Close::AccessRevoked,
            Close::ServerDeleted,
            Close::EndedByAdmin,
            Close::Suspended,
        ];
        for close in Close::ALL {
            assert_eq!(close.is_retryable(), !finals.contains(&close), "{close:?}");
            assert!(close.reason().len() <= 123);
        }
    }
}
