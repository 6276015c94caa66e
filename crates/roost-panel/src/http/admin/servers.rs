//! Servers.

use crate::{
    http::{Admin, ApiError, Body, Identity, allowed::server_ref, problem::ApiResult},
    panel::App,
    service::servers::{self, Changed, live},
    store::{ServerRow, VisibleServers},
};
use axum::{
    Json,
    extract::{FromRequestParts, Query, State},
};
use http::{StatusCode, request::Parts};
use roost_wire::{
    admin_api::{EraseRequest, Erased, NewServer, Server, ServerPatch},
    clock::rfc3339,
};
use serde::Deserialize;

/// Servers that are read from the store at a time.
const PAGE: i64 = 500;

/// An administrator, and the server that the path names.
pub(super) struct Named {
    pub(super) who: Identity,
    pub(super) server: ServerRow,
}

impl FromRequestParts<App> for Named {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> ApiResult<Self> {
        let Admin(who) = Admin::from_request_parts(parts, app).await?;
        let named = server_ref(parts, app).await?;
        let server = app.store.server(&named).await?.ok_or_else(|| {
            ApiError::new(
                404,
                format!("There is no server `{named}`. `roost server list` shows them."),
            )
        })?;
        Ok(Self { who, server })
    }
}

#[derive(Deserialize)]
pub(super) struct Force {
    #[serde(default)]
    force: bool,
}

fn shape(row: ServerRow, live: live::Live, mut warnings: Vec<String>) -> Server {
    let (state, stats, roost) = match live {
        Ok(detail) => (
            Some(detail.state),
            Some(detail.utilization),
            detail.roost.clone().unwrap_or_default(),
        ),
        Err(why) => {
            warnings.push(format!("Its state is not known. {}", with_full_stop(&why)));
            (None, None, roost_wire::node_api::RoostDetail::default())
        }
    };
    for sentence in roost.not_enforced {
        if !warnings.contains(&sentence) {
            warnings.push(sentence);
        }
    }
    Server {
        uuid: row.uuid,
        identifier: row.identifier,
        name: row.name,
        owner: row.owner_name,
        node: row.node_row.map(|n| n.name),
        runtime: row.runtime,
        command: row.command,
        image: row.image,
        startup: row.startup,
        pull: row.pull,
        dir: row.dir,
        ports: row.ports,
        memory: row.memory,
        cpu: row.cpu,
        disk: row.disk,
        done: row.done,
        stop: row.stop,
        stop_timeout: row.stop_timeout.unsigned_abs(),
        restart: row.restart,
        env: row.env,
        encoding: row.encoding,
        suspended: row.suspended,
        created_at: rfc3339(row.created_at),
        state,
        stats,
        pid: roost.pid,
        uid: roost.uid,
        directory: roost.directory,
        starts_again_at: roost.starts_again_at,
        warnings,
        last_exit: roost.last_exit,
        last_end: roost.last_end,
    }
}

fn with_full_stop(text: &str) -> String {
    if text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

async fn shown(app: &App, changed: Changed) -> Json<Server> {
    let live = live::of(app, &changed.server).await;
    Json(shape(changed.server, live, changed.warnings))
}

pub(super) async fn list(State(app): State<App>, _: Admin) -> ApiResult<Json<Vec<Server>>> {
    let mut rows = Vec::new();
    loop {
        let offset = i64::try_from(rows.len()).unwrap_or(i64::MAX);
        let page = app.store.servers(VisibleServers::All, "", offset, PAGE).await?;
        let is_last = i64::try_from(page.len()).unwrap_or(0) < PAGE;
        rows.extend(page);
        if is_last {
            break;
        }
    }
    let lives = live::of_all(&app, &rows).await;
    Ok(Json(
        rows.into_iter()
            .zip(lives)
            .map(|(row, live)| shape(row, live, Vec::new()))
            .collect(),
    ))
}

pub(super) async fn create(
    State(app): State<App>,
    Admin(who): Admin,
    Body(new): Body<NewServer>,
) -> ApiResult<Json<Server>> {
    let made = servers::create(&app, &who.actor(), &new).await?;
    Ok(shown(&app, made).await)
}

pub(super) async fn show(State(app): State<App>, named: Named) -> Json<Server> {
    let unchanged = Changed {
        server: named.server,
        warnings: Vec::new(),
    };
    shown(&app, unchanged).await
}

pub(super) async fn change(
    State(app): State<App>,
    named: Named,
    Body(patch): Body<ServerPatch>,
) -> ApiResult<Json<Server>> {
    let changed = servers::change(&app, &named.who.actor(), &named.server, &patch).await?;
    Ok(shown(&app, changed).await)
}

pub(super) async fn remove(
    State(app): State<App>,
    named: Named,
    Query(wanted): Query<Force>,
) -> ApiResult<StatusCode> {
    servers::delete(&app, &named.who.actor(), &named.server, wanted.force).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn suspend(State(app): State<App>, named: Named) -> ApiResult<Json<Server>> {
    let changed = servers::suspend(&app, &named.who.actor(), &named.server, true).await?;
    Ok(shown(&app, changed).await)
}

pub(super) async fn unsuspend(State(app): State<App>, named: Named) -> ApiResult<Json<Server>> {
    let changed = servers::suspend(&app, &named.who.actor(), &named.server, false).await?;
    Ok(shown(&app, changed).await)
}

pub(super) async fn erase(
    State(app): State<App>,
    named: Named,
    Body(wanted): Body<EraseRequest>,
) -> ApiResult<Json<Erased>> {
    Ok(Json(
        servers::erase(&app, &named.who.actor(), &named.server, wanted.before).await?,
    ))
}
