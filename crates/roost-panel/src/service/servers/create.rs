//! Making a server: checked, given a name and a place, taken on by its node, or nothing at all.

use super::{Changed, check, from_node, not_enforced, place, reload};
use crate::{
    node_client::NodeError,
    panel::App,
    service::{
        Result, ServiceError,
        audit::{Actor, entry},
        secrets::random_uuid,
    },
    store::{ServerRow, StoreError, Tx},
};
use roost_wire::{
    admin_api::NewServer,
    encoding::Encoding,
    id::{BadIdentifier, check_identifier, identifier_from_name},
    node_api::CreateServer,
    remote::{Pull, RestartPolicy, Runtime},
};
use std::collections::BTreeMap;

/// Seconds before stop turns into kill, where nobody says.
pub(super) const STOP_TIMEOUT: i64 = 600;
/// Times that a new UUID is tried where another server has the same first digits.
const UUID_TRIES: usize = 8;
/// Numbers that are tried behind a name before it is given up.
const NAME_TRIES: usize = 1_000;

/// Makes a server and has its node take it on. If the node does not, nothing is left of it here.
pub async fn create(app: &App, actor: &Actor, new: &NewServer) -> Result<Changed> {
    let name = check::name(&new.name)?;
    match (&new.identifier, check_identifier(&name.to_ascii_lowercase())) {
        (Some(identifier), _) => {
            check_identifier(identifier).map_err(|e| ServiceError::Invalid(format!("identifier: {e}.")))?;
        }
        // What is made of the name would not be what was asked for.
        (None, Err(error @ (BadIdentifier::LooksLikeUuid | BadIdentifier::Reserved))) => {
            return Err(ServiceError::Invalid(format!(
                "name: {error}. Choose another one."
            )));
        }
        (None, _) => {}
    }
    let now = app.now();
    let owner = place::owner(app, actor, new.settings.owner.as_deref()).await?;
    let mut server = ServerRow {
        number: 0,
        uuid: random_uuid()?,
        identifier: new.identifier.clone().unwrap_or_default(),
        name,
        description: String::new(),
        owner: owner.uuid,
        owner_name: owner.name,
        node: None,
        node_row: None,
        runtime: Runtime::Process,
        command: Vec::new(),
        image: None,
        startup: None,
        pull: Pull::Missing,
        dir: None,
        ports: Vec::new(),
        memory: 0,
        cpu: 0,
        disk: 0,
        done: None,
        stop: None,
        stop_timeout: STOP_TIMEOUT,
        restart: RestartPolicy::default(),
        env: BTreeMap::new(),
        encoding: Encoding::default(),
        suspended: false,
        status: None,
        state: None,
        created_at: now,
        updated_at: now,
    };
    check::apply(&mut server, &new.settings)?;
    let node = place::node(app, new.settings.node.as_deref()).await?;
    let (target, mut warnings) = place::fits(app, &node, &server).await?;
    server.node = Some(node.uuid);
    server.node_row = Some(node);
    insert(app, actor, &mut server, new).await?;
    let request = CreateServer {
        uuid: server.uuid,
        start_on_completion: new.start,
        skip_scripts: true,
        chown: new.settings.chown == Some(true),
    };
    if let Err(error) = app.node_client.create(&target, &request).await {
        take_back(app, actor, &server, &error).await?;
        return Err(from_node(&server, &error));
    }
    warnings.extend(not_enforced(app, &server).await);
    let server = reload(app, &server).await?;
    Ok(Changed { server, warnings })
}

/// Adds the row. A UUID whose first digits another server has is replaced, a name that is taken gets a number.
async fn insert(app: &App, actor: &Actor, server: &mut ServerRow, new: &NewServer) -> Result<()> {
    for _ in 0..UUID_TRIES {
        let mut tx = app.store.begin().await?;
        if new.identifier.is_none() {
            server.identifier = free_identifier(&mut tx, &server.name).await?;
        } else if tx.identifier_taken(&server.identifier).await? {
            return Err(ServiceError::Conflict(format!(
                "identifier: there is a server `{}` already.",
                server.identifier
            )));
        }
        match tx.insert_server(server).await {
            Ok(()) => {
                let row = entry(app, actor, "server:create")
                    .on(server)
                    .with("owner", server.owner_name.as_str());
                tx.audit(&row).await?;
                tx.commit().await?;
                return Ok(());
            }
            Err(StoreError::Conflict) => {
                drop(tx);
                server.uuid = random_uuid()?;
            }
            Err(StoreError::Dependent) => {
                return Err(ServiceError::Conflict(
                    "Its owner or its node was removed at this moment.".to_owned(),
                ));
            }
            Err(other) => return Err(other.into()),
        }
    }
    Err(ServiceError::Conflict(
        "Another server of that name was made at this moment. Try again.".to_owned(),
    ))
}

async fn free_identifier(tx: &mut Tx, name: &str) -> Result<String> {
    let base = identifier_from_name(name);
    if !tx.identifier_taken(&base).await? {
        return Ok(base);
    }
    for number in 2..NAME_TRIES {
        let candidate = format!("{base}-{number}");
        if check_identifier(&candidate).is_ok() && !tx.identifier_taken(&candidate).await? {
            return Ok(candidate);
        }
    }
    Err(ServiceError::Conflict(format!(
        "identifier: `{base}` and the numbers behind it are taken; choose one."
    )))
}

async fn take_back(app: &App, actor: &Actor, server: &ServerRow, error: &NodeError) -> Result<()> {
    let mut tx = app.store.begin().await?;
    tx.delete_server(server.uuid).await?;
    let row = entry(app, actor, "server:delete")
        .on(server)
        .with("reason", error.to_string());
    tx.audit(&row).await?;
    tx.commit().await?;
    Ok(())
}
