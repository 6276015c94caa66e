//! `roost socket`.

use super::Context;
use crate::{args::Socket as Verb, client::segment, failure::Failure, output::local_time};
use roost_wire::admin_api::{Node, Socket};

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    match verb {
        Verb::List { server } => {
            let query = server
                .map(|s| format!("?server={}", segment(&s)))
                .unwrap_or_default();
            let sockets: Vec<Socket> = cx.panel.get(&format!("/api/admin/sockets{query}")).await?;
            if !cx.out.json {
                say_who_is_left_out(cx).await?;
            }
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

/// Stock daemons have no list of their consoles: an empty table would look like nobody watching.
async fn say_who_is_left_out(cx: &Context) -> Result<(), Failure> {
    let nodes: Vec<Node> = cx.panel.get("/api/admin/nodes").await?;
    for node in nodes {
        let name = &node.name;
        if node.is_roost == Some(false) {
            cx.out.line(&format!(
                "{name} runs another daemon, which tells no live consoles. Who was let in: roost audit list"
            ))?;
        } else if node.reachable == Some(false) && node.servers > 0 {
            cx.out.line(&format!(
                "{name} does not answer: its live consoles are not listed."
            ))?;
        }
    }
    Ok(())
}
