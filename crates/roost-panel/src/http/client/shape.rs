//! Rows of the store in Pterodactyl's shapes: `{"object": ..., "attributes": {...}}`.
//!
//! What a caller may not read is left out here, by his rights; whether he may ask at all is the endpoints' business.

use crate::{
    http::Identity,
    service::settings::invocation,
    store::{AuditRecord, GrantRow, ServerRow, StoreError, UserRow},
};
use roost_wire::{
    clock::rfc3339,
    node_api::{LastEnd, ServerDetail},
    permission::{ALLOCATION_READ, CATALOGUE, PermissionSet, STARTUP_READ},
    remote::Runtime,
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// A server, as its list and its own address show it. `sftp_host` is the host of the node's public address.
pub fn server(row: &ServerRow, caller: Uuid, rights: &PermissionSet, sftp_host: &str) -> Value {
    let sees_startup = rights.allows(STARTUP_READ);
    json!({
        "object": "server",
        "attributes": {
            "server_owner": row.owner == caller,
            "identifier": row.identifier,
            "internal_id": row.number,
            "uuid": row.uuid,
            "name": row.name,
            "node": row.node_row.as_ref().map(|n| n.name.as_str()).unwrap_or_default(),
            "is_node_under_maintenance": false,
            "sftp_details": {"ip": sftp_host, "port": 2022},
            "description": row.description,
            "limits": {
                "memory": row.memory, "swap": 0, "disk": row.disk, "io": 500, "cpu": row.cpu, "threads": null,
                "oom_disabled": false,
            },
            "invocation": if sees_startup { invocation(row) } else { "[hidden]".to_owned() },
            "docker_image": row.image.as_deref().unwrap_or_default(),
            "egg_features": null,
            "feature_limits": {"databases": 0, "allocations": 0, "backups": 0},
            "status": if row.suspended { Some("suspended") } else { row.status.as_deref() },
            "is_suspended": row.suspended,
            "is_installing": row.is_installing(),
            "is_transferring": false,
            "runtime": match row.runtime { Runtime::Docker => "docker", Runtime::Process => "process" },
            "relationships": {
                "allocations": allocations(row, rights.allows(ALLOCATION_READ)),
                "variables": if sees_startup { variables(row) } else { nothing() },
            },
        },
    })
}

/// The host of the node as the caller reaches it.
pub fn sftp_host(identity: &Identity, row: &ServerRow) -> String {
    let address = row
        .node_row
        .as_ref()
        .map(|n| n.address.as_str())
        .unwrap_or_default();
    let authority = match address.split_once("://") {
        Some((_, rest)) => rest.split('/').next().map(str::to_owned),
        None => identity.way.host.clone(),
    };
    let parsed = authority.and_then(|a| a.parse::<http::uri::Authority>().ok());
    parsed.map_or_else(
        || "127.0.0.1".to_owned(),
        |a| a.host().trim_matches(['[', ']']).to_owned(),
    )
}

fn nothing() -> Value {
    json!({"object": "null_resource", "attributes": null})
}

fn allocations(row: &ServerRow, all: bool) -> Value {
    let shown = if all { row.ports.len() } else { 1 };
    let data: Vec<Value> = row
        .ports
        .iter()
        .take(shown)
        .enumerate()
        .map(|(at, port)| {
            json!({
                "object": "allocation",
                "attributes": {"id": at + 1, "ip": port.ip, "ip_alias": null, "port": port.port, "notes": null,
                               "is_default": at == 0},
            })
        })
        .collect();
    json!({"object": "list", "data": data})
}

fn variables(row: &ServerRow) -> Value {
    let data: Vec<Value> = row
        .env
        .iter()
        .map(|(name, value)| {
            json!({
                "object": "egg_variable",
                "attributes": {"name": name, "description": "", "env_variable": name, "default_value": "",
                               "server_value": value, "is_editable": false, "rules": "nullable|string"},
            })
        })
        .collect();
    json!({"object": "list", "data": data})
}

/// The names that a caller holds.
pub fn names(rights: &PermissionSet) -> Vec<&str> {
    rights.iter().collect()
}

/// What the node says of a server now.
pub fn resources(row: &ServerRow, detail: &ServerDetail) -> Value {
    let stats = &detail.utilization;
    json!({
        "object": "stats",
        "attributes": {
            "current_state": detail.state,
            "is_suspended": row.suspended || detail.is_suspended,
            "resources": {
                "memory_bytes": stats.memory_bytes,
                "memory_limit_bytes": stats.memory_limit_bytes,
                "cpu_absolute": stats.cpu_absolute,
                "disk_bytes": stats.disk_bytes,
                "network_rx_bytes": stats.network.rx_bytes,
                "network_tx_bytes": stats.network.tx_bytes,
                "network_measured": stats.network_measured,
                "uptime": stats.uptime,
            },
            "last_end": detail.roost.as_ref().and_then(|roost| roost.last_end.as_ref()).map(last_end),
        },
    })
}

/// How the last run ended, for who may see the figures: what the program wrote is the console's.
fn last_end(end: &LastEnd) -> Value {
    json!({
        "time": end.time, "asked": end.asked, "text": end.text,
        "exit_code": end.exit_code, "signal": end.signal, "oom_killed": end.oom_killed,
    })
}

/// An account, as it sees itself.
pub fn account(user: &UserRow) -> Value {
    json!({
        "object": "user",
        "attributes": {
            "id": user.number, "uuid": user.uuid, "admin": user.admin, "username": user.name,
            "email": user.email.as_deref().unwrap_or_default(), "first_name": user.name, "last_name": "",
            "language": "en",
        },
    })
}

/// Somebody who was given access.
pub fn subuser(grant: &GrantRow) -> Result<Value, StoreError> {
    Ok(json!({
        "object": "server_subuser",
        "attributes": {
            "uuid": grant.user.uuid, "username": grant.user.name,
            "email": grant.user.email.as_deref().unwrap_or_default(), "image": "", "2fa_enabled": false,
            "created_at": rfc3339(grant.granted_at), "permissions": grant.permissions()?,
        },
    }))
}

/// A row of the audit. Addresses, sessions and keys are shown to those whose own they are, and to administrators.
pub fn activity(row: &AuditRecord, caller: Uuid, is_admin: bool) -> Value {
    let mut details = row.details();
    let is_own = is_admin || row.user() == Some(caller);
    if !is_own {
        details.remove("credential");
        details.remove("uid");
    }
    let actor = match (row.user(), &row.user_name) {
        (Some(uuid), Some(name)) => json!({"object": "user", "attributes": {"uuid": uuid, "username": name}}),
        _ => nothing(),
    };
    json!({
        "object": "activity_log",
        "attributes": {
            "id": row.id.to_string(), "batch": null, "event": row.event, "is_api": row.via == "key", "via": row.via,
            "ip": row.address.as_deref().filter(|_| is_own), "description": null,
            "has_additional_metadata": !details.is_empty(), "properties": details, "timestamp": rfc3339(row.time),
            "relationships": {"actor": actor},
        },
    })
}

/// Every permission that can be granted, with its meaning.
pub fn permissions() -> Value {
    let groups: Map<String, Value> = CATALOGUE
        .iter()
        .map(|(group, description, keys)| {
            let keys: Map<String, Value> = keys
                .iter()
                .map(|(key, meaning)| ((*key).to_owned(), (*meaning).into()))
                .collect();
            (
                (*group).to_owned(),
                json!({"description": description, "keys": keys}),
            )
        })
        .collect();
    json!({"object": "system_permissions", "attributes": {"permissions": groups}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_catalogue_has_every_name_with_its_meaning() {
        let all = permissions();
        let groups = &all["attributes"]["permissions"];
        assert!(groups["control"]["keys"]["console"].is_string());
        assert!(groups["websocket"]["keys"]["connect"].is_string());
    }
}
