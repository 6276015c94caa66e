//! For tests only: the protocols without locks of `roost-node`, tried in every order of their threads' steps.
//!
//! ```text
//!   roost-node/src/socket/{awake,news}.rs ──the same files, with loom's atomics──> tests
//! ```
//!
//! A protocol comes here when it has a file of its own that takes its atomics from `super::atomics`. What it is for is
//! said there. Single counters, which order nothing, are not tried.

#[cfg(test)]
mod atomics {
    pub(super) use loom::sync::atomic::{AtomicBool, Ordering, fence};
}

#[cfg(test)]
#[path = "../../roost-node/src/socket/awake.rs"]
mod awake;

#[cfg(test)]
#[path = "../../roost-node/src/socket/news.rs"]
mod news;

#[cfg(test)]
mod tests;
