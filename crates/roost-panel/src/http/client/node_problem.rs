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
            (status, away(allowed, *reason))
        }
        NodeError::UnknownServer { .. } => (502, format!("{UNAVAILABLE}.")),
        NodeError::Declined { status, said } => (*status, said.clone()),
    };
    note(allowed, error);
    with_detail(allowed, Problem::new(status, message), error)
}

/// Which node it is and what to do. Its address is for administrators.
fn away<P>(allowed: &Allowed<P>, reason: Reason) -> String {
    let Some(node) = &allowed.server.node_row else {
        return format!("The server's node can't be asked: {reason}.");
    };
    let name = &node.name;
    if !allowed.is_admin() {
        return format!(
            "The server's node {name} can't be asked: {reason}. Try again later, or tell an administrator."
        );
    }
    let at = node
        .panel_address()
        .map(|at| format!(" at {at}"))
        .unwrap_or_default();
    format!(
        "The server's node {name}{at} can't be asked: {reason}. Look whether its daemon runs there (its log says why not), \
         and whether that is its address: `roost node show {name}`."
    )
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
