//! What only the Unix socket offers: `POST /local/down`, which ends all servers and then this process, telling each
//! step as a line of JSON. With `?machine` the servers are started again at the next boot. Everything else goes on to
//! the panel, where there is one.

use crate::{lifecycle::Lifecycle, serve::Answer};
use axum::body::{Body, Bytes};
use hyper::{Method, Response};
use roost_node::{Node, server::handle::Down};
use serde::{Deserialize, Serialize};
use std::{convert::Infallible, sync::Arc};
use tokio::sync::mpsc;

/// The path.
pub const DOWN: &str = "/local/down";
/// The query with which it means: the machine goes down.
pub const MACHINE: &str = "machine";

/// One step of going down.
#[derive(Debug, Serialize, Deserialize)]
pub struct Step {
    /// The server's identifier.
    pub server: String,
    /// What happened to it.
    pub state: String,
}

/// Adds the local routes in front of `rest`.
pub fn in_front(rest: Answer, node: Node, life: Lifecycle) -> Answer {
    Arc::new(move |request| {
        if request.method() != Method::POST || request.uri().path() != DOWN {
            return rest(request);
        }
        let (node, life) = (node.clone(), life.clone());
        let why = match request.uri().query() {
            Some(MACHINE) => Down::Machine,
            _ => Down::Asked,
        };
        Box::pin(async move { Ok(down(node, why, &life)) })
    })
}

fn down(node: Node, why: Down, life: &Lifecycle) -> Response<Body> {
    let (tell, mut told) = mpsc::channel::<(String, String)>(64);
    let (line, lines) = mpsc::channel::<Result<Bytes, Infallible>>(64);
    let stop = life.stop.clone();
    life.tasks.spawn(async move {
        let stopping = tokio::spawn(async move { node.stop_all(why, tell).await });
        while let Some((server, state)) = told.recv().await {
            let mut text = serde_json::to_vec(&Step { server, state }).unwrap_or_default();
            text.push(b'\n');
            // Whoever asked may have gone; the servers are stopped all the same.
            let _ = line.send(Ok(Bytes::from(text))).await;
        }
        let _ = stopping.await;
        stop.cancel();
    });
    let stream = futures_util::stream::unfold(lines, |mut lines| async {
        lines.recv().await.map(|l| (l, lines))
    });
    Response::new(Body::from_stream(stream))
}
