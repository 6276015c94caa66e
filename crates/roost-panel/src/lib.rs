//! The panel: who may do what, and the short-lived credentials by which a browser reaches a server's console.
//!
//! ```text
//!   http ─ router ─ limits ─ who (Identity) ─ may he (Allowed<..>) ─ typed answer or problem
//!     └─ service ─ the rule, the change and its audit row in one transaction
//!          └─ store ─ the only SQL
//! ```
//!
//! To add an endpoint: a file in `http/client` or `http/admin` with its handler, a function in `service` with the rule, a
//! statement in `store`; the handler names [`http::Allowed`] in its signature, or it can't get a server.
//!
//! It never runs a server nor carries a console's stream: that is `roost-node`'s business, reached over HTTP only.

pub mod http;
pub mod node_client;
pub mod panel;
pub mod service;
pub mod store;
#[cfg(test)]
pub(crate) mod testing;

pub use panel::{App, Panel, PanelError, PanelOptions};
pub use service::nodes::LocalNode;
