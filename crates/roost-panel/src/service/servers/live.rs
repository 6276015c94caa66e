//! What nodes say of their servers just now, for administrators.

use crate::{
    node_client::{NodeError, NodeTarget},
    panel::App,
    service::nodes,
    store::ServerRow,
};
use futures_util::stream::{self, StreamExt as _};
use roost_wire::node_api::ServerDetail;
use std::{sync::Arc, time::Duration};
use uuid::Uuid;

/// Servers of which one node is asked at a time.
const AT_ONCE: usize = 16;
/// How old an answer may be in a list.
const FRESH: Duration = Duration::from_millis(50);

/// What a node said of a server, or why it said nothing.
pub type Live = Result<Arc<ServerDetail>, String>;

/// What the server's node says of it now: an administrator looks at what was just done, by whomever.
pub async fn of(app: &App, server: &ServerRow) -> Live {
    match target_of(app, server) {
        Ok(target) => app
            .node_client
            .server_at_most(&target, server.uuid, Duration::ZERO)
            .await
            .map_err(|e| e.detail()),
        Err(why) => Err(why),
    }
}

/// The same for many: nodes are asked all at once, each for a few servers at a time, and one that is away only once.
pub async fn of_all(app: &App, servers: &[ServerRow]) -> Vec<Live> {
    let mut by_node: Vec<(Option<Uuid>, Vec<usize>)> = Vec::new();
    for (index, server) in servers.iter().enumerate() {
        match by_node.iter_mut().find(|(node, _)| *node == server.node) {
            Some((_, indices)) => indices.push(index),
            None => by_node.push((server.node, vec![index])),
        }
    }
    let asked = by_node
        .iter()
        .map(|(_, indices)| of_one_node(app, servers, indices));
    let mut found: Vec<(usize, Live)> = futures_util::future::join_all(asked)
        .await
        .into_iter()
        .flatten()
        .collect();
    found.sort_by_key(|(index, _)| *index);
    found.into_iter().map(|(_, live)| live).collect()
}

async fn of_one_node(app: &App, servers: &[ServerRow], indices: &[usize]) -> Vec<(usize, Live)> {
    let Some((&first, rest)) = indices.split_first() else {
        return Vec::new();
    };
    let target = match target_of(app, &servers[first]) {
        Ok(target) => target,
        Err(why) => return indices.iter().map(|i| (*i, Err(why.clone()))).collect(),
    };
    let ask = |index: usize| {
        let target = target.clone();
        async move {
            (
                index,
                app.node_client
                    .server_at_most(&target, servers[index].uuid, FRESH)
                    .await,
            )
        }
    };
    let (_, answer) = ask(first).await;
    let is_away = matches!(answer, Err(NodeError::Away { .. }));
    let mut found = vec![(first, answer.map_err(|e| e.detail()))];
    if is_away {
        let why = found[0].1.clone().err().unwrap_or_default();
        found.extend(rest.iter().map(|i| (*i, Err(why.clone()))));
    } else {
        let mut answers = stream::iter(rest.iter().copied().map(ask)).buffer_unordered(AT_ONCE);
        while let Some((index, answer)) = answers.next().await {
            found.push((index, answer.map_err(|e| e.detail())));
        }
    }
    found
}

/// Where the server's node is.
pub(super) fn target_of(app: &App, server: &ServerRow) -> Result<NodeTarget, String> {
    let Some(node) = &server.node_row else {
        return Err("It has no node: give it one with `roost server set SERVER --node NODE`.".to_owned());
    };
    match nodes::target(app, node) {
        Ok(Some(target)) => Ok(target),
        Ok(None) => Err(format!("Its node {} has no address.", node.name)),
        Err(error) => Err(error.to_string()),
    }
}
