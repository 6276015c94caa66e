//! One server: its handle for everybody else, its state machine, the one task that acts for it; and all of them.
//!
//! ```text
//!   registry ── creates, finds, deletes ──> actor (one a server)
//!   routes, sockets ── ServerHandle ──> mailbox ──> actor ── roost_power::step ──> driver ──> runtimes, pump
//! ```

mod actor;
pub mod command;
pub mod context;
pub mod definition;
pub mod directories;
mod disk;
mod driver;
mod figures;
pub mod handle;
pub mod registry;
pub(crate) mod runtimes;
mod saved;
pub mod stop;

pub use runtimes::Runtimes;
