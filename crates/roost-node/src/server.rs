//! One server: its handle for everybody else, its state machine, the one task that acts for it.

pub mod command;
pub mod definition;
pub mod handle;
pub mod power;
pub mod stop;
