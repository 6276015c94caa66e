//! Whose a server is, and on which node it can be.

use crate::{
    node_client::NodeTarget,
    panel::App,
    service::{
        Result, ServiceError,
        accounts::{self, CLI},
        audit::Actor,
        nodes::{self, LOCAL},
        settings,
    },
    store::{NodeRow, ServerRow, UserRow},
};
use roost_wire::{
    encoding::Encoding,
    remote::{RestartPolicy, Runtime},
};

use super::create::STOP_TIMEOUT;

/// Signals that every daemon sends when it is asked for them, or for which it has something as good.
const SIGNALS_KNOWN: [&str; 4] = ["SIGINT", "SIGTERM", "SIGQUIT", "SIGKILL"];

/// The owner by name; where none is named, whoever asks, and for the command line the first administrator.
pub(super) async fn owner(app: &App, actor: &Actor, named: Option<&str>) -> Result<UserRow> {
    if let Some(name) = named {
        return accounts::by_name(app, name).await;
    }
    let asking = actor
        .user
        .as_ref()
        .map(|(uuid, _)| *uuid)
        .filter(|uuid| *uuid != CLI);
    if let Some(uuid) = asking
        && let Some(user) = app.store.user(uuid).await?
    {
        return Ok(user);
    }
    let first = app
        .store
        .users()
        .await?
        .into_iter()
        .filter(|u| u.admin)
        .min_by_key(|u| u.number);
    first.ok_or_else(|| {
        ServiceError::Invalid("owner: there is no administrator yet; name somebody.".to_owned())
    })
}

/// The node by name; where none is named, the only one, else `local`.
pub(super) async fn node(app: &App, named: Option<&str>) -> Result<NodeRow> {
    if let Some(name) = named {
        return nodes::by_name(app, name).await;
    }
    let mut all = app.store.nodes().await?;
    if all.len() == 1 {
        return Ok(all.remove(0));
    }
    if let Some(local) = all.iter().find(|n| n.name == LOCAL) {
        return Ok(local.clone());
    }
    let names: Vec<&str> = all.iter().map(|n| n.name.as_str()).collect();
    Err(ServiceError::Invalid(if names.is_empty() {
        "node: there is none yet; add one with `roost node add`.".to_owned()
    } else {
        format!("node: there are several, name one of {}.", names.join(", "))
    }))
}

/// The node that a server without one is to get.
pub(super) async fn new_node(app: &App, server: &ServerRow, named: Option<&str>) -> Result<Option<NodeRow>> {
    let Some(name) = named else { return Ok(None) };
    let node = nodes::by_name(app, name).await?;
    match &server.node_row {
        None => Ok(Some(node)),
        Some(own) if own.uuid == node.uuid => Ok(None),
        Some(own) => Err(ServiceError::Invalid(format!(
            "node: {} is on {} and can't be moved.",
            server.identifier, own.name
        ))),
    }
}

/// Whether this node can run this server, by asking the node; gives what the administrator should know.
pub(super) async fn fits(app: &App, node: &NodeRow, server: &ServerRow) -> Result<(NodeTarget, Vec<String>)> {
    let target = nodes::target(app, node)?
        .ok_or_else(|| ServiceError::Node(format!("The node {} has no address.", node.name)))?;
    let system = app.node_client.system(&target).await.map_err(|error| {
        ServiceError::Node(format!(
            "The node {} could not be asked: {}.",
            node.name,
            error.detail()
        ))
    })?;
    if system.roost.is_some() {
        return Ok((target, long_stop(server)));
    }
    if server.runtime == Runtime::Process {
        return Err(ServiceError::Invalid(format!(
            "image: --image is needed on a node that is not Roost ({} runs another daemon, version {}).",
            node.name, system.version
        )));
    }
    if server.dir.is_some() {
        return Err(ServiceError::Invalid(format!(
            "dir: only Roost's own node takes a directory ({} runs another daemon).",
            node.name
        )));
    }
    Ok((target, done_otherwise(&node.name, server)))
}

/// A stop for which the unit of the documentation does not leave the time.
fn long_stop(server: &ServerRow) -> Vec<String> {
    let secs = server.stop_timeout;
    let warning = format!(
        "Its stop may take {secs} s: let TimeoutStopSec of Roost's unit be longer than that, or systemd ends it when the \
         machine goes down."
    );
    (secs > STOP_TIMEOUT).then_some(warning).into_iter().collect()
}

/// What a daemon that is not Roost's does in another way than it was asked for.
fn done_otherwise(node: &str, server: &ServerRow) -> Vec<String> {
    let mut warnings = Vec::new();
    if !server.command.is_empty() {
        warnings.push(format!(
            "{node} is not a Roost node: the image's own program runs there, and finds the command in STARTUP."
        ));
    }
    if server.stop_timeout != STOP_TIMEOUT {
        warnings.push(format!(
            "{node} is not a Roost node: when a stop turns into a kill is fixed there (Wings: after 10 minutes); it is not \
             after {} s.",
            server.stop_timeout
        ));
    }
    if server.restart == RestartPolicy::Always {
        warnings.push(format!(
            "{node} is not a Roost node: its own crash detection decides what follows an exit with code 0; only `never` \
             holds there."
        ));
    }
    if server.encoding != Encoding::Utf8 {
        warnings.push(format!(
            "{node} is not a Roost node: it takes what the server writes for UTF-8, not for {}.",
            server.encoding
        ));
    }
    let stop = settings::stop(server.stop.as_deref());
    if let ("signal", Some(signal)) = (stop.kind.as_str(), stop.value.as_deref())
        && !SIGNALS_KNOWN.contains(&signal)
    {
        warnings.push(format!(
            "{node} is not a Roost node: it does not send {signal}. The server gets its image's stop signal or is killed; \
             a command, ^C or ^SIGTERM works."
        ));
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;
    use roost_wire::remote::Pull;
    use std::collections::BTreeMap;

    #[test]
    fn what_a_stock_daemon_does_otherwise_is_said() {
        let said = |stop: Option<&str>, stop_timeout, restart| {
            let server = ServerRow {
                number: 1,
                uuid: uuid::Uuid::from_u128(1),
                identifier: "lobby".to_owned(),
                name: "Lobby".to_owned(),
                description: String::new(),
                owner: uuid::Uuid::from_u128(2),
                owner_name: "ada".to_owned(),
                node: None,
                node_row: None,
                runtime: Runtime::Docker,
                command: Vec::new(),
                image: Some("debian:12".to_owned()),
                startup: None,
                pull: Pull::Missing,
                dir: None,
                ports: Vec::new(),
                memory: 0,
                cpu: 0,
                disk: 0,
                done: None,
                stop: stop.map(str::to_owned),
                stop_timeout,
                restart,
                env: BTreeMap::new(),
                encoding: Encoding::default(),
                suspended: false,
                status: None,
                state: None,
                created_at: 0,
                updated_at: 0,
            };
            done_otherwise("far", &server).join(" ")
        };
        let usual = RestartPolicy::OnFailure;
        assert_eq!(said(Some("stop"), 600, usual), "");
        assert_eq!(said(Some("^C"), 600, RestartPolicy::Never), "");
        assert_eq!(said(Some("^SIGTERM"), 600, usual), "");
        assert!(said(None, 30, usual).contains("not after 30 s"));
        assert!(said(Some("^SIGHUP"), 600, usual).contains("does not send SIGHUP"));
        assert!(said(None, 600, RestartPolicy::Always).contains("crash detection"));
    }
}
