//! roost-panel

pub mod node_client;
/// h
pub mod http {
    pub mod assets;
}
