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
//! A node calls [`spawn()`] and [`find`]. The binary hands over to [`main`] when its first argument is `keeper`, before
//! it starts any thread or runtime. SIGTERM asks the program to end, ends its tree by force after 5 s or at a second
//! SIGTERM, and then ends the keeper; everything else that would end it is ignored.

pub mod protocol;
pub mod spec;

mod attach;
mod begin;
mod hold;
mod image;
mod input;
mod link;
mod place;
mod program;
mod spawn;
mod store;
mod sys;
mod tree;

pub use begin::main;
pub use place::{Record, connect, find, record};
pub use program::confinement;
pub use spawn::spawn;
pub use tree::is_held;

#[cfg(test)]
mod tests;
