//! Viewers on real sockets against real shards and a real console. Only the actor is left out: its mailbox is read by
//! the test.

mod client;
mod ends;
mod flood;
mod lines;
mod pings;
mod requests;
mod rules;
mod search;
mod stand;
mod throttle;
mod tls;
mod v1;
