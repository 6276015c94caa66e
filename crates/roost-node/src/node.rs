//! The node as a whole.

mod layout;
mod secrets;

pub use layout::Layout;
pub(crate) use layout::make_private;
pub use secrets::{OVERLAP_MS, Secrets};
