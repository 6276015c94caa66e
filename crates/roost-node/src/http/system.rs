//! `GET /api/system`: what machine this is. Also how a panel finds out that the node is Roost's.

use crate::node::Node;
use axum::{
    Json,
    extract::{Query, State},
};
use roost_wire::{node_api::SystemInfo, power::PowerState};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
pub(super) struct Form {
    v: Option<String>,
}

/// The stock short form, or with `?v=2` the long one.
pub(super) async fn show(State(node): State<Node>, Query(form): Query<Form>) -> Json<Value> {
    let info = info();
    if form.v.as_deref() != Some("2") {
        return Json(json!(info));
    }
    let servers = node.servers().all();
    let running = servers
        .iter()
        .filter(|server| server.view.borrow().state != PowerState::Offline)
        .count();
    Json(json!({
        "version": info.version,
        "roost": info.roost,
        "docker": {
            "version": "",
            "cgroups": {"driver": "", "version": ""},
            "containers": {"total": servers.len(), "running": running, "paused": 0, "stopped": servers.len() - running},
            "storage": {"driver": "", "filesystem": ""},
            "runc": {"version": ""},
        },
        "system": {
            "architecture": info.architecture,
            "cpu_threads": info.cpu_count,
            "memory_bytes": memory_bytes(),
            "kernel_version": info.kernel_version,
            "os": info.os,
            "os_type": "linux",
        },
    }))
}

fn info() -> SystemInfo {
    let version = env!("CARGO_PKG_VERSION");
    SystemInfo {
        architecture: match std::env::consts::ARCH {
            "x86_64" => "amd64",
            "aarch64" => "arm64",
            other => other,
        }
        .to_owned(),
        cpu_count: std::thread::available_parallelism().map_or(1, usize::from),
        kernel_version: rustix::system::uname().release().to_string_lossy().into_owned(),
        os: std::env::consts::OS.to_owned(),
        version: version.to_owned(),
        roost: Some(version.to_owned()),
    }
}

fn memory_bytes() -> u64 {
    let info = rustix::system::sysinfo();
    #[expect(
        clippy::unnecessary_cast,
        reason = "the width of these fields differs between machines"
    )]
    let bytes = (info.totalram as u64).saturating_mul(u64::from(info.mem_unit));
    bytes
}
