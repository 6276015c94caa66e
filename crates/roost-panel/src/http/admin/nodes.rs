//! Nodes.

use crate::{
    http::{Admin, ApiError, Body, Identity, problem::ApiResult},
    panel::App,
    service::nodes::{self, ConfigSettings},
    store::NodeRow,
};
use axum::{
    Json,
    extract::{Path, Query, State},
    response::IntoResponse,
};
use futures_util::future::join_all;
use http::{StatusCode, header};
use roost_wire::{
    admin_api::{NewNode, Node},
    node_api::SystemInfo,
    origin::Origin,
};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct Reveal {
    #[serde(default)]
    reveal: bool,
}

#[derive(Deserialize)]
pub(super) struct Force {
    #[serde(default)]
    force: bool,
}

fn shape(node: NodeRow, servers: i64) -> Node {
    Node {
        uuid: node.uuid,
        name: node.name,
        address: node.address,
        internal_address: node.internal_address,
        token_id: node.token_id,
        token: None,
        servers: servers.unsigned_abs(),
        reachable: None,
        version: None,
        is_roost: None,
    }
}

/// The node inside `roost up` has no address of its own: it is where the panel is.
fn placed(app: &App, who: &Identity, mut node: Node) -> Node {
    if node.address.is_empty() && node.name == nodes::LOCAL && app.options.local_listen.is_some() {
        node.address = who.panel_address(app);
    }
    node
}

fn with_answer(mut node: Node, answer: Option<SystemInfo>) -> Node {
    node.reachable = Some(answer.is_some());
    if let Some(info) = answer {
        node.is_roost = Some(info.roost.is_some());
        node.version = Some(info.roost.unwrap_or(info.version));
    }
    node
}

/// All of them; each is asked whether it is there, all at the same time.
pub(super) async fn list(State(app): State<App>, Admin(who): Admin) -> ApiResult<Json<Vec<Node>>> {
    let counts = app.store.servers_per_node().await?;
    let of = |uuid| {
        counts
            .iter()
            .find(|(node, _)| *node == uuid)
            .map_or(0, |(_, count)| *count)
    };
    let rows = app.store.nodes().await?;
    let answers = join_all(rows.iter().map(|node| nodes::ask(&app, node))).await;
    let list = rows.into_iter().zip(answers).map(|(node, answer)| {
        let servers = of(node.uuid);
        with_answer(placed(&app, &who, shape(node, servers)), answer)
    });
    Ok(Json(list.collect()))
}

pub(super) async fn create(
    State(app): State<App>,
    Admin(who): Admin,
    Body(new): Body<NewNode>,
) -> ApiResult<Json<Node>> {
    Ok(Json(shape(nodes::add(&app, &who.actor(), &new).await?, 0)))
}

pub(super) async fn show(
    State(app): State<App>,
    Admin(who): Admin,
    Path(name): Path<String>,
    Query(wanted): Query<Reveal>,
) -> ApiResult<Json<Node>> {
    let node = nodes::by_name(&app, &name).await?;
    let token = match wanted.reveal {
        true => Some(nodes::reveal(&app, &who.actor(), &node).await?),
        false => None,
    };
    let servers = app.store.count_servers_of_node(node.uuid).await?;
    let answer = nodes::ask(&app, &node).await;
    let mut shown = with_answer(placed(&app, &who, shape(node, servers)), answer);
    shown.token = token;
    Ok(Json(shown))
}

pub(super) async fn config(
    State(app): State<App>,
    Admin(who): Admin,
    Path(name): Path<String>,
    Query(wanted): Query<Reveal>,
) -> ApiResult<impl IntoResponse> {
    let node = nodes::by_name(&app, &name).await?;
    if node.address.is_empty() {
        return Err(ApiError::new(
            409,
            format!(
                "{} runs inside `roost up`, which starts it with its settings: it has no config.yml.",
                node.name
            ),
        ));
    }
    let token = match wanted.reveal {
        true => Some(nodes::reveal(&app, &who.actor(), &node).await?),
        false => None,
    };
    let remote = who.panel_address(&app);
    let text = nodes::config_text(
        &node,
        &ConfigSettings {
            token: token.as_deref(),
            remote: &remote,
            allowed_origins: &origins(&app, &remote),
            is_guess: app.options.public_url.is_none(),
        },
    );
    Ok(([(header::CONTENT_TYPE, "text/yaml; charset=utf-8")], text))
}

/// Whose pages may open the node's sockets: this panel's, and those that it allows. Stock daemons compare texts, so a
/// loopback address stands there under each of its names: `roost up` tells people `localhost`.
fn origins(app: &App, remote: &str) -> Vec<String> {
    let own = Origin::parse(remote).map_or_else(
        |_| vec![remote.to_owned()],
        |origin| origin.same_places().iter().map(Origin::to_string).collect(),
    );
    let mut origins: Vec<String> = Vec::new();
    for origin in own
        .into_iter()
        .chain(app.options.allowed_origins.iter().map(Origin::to_string))
    {
        if !origins.contains(&origin) {
            origins.push(origin);
        }
    }
    origins
}

/// `reachable` says whether the node took the new secret by itself.
pub(super) async fn rotate(
    State(app): State<App>,
    Admin(who): Admin,
    Path(name): Path<String>,
) -> ApiResult<Json<Node>> {
    let (node, taken) = nodes::rotate(&app, &who.actor(), &name).await?;
    let servers = app.store.count_servers_of_node(node.uuid).await?;
    Ok(Json(with_answer(shape(node, servers), taken)))
}

pub(super) async fn remove(
    State(app): State<App>,
    Admin(who): Admin,
    Path(name): Path<String>,
    Query(wanted): Query<Force>,
) -> ApiResult<StatusCode> {
    nodes::remove(&app, &who.actor(), &name, wanted.force).await?;
    Ok(StatusCode::NO_CONTENT)
}
