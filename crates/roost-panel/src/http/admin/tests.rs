//! The administrators' API as its callers see it.

mod accounts;
mod nodes;
mod servers;
mod sockets;
