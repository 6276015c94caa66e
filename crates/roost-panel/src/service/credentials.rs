//! Console credentials: who gets a token for which socket, after the node was asked.
//!
//! What a token holds is `roost_wire::token`'s business, who may ask for one is `access`'s.

pub mod address;
