//! Why a request for power is refused.

use roost_wire::power::{PowerAction, PowerState};

/// Why the rule refuses a request. Each text stands alone and can be shown to a viewer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Start of a server that is up.
    #[error("The server is already {0}.")]
    AlreadyUp(PowerState),
    /// Stop of a server that is down.
    #[error("The server is already offline.")]
    AlreadyOffline,
    /// Suspended.
    #[error("The server is suspended: an administrator must unsuspend it first.")]
    Suspended,
    /// Installing.
    #[error("The server is being installed: wait until the installer has ended.")]
    Installing,
    /// The node stops all its servers.
    #[error("The node is going down: start the server when it is up again.")]
    GoingDown,
    /// A power action is under way.
    #[error("Another power action ({0}) is under way: wait for it, or use kill.")]
    Busy(PowerAction),
}
