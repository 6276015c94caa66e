//! The client API's own shapes: the credentials answer of the page.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The page's message of the unavailable answer, word for word.
pub const UNAVAILABLE: &str = "Server is not available on the assigned Wings node";

/// Response header of the credentials: the `Origin` that a program sends to a node which insists on one.
pub const HEADER_ORIGIN: &str = "Roost-Origin";

/// `GET /api/client/servers/{id}/websocket`: flat as on the page, and once more under `data` for Pterodactyl's clients.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Credentials {
    /// The signed token.
    pub token: String,
    /// `wss://...` or `ws://...`.
    pub socket: String,
    /// The same two.
    pub data: CredentialPair,
}

/// Token and socket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CredentialPair {
    /// The signed token.
    pub token: String,
    /// `wss://...` or `ws://...`.
    pub socket: String,
}

impl Credentials {
    /// Both forms of one pair.
    pub fn new(token: String, socket: String) -> Self {
        Self {
            data: CredentialPair {
                token: token.clone(),
                socket: socket.clone(),
            },
            token,
            socket,
        }
    }
}

/// Status 200, where the node does not know the server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Unavailable {
    /// Always true.
    pub unavailable: bool,
    /// [`UNAVAILABLE`].
    pub message: String,
    /// What was found.
    pub diagnostics: Diagnostics,
}

/// What was found.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnostics {
    /// Status and what the node said, one cleaned line of at most 200 characters.
    pub error: String,
    /// The server.
    pub server_uuid: Uuid,
    /// Its identifier.
    pub server_identifier: Option<String>,
    /// Its node.
    pub node_id: Option<String>,
    /// Its last known state.
    pub server_status: Option<String>,
}
