//! `roost socket`.

use super::Context;
use crate::{args::Socket as Verb, client::segment, failure::Failure, output::local_time};
use roost_wire::admin_api::Socket;

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    match verb {
        Verb::List { server } => {
            let query = server
                .map(|s| format!("?server={}", segment(&s)))
                .unwrap_or_default();
            let sockets: Vec<Socket> = cx.panel.get(&format!("/api/admin/sockets{query}")).await?;
            cx.out
                .table(&sockets, &["user", "server", "address", "since", "id"], |s| {
                    vec![
                        s.user.clone(),
                        s.server.clone(),
                        s.address.clone(),
                        local_time(&s.since),
                        s.id.to_string(),
                    ]
                })
        }
        Verb::End { id } => {
            cx.panel
                .delete(&format!("/api/admin/sockets/{}", segment(&id)))
                .await?;
            cx.out
                .done("The console has ended.", serde_json::json!({"id": id}))
        }
    }
}
