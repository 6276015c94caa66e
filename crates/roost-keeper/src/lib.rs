//! The keeper: a small process, one a running server, that outlives the node.
//!
//! ```text
//!   program ══PTY══╗
//!                  keeper ──Unix socket── node (comes and goes)
//!   engine ═attach═╝   └─ spool file, while nobody reads
//! ```
//!
//! It is a byte pipe: it holds the terminal (or the engine's attach stream), keeps raw chunks with stream offset and
//! arrival time until the node has acknowledged them, and ends the whole tree. What lines are, who may see them and
//! when a server starts is not its business. Its protocol is versioned: a newer node drives older keepers.

pub mod protocol;
mod store;
