//! `GET /api/servers/{uuid}/logs`: the last lines, as stock panels read them. Works offline, too.

use super::answer::{Failure, Named};
use crate::node::Node;
use axum::{
    Json,
    extract::{Query, State},
};
use roost_console::Console;
use roost_wire::{event::daemon_line, node_api::Source};
use serde::Deserialize;
use serde_json::{Value, json};
use std::io;

/// Bytes of lines read at once.
const PIECE: usize = 256 << 10;
/// Most lines, and how many without a number.
const LINES_MAX: u64 = 100;

#[derive(Debug, Deserialize)]
pub(super) struct Form {
    size: Option<String>,
}

pub(super) async fn tail(
    State(node): State<Node>,
    Named(server): Named,
    Query(form): Query<Form>,
) -> Result<Json<Value>, Failure> {
    let asked = form.size.and_then(|text| text.parse::<u64>().ok());
    let lines = asked.filter(|n| (1..=LINES_MAX).contains(n)).unwrap_or(LINES_MAX);
    let app = node.app_name().to_owned();
    let read = tokio::task::spawn_blocking(move || read(&server.console, lines, &app)).await;
    let texts = read.map_err(Failure::internal)?.map_err(Failure::internal)?;
    Ok(Json(json!({"data": texts})))
}

fn read(console: &Console, lines: u64, app: &str) -> io::Result<Vec<String>> {
    let end = console.next_seq();
    let mut cursor = console.at(end.saturating_sub(lines).max(console.first_seq()));
    let mut texts = Vec::new();
    while cursor.seq < end {
        let before = cursor.seq;
        let history = console.lines(&mut cursor, PIECE)?;
        for batch in &history.batches {
            for line in batch.lines().filter(|line| (before..end).contains(&line.seq)) {
                let text = line.text();
                texts.push(match batch.source() {
                    Source::Daemon => daemon_line(app, &text),
                    Source::Output | Source::Install => text.into_owned(),
                });
            }
        }
        if cursor.seq <= before {
            break;
        }
    }
    Ok(texts)
}
