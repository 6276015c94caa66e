//! roost-panel
pub mod store;
