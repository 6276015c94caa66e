//! The node as a whole.

mod layout;
mod secrets;

pub use layout::Layout;
pub use secrets::{OVERLAP_MS, Secrets};
