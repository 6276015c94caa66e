//! The rules: each function decides, changes and records in one transaction.
//!
//! No HTTP here and no SQL: handlers call in, the store is called out to.

pub mod access;
pub mod accounts;
pub mod audit;
pub mod credentials;
pub mod grants;
pub mod keys;
pub mod limits;
pub mod nodes;
pub mod reported;
pub mod revocation;
pub mod secrets;
pub mod servers;
pub mod sessions;
pub mod settings;
pub mod sockets;

use crate::store::StoreError;

/// Why something was not done. Texts are for whoever asked: they say what he can do.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// Not as it must be written; names the field and what is allowed.
    #[error("{0}")]
    Invalid(String),
    /// There is none of that name.
    #[error("{0}")]
    NotFound(String),
    /// Something stands in the way.
    #[error("{0}")]
    Conflict(String),
    /// Not for this caller.
    #[error("{0}")]
    Forbidden(String),
    /// Nobody is logged in, or with something that does not hold.
    #[error("{0}")]
    Unauthenticated(String),
    /// Too often; worth another try after `seconds`.
    #[error("Too many attempts. Try again in {seconds} s.")]
    TooMany {
        /// Seconds.
        seconds: u64,
    },
    /// A node is away or refuses.
    #[error("{0}")]
    Node(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something that must not happen.
    #[error("{0}")]
    Internal(String),
}

/// What service functions give.
pub type Result<T, E = ServiceError> = std::result::Result<T, E>;
