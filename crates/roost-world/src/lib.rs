//! For tests only: starts panels, nodes, engines, databases and viewers of their own, breaks things, makes load.
//!
//! ```text
//!   Roost (the release binary on a data directory of its own) <── cli, http (session or key), Viewer (WebSocket)
//!     └── servers: programs/chatter.rs, in processes or on an Engine of the tests' own
//! ```
//!
//! A story is a test of ten lines on top of this. Everything listens on loopback, on free ports, in a temporary
//! directory, and is ended by process id. What Roost should do is the tests' business.

pub mod attached;
pub mod bench;
pub mod burst;
pub mod chatter;
pub mod contained;
pub mod daemon;
pub mod engine;
pub mod follower;
pub mod http;
pub mod killed;
pub mod proxy;
pub mod roost;
pub mod short_lived;
pub mod viewer;

pub use engine::Engine;
pub use roost::Roost;
pub use viewer::Viewer;
