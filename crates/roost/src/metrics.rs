//! `GET /metrics` for Prometheus, on a listener of its own: who can reach that reads the node's figures, and nothing else.

use crate::{failure::Failure, lifecycle::Lifecycle, serve, up};
use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use roost_node::{Node, metrics};
use std::net::SocketAddr;

/// Serves a node's figures until the program ends; nothing where no address is set. `setting` is what sets it.
pub async fn serve(
    address: Option<SocketAddr>,
    setting: &str,
    node: &Node,
    life: &Lifecycle,
) -> Result<(), Failure> {
    let Some(address) = address else { return Ok(()) };
    let listener = up::bind(address, setting).await?;
    let node = node.clone();
    let text = get(async move || ([(CONTENT_TYPE, metrics::CONTENT_TYPE)], node.metrics()));
    let router = Router::new().route("/metrics", text);
    life.tasks.spawn(serve::tcp(
        listener,
        None,
        serve::by_router(router),
        life.stop.clone(),
        life.tasks.clone(),
    ));
    tracing::info!(%address, "figures for Prometheus");
    Ok(())
}
