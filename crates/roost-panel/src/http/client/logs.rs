//! `GET /api/client/servers/{server}/logs?after=SEQ&lines=N&wait=SECONDS`: lines of the journal, also of a server that
//! is offline, for whoever may open its console.
//!
//! Without `after` the last `lines` (1 to 10,000, default 100). `before` pages back. `stream` names the journal that a
//! number belongs to. `wait` (0 to 30) waits for a first line. A subuser's lines begin at his grant, unless he holds
//! `console.history`. Where the installer's lines are not for him, `from`, `next`, `begin` and `end` still tell what a page
//! covers, so that he can go on behind a page that shows nothing. `GET .../logs/search` looks for lines, within the same bounds.

use super::{node_problem, query::Asked};
use crate::{
    http::{Allowed, ApiError, allowed::OpenConsole},
    node_client::{LINES_MAX, NodeError},
    panel::App,
};
use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use http::request::Parts;
use roost_wire::node_api::{JournalPage, JournalQuery, SearchPage, SearchQuery, Source};

/// The handler.
pub async fn read(
    State(app): State<App>,
    allowed: Allowed<OpenConsole>,
    asked: Asked,
    parts: Parts,
) -> Result<Json<JournalPage>, ApiError> {
    allowed.require_not_suspended()?;
    let query = JournalQuery {
        stream: asked.parsed("stream", "the UUID of a journal")?,
        after: asked.parsed("after", "a sequence number")?,
        before: asked.parsed("before", "a sequence number")?,
        lines: asked
            .parsed::<u32>("lines", "a number from 1 to 10000")?
            .map(|n| n.clamp(1, LINES_MAX)),
        wait: asked
            .parsed::<u32>("wait", "a number of seconds from 0 to 30")?
            .map(|n| n.min(30)),
        since: allowed.access.history_from,
    };
    if query.after.is_some() && query.before.is_some() {
        return Err(ApiError::new(
            400,
            "Give `after` to go on or `before` to page back, not both.",
        ));
    }
    let target = node_problem::target(&app, &allowed)?;
    let page = app
        .node_client
        .journal(&target, allowed.server.uuid, &query)
        .await;
    let mut page = match page {
        Ok(page) => page,
        Err(error) => return Err(problem(&app, &allowed, &error).await),
    };
    if query.wait.is_some_and(|seconds| seconds > 0) {
        still_allowed(&app, parts, &allowed).await?;
    }
    if !allowed.access.rights.sees_install() {
        page.data.retain(|line| line.source != Source::Install);
    }
    Ok(Json(page))
}

/// `GET .../logs/search`: lines that match, newest first.
pub async fn search(
    State(app): State<App>,
    allowed: Allowed<OpenConsole>,
    asked: Asked,
) -> Result<Json<SearchPage>, ApiError> {
    allowed.require_not_suspended()?;
    let text = |name: &str| asked.get(name).map(str::to_owned);
    let source = match asked.get("source").filter(|word| !word.is_empty()) {
        None => None,
        Some("output") => Some(Source::Output),
        Some("daemon") => Some(Source::Daemon),
        Some("install") => Some(Source::Install),
        Some(_) => {
            return Err(ApiError::new(
                400,
                "`source` in the address must be output, daemon or install.",
            ));
        }
    };
    let query = SearchQuery {
        text: text("text"),
        regex: text("regex"),
        case: asked.parsed("case", "true or false")?.unwrap_or_default(),
        since: asked.parsed("since", "a time in milliseconds since 1970")?,
        until: asked.parsed("until", "a time in milliseconds since 1970")?,
        source,
        before: asked.parsed("before", "a sequence number")?,
        lines: asked.parsed("lines", "a number from 1 to 1000")?,
        history_from: allowed.access.history_from,
        install: allowed.access.rights.sees_install(),
    };
    if query.text.is_some() && query.regex.is_some() {
        return Err(ApiError::new(400, "Give `text` or `regex`, not both."));
    }
    if source == Some(Source::Install) && !query.install {
        return Err(ApiError::new(403, "You may not see the installer's output."));
    }
    let target = node_problem::target(&app, &allowed)?;
    match app.node_client.search(&target, allowed.server.uuid, &query).await {
        Ok(page) => Ok(Json(page)),
        Err(error) => Err(problem(&app, &allowed, &error).await),
    }
}

/// Why the journal can't be read.
async fn problem(app: &App, allowed: &Allowed<OpenConsole>, error: &NodeError) -> ApiError {
    let NodeError::UnknownServer { .. } = error else {
        return node_problem::problem(allowed, error);
    };
    // Either the server is not there, or the daemon has no such route.
    let target = match node_problem::target(app, allowed) {
        Ok(target) => target,
        Err(error) => return error,
    };
    match app.node_client.server(&target, allowed.server.uuid).await {
        Ok(_) => ApiError::new(
            501,
            "This server's node is not Roost's: it keeps no journal to read from. Its console shows what the daemon still \
             has: open it in the browser or with `roost attach`.",
        ),
        Err(error) => node_problem::problem(allowed, &error),
    }
}

/// Access may have ended while the node was waiting for a line: all of it is looked up again.
async fn still_allowed(app: &App, mut parts: Parts, before: &Allowed<OpenConsole>) -> Result<(), ApiError> {
    let now = Allowed::<OpenConsole>::from_request_parts(&mut parts, app).await?;
    now.require_not_suspended()?;
    if now.access == before.access {
        Ok(())
    } else {
        Err(ApiError::new(
            403,
            "Your access to this server has changed: ask again.",
        ))
    }
}
