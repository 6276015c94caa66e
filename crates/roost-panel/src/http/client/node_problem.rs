//! What a node's failure becomes for a client: the reason for all, what lies behind it for administrators.

use crate::{
    http::{Allowed, ApiError},
    node_client::{NodeError, NodeTarget, Reason},
    panel::App,
    service::nodes,
};
use roost_wire::{client_api::UNAVAILABLE, problem::Problem};

/// The node of the server, or 500.
pub fn target<P>(app: &App, allowed: &Allowed<P>) -> Result<NodeTarget, ApiError> {
    let target = match &allowed.server.node_row {
        Some(row) => nodes::target(app, row)?,
        None => None,
    };
    target.ok_or_else(|| ApiError::new(500, "Node not available: Server has no resolved Wings node"))
}

/// 504 for a node that does not answer in time, 502 for one that can't be used, its own status where it declines.
pub fn problem<P>(allowed: &Allowed<P>, error: &NodeError) -> ApiError {
    let (status, message) = match error {
        NodeError::Away { reason, .. } => {
            let status = if *reason == Reason::TimedOut { 504 } else { 502 };
            (status, format!("The server's node can't be asked: {reason}."))
        }
        NodeError::UnknownServer { .. } => (502, format!("{UNAVAILABLE}.")),
        NodeError::Declined { status, said } => (*status, said.clone()),
    };
    note(allowed, error);
    with_detail(allowed, Problem::new(status, message), error)
}

/// Adds what lies behind `problem` for administrators.
pub fn with_detail<P>(allowed: &Allowed<P>, problem: Problem, error: &NodeError) -> ApiError {
    ApiError(if allowed.is_admin() {
        problem.detail(error.detail())
    } else {
        problem
    })
}

/// Logs a node that can't be used.
pub fn note<P>(allowed: &Allowed<P>, error: &NodeError) {
    if let NodeError::Away { .. } = error {
        let node = allowed.server.node_row.as_ref().map(|n| n.name.as_str());
        tracing::warn!(node, server = %allowed.server.identifier, error = %error.detail(), "a node could not be asked");
    }
}
