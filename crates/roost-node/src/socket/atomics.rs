//! The atomics of the protocols that the crate `roost-loom` tries in every order: it puts its own in their place.

pub(super) use std::sync::atomic::{AtomicBool, Ordering, fence};
