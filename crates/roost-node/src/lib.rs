//! The daemon: runs servers and streams their consoles.
//!
//! ```text
//!   http ──> server (actor, power, driver) ──> runtime (process, docker) ──> keeper
//!    │          │ notices, status                                             │ bytes
//!    └─ upgrade │                                                             v
//!       v       └──────────────> pump (split, journal, ring) <────────────────┘
//!      socket (shards, viewers) <── wake ──┘
//! ```
//!
//! `pump` threads read keepers and write journals; `socket` shards own the viewers; everything else is tokio tasks.
//! People, accounts and grants are the panel's business: the node believes signed tokens.

pub mod activity;
pub mod config;
pub mod deny;
mod http;
pub mod metrics;
pub mod node;
pub mod pump;
pub mod remote;
pub mod runtime;
mod search;
pub mod server;
pub mod socket;

pub use node::{Node, NodeError, NodeOptions};
