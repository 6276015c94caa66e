//! Keepers as a node sees them: real processes that hold real programs.
//!
//! The test program is a keeper, too: called with `keeper` as its first argument it becomes one before its own main.

mod bed;
mod confine;
mod ends;
mod engine;
mod footprint;
mod pipe;
