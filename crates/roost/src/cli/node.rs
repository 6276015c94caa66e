//! `roost node`.

use super::Context;
use crate::{args::Node as Verb, client::segment, failure::Failure, output::or_dash};
use roost_wire::admin_api::{NewNode, Node};

/// Runs one verb.
pub async fn run(verb: Verb, cx: &Context) -> Result<(), Failure> {
    match verb {
        Verb::Add {
            name,
            address,
            internal_address,
        } => {
            let node: Node = cx
                .panel
                .post(
                    "/api/admin/nodes",
                    &NewNode {
                        name,
                        address,
                        internal_address,
                    },
                )
                .await?;
            cx.out.value(&node, |n| {
                format!(
                    "Node {} is there. On its machine, put what `roost node config {} --reveal-token` prints into a file and run `roost daemon --config FILE` (or stock Wings with it).",
                    n.name, n.name
                )
            })
        }
        Verb::List => {
            let nodes: Vec<Node> = cx.panel.get("/api/admin/nodes").await?;
            cx.out
                .table(&nodes, &["name", "address", "servers", "uuid"], |n| {
                    vec![
                        n.name.clone(),
                        or_dash(Some(&n.address)),
                        n.servers.to_string(),
                        n.uuid.to_string(),
                    ]
                })
        }
        Verb::Show { name, reveal_token } => {
            let path = format!("/api/admin/nodes/{}?reveal={reveal_token}", segment(&name));
            let node: Node = cx.panel.get(&path).await?;
            cx.out.value(&node, show)
        }
        Verb::Config { name, reveal_token } => {
            let path = format!("/api/admin/nodes/{}/config?reveal={reveal_token}", segment(&name));
            let answer = cx
                .panel
                .send(http::Method::GET, &path, None)
                .await?
                .ok(&cx.panel)?;
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            cx.out
                .value(&serde_json::json!({"config": text}), |_| text.clone())
        }
        Verb::Rotate { name } => {
            let path = format!("/api/admin/nodes/{}/rotate", segment(&name));
            let node: Node = cx.panel.post(&path, &serde_json::json!({})).await?;
            cx.out.value(&node, rotated)
        }
        Verb::Remove { name, force } => {
            cx.panel
                .delete(&format!("/api/admin/nodes/{}?force={force}", segment(&name)))
                .await?;
            cx.out.done(
                &format!("Node {name} is removed."),
                serde_json::json!({"node": name}),
            )
        }
    }
}

/// What is left to do after a new secret.
fn rotated(n: &Node) -> String {
    let name = &n.name;
    match (n.reachable, n.is_roost) {
        (Some(true), Some(true)) => format!("{name} has a new secret and uses it."),
        // Stock daemons check consoles and the panel by it at once, and go on calling with the one they started with.
        (Some(true), _) => format!(
            "{name} has a new secret and has written it into its config.yml. It calls the panel with the old one until it is started anew: do so within 15 minutes, for so long the old one is valid. Its servers run on meanwhile."
        ),
        _ => format!(
            "{name} has a new secret, which the node did not take by itself. The old one is valid for 15 minutes more: put what `roost node config {name} --reveal-token` prints into its config.yml and start it anew within that time."
        ),
    }
}

fn show(node: &Node) -> String {
    let state = match (node.reachable, node.version.as_deref()) {
        (Some(true), version) => format!("answers, version {}", version.unwrap_or("unknown")),
        (Some(false), _) => "does not answer".to_owned(),
        (None, _) => "not asked".to_owned(),
    };
    let mut lines = vec![
        format!("name      {}", node.name),
        format!("uuid      {}", node.uuid),
        format!("address   {}", or_dash(Some(&node.address))),
    ];
    if let Some(internal) = &node.internal_address {
        lines.push(format!("internal  {internal}"));
    }
    lines.push(format!("token id  {}", node.token_id));
    if let Some(token) = &node.token {
        lines.push(format!("token     {token}"));
    }
    lines.push(format!("servers   {}", node.servers));
    lines.push(format!("state     {state}"));
    lines.join("\n")
}
