//! What nodes report of their consoles, on its way into the audit.
//!
//! A node is believed about its own servers only, and never so far that one of its rows could hide another's, lie
//! outside of time, or fill the audit. Rows are taken once, however often they are sent.

use super::{Result, audit::Actor, secrets::sha256_hex};
use crate::{
    panel::App,
    store::{AuditEntry, NodeRow, ServerRow},
};
use roost_wire::{clock::parse_rfc3339, id::ServerRef, remote::Activity};
use serde_json::{Map, Value};
use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, SocketAddr},
};
use uuid::Uuid;

/// Most rows of a batch.
pub const BATCH_ROWS: usize = 100;
/// Longest text of a detail, in characters: a whole command fits.
const TEXT_MAX: usize = 4096;
/// Most bytes of all details of a row.
const DETAILS_MAX: usize = 16 << 10;
/// A node's clock may be ahead by so many milliseconds.
const AHEAD_MAX: i64 = 60_000;
/// Rows may be so many milliseconds late: a node can be cut off for long.
const LATE_MAX: i64 = 90 * 24 * 3600 * 1000;

/// A node, as the audit names it.
pub fn node_actor() -> Actor {
    Actor {
        user: None,
        address: None,
        via: "node",
        credential: None,
        uid: None,
    }
}

/// Writes a batch down. Rows of other nodes' servers, of foreign events, or that can't be read are left out: a node that
/// sends one would send it for ever.
pub async fn take(app: &App, node: &NodeRow, rows: Vec<Value>) -> Result<()> {
    let mut servers: HashMap<Uuid, Option<ServerRow>> = HashMap::new();
    let mut users: HashMap<Uuid, Option<String>> = HashMap::new();
    let mut entries = Vec::with_capacity(rows.len());
    let mut left_out = 0_usize;
    for value in rows {
        let Some(row) = serde_json::from_value::<Activity>(value)
            .ok()
            .filter(|row| is_event(&row.event))
        else {
            left_out += 1;
            continue;
        };
        let server = match servers.entry(row.server) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let found = app.store.server(&ServerRef::Uuid(row.server)).await?;
                new.insert(found.filter(|s| s.node == Some(node.uuid)))
            }
        };
        let Some(server) = server else {
            left_out += 1;
            continue;
        };
        let user = match row.user.as_deref().and_then(|u| Uuid::try_parse(u).ok()) {
            None => None,
            Some(uuid) => {
                let name = match users.entry(uuid) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(new) => new.insert(app.store.user(uuid).await?.map(|user| user.name)),
                };
                name.clone().map(|name| (uuid, name))
            }
        };
        entries.push(entry(node, server, user, row, app.now()));
    }
    if left_out > 0 {
        tracing::warn!(node = %node.name, rows = left_out, "audit rows of a node were left out: not of its servers, or not to be read");
    }
    if entries.is_empty() {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    tx.audit_all(&entries).await?;
    tx.commit().await?;
    Ok(())
}

fn entry(
    node: &NodeRow,
    server: &ServerRow,
    user: Option<(Uuid, String)>,
    row: Activity,
    now: i64,
) -> AuditEntry {
    let id = row_id(node.uuid, &row);
    let mut details = details(row.metadata.unwrap_or_default());
    if user.is_none()
        && let Some(unknown) = row.user.filter(|u| !u.is_empty())
    {
        details.insert("user".to_owned(), cut(&unknown, 64).into());
    }
    let reported = parse_rfc3339(&row.timestamp);
    let time = reported
        .filter(|at| (now - LATE_MAX..=now + AHEAD_MAX).contains(at))
        .map_or(now, |at| at.min(now));
    if reported != Some(time) {
        details.insert("reported_time".to_owned(), cut(&row.timestamp, 64).into());
    }
    AuditEntry {
        row: Some(id),
        time,
        event: row.event,
        via: if user.is_some() { "socket" } else { "node" },
        user,
        server: Some((server.uuid, server.identifier.clone())),
        address: row.ip.as_deref().and_then(address).map(|ip| ip.to_string()),
        details,
    }
}

/// Names a row among those of its node only. A stock daemon's rows have no id: their content names them.
fn row_id(node: Uuid, row: &Activity) -> Uuid {
    let of = match row.id {
        Some(id) => id.to_string(),
        None => serde_json::to_string(row).unwrap_or_default(),
    };
    let digest = sha256_hex(format!("{node}:{of}").as_bytes());
    Uuid::try_parse(&digest[..32]).unwrap_or_default()
}

fn is_event(event: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_');
    event.starts_with("server:") && event.len() <= 100 && event.chars().all(fits)
}

/// Stock daemons send `host:port` here and there.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    text.parse::<IpAddr>()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|a| a.ip()))
}

fn details(metadata: Map<String, Value>) -> Map<String, Value> {
    let mut kept: Map<String, Value> = metadata
        .into_iter()
        .map(|(name, value)| {
            let value = match value {
                Value::String(text) => Value::String(cut(&text, TEXT_MAX)),
                other => other,
            };
            (cut(&name, 64), value)
        })
        .collect();
    let size = serde_json::to_vec(&kept).map_or(usize::MAX, |json| json.len());
    if size > DETAILS_MAX {
        kept = Map::from_iter([("left_out_bytes".to_owned(), Value::from(size))]);
    }
    kept
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_events_of_servers_are_taken() {
        assert!(is_event("server:console.command") && is_event("server:power.start"));
        assert!(
            !is_event("auth:success")
                && !is_event("server:<b>")
                && !is_event(&format!("server:{}", "x".repeat(200)))
        );
    }

    #[test]
    fn an_address_may_have_a_port() {
        assert_eq!(
            address("1.2.3.4:5").map(|a| a.to_string()).as_deref(),
            Some("1.2.3.4")
        );
        assert_eq!(address("::1").map(|a| a.to_string()).as_deref(), Some("::1"));
        assert_eq!(address("<script>"), None);
    }

    #[test]
    fn details_are_bounded() {
        let long = Map::from_iter([("command".to_owned(), Value::from("x".repeat(10_000)))]);
        assert_eq!(details(long)["command"].as_str().unwrap().len(), TEXT_MAX);
        let many: Map<String, Value> = (0..200)
            .map(|n| (n.to_string(), Value::from("x".repeat(4000))))
            .collect();
        assert!(details(many).contains_key("left_out_bytes"));
    }
}
