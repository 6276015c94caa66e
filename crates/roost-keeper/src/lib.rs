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
//!
//! The binary calls [`main`] when its first argument is `keeper`, before it starts any thread or runtime. Signals to a
//! keeper: SIGTERM ends the program (after 5 s by force) and then the keeper; everything else that would end it is
//! ignored.

pub mod place;
pub mod protocol;
pub mod spec;

mod attach;
mod begin;
mod hold;
mod input;
mod link;
mod program;
mod store;
mod sys;
mod tree;

pub use begin::main;

#[cfg(test)]
mod tests;
