//! What crosses a boundary: everything that a panel, a node and their clients say to each other.
//!
//! ```text
//!   panel ──(remote API, node API)── node ──(console socket)── viewer
//!      └──────────(client API, admin API)──── web console, CLI, bots
//! ```
//!
//! Names, shapes, rules that both ends must agree on, and their encodings. No I/O, no tokio, no wall clock:
//! time is an argument ([`clock`]). How a request is answered or a line is stored is not this room's business.

pub mod admin_api;
pub mod client_api;
pub mod clock;
pub mod close;
pub mod encoding;
pub mod event;
pub mod frame;
pub mod id;
pub mod nearest;
pub mod node_api;
pub mod node_config;
pub mod origin;
pub mod peer;
pub mod permission;
pub mod power;
pub mod problem;
pub mod remote;
pub mod stats;
pub mod token;
pub mod v1;
