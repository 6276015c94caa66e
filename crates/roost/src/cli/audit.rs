//! `roost audit`.

use super::{Context, when};
use crate::{
    args::Audit as Verb,
    client::segment,
    failure::Failure,
    output::{local_time, or_dash, plain},
};
use roost_wire::{
    admin_api::AuditRow,
    clock::{Clock, SystemClock},
};
use std::time::Duration;

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    let Verb::List {
        server,
        user,
        since,
        lines,
        follow,
    } = verb;
    let mut filter = String::new();
    for (name, value) in [("server", &server), ("user", &user)] {
        if let Some(value) = value {
            filter.push_str(&format!("&{name}={}", segment(value)));
        }
    }
    let since = since
        .map(|text| when::parse(&text, SystemClock.now()))
        .transpose()?;
    let from = since.map(|ms| format!("&since={ms}")).unwrap_or_default();
    let mut rows: Vec<AuditRow> = cx
        .panel
        .get(&format!(
            "/api/admin/audit?order=desc&lines={lines}{filter}{from}"
        ))
        .await?;
    rows.reverse();
    let mut last = 0;
    loop {
        for row in &rows {
            cx.out.value(row, line)?;
            last = row.id;
        }
        if !follow {
            return Ok(());
        }
        if rows.is_empty() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        rows = cx
            .panel
            .get(&format!(
                "/api/admin/audit?order=asc&after={last}&lines=1000{filter}"
            ))
            .await?;
    }
}

fn line(row: &AuditRow) -> String {
    let details: Vec<String> = row
        .details
        .iter()
        .map(|(k, v)| match v {
            serde_json::Value::String(text) => format!("{k}={}", plain(text)),
            other => format!("{k}={}", plain(&other.to_string())),
        })
        .collect();
    format!(
        "{}  {:<28} {:<12} {:<16} {:<15} {:<7} {}",
        local_time(&row.time),
        row.event,
        or_dash(row.user.as_deref()),
        or_dash(row.server.as_deref()),
        or_dash(row.address.as_deref()),
        row.via,
        details.join(" ")
    )
    .trim_end()
    .to_owned()
}
