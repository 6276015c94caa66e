//! Access that ends: nodes are told, until each has confirmed, to end its sockets and refuse the tokens it has seen.
//!
//! ```text
//!   change ── queue() in its transaction ── commit ── wake()
//!                                                       │
//!   task:  due rows ── one worker a node ── told ──► row goes
//!                            └── away ──► again after 0.5, 1, 2 ... 30 s; given up when the tokens are over
//! ```
//!
//! A change that takes access away calls [`queue`] in its own transaction and [`Revocations::wake`] after the commit.
//! One node that hangs holds up no other.

mod tell;
#[cfg(test)]
mod tests;

use super::{Result, ServiceError};
use crate::{
    panel::App,
    store::{NewRevocation, RevocationRow, ServerRow, StoreError, Tx},
};
use roost_wire::{
    clock::Millis,
    node_api::DeauthorizeUser,
    token::{LEEWAY_SECS, LIFETIME_SECS},
};
use std::{
    collections::HashSet,
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};
use tell::Listener;
use tokio::{sync::Notify, task::JoinSet};
use uuid::Uuid;

/// Rows that are read at a time.
const ROWS: i64 = 1_000;
/// The longest time without a look: another panel's rows are taken up when that one is gone.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// First pause before a node is told again, in milliseconds; it doubles up to the second.
const PAUSE: (i64, i64) = (500, 30_000);
/// After so many milliseconds no token lives that a node would have to refuse.
const GIVEN_UP_AFTER: Millis = (LIFETIME_SECS + LEEWAY_SECS) * 1000;

/// Milliseconds that a commit takes at most.
const COMMIT_TAKES: Millis = 1_000;

/// What of a user's access ends.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// On this server.
    Server(&'a ServerRow),
    /// What this session or key opened, on all servers.
    Credential(&'a str),
    /// All of it. To be called while his sessions and keys are still there.
    Everything,
}

/// Notes, in this change, what the nodes have to be told about `user`.
pub async fn queue(app: &App, tx: &mut Tx, user: Uuid, scope: Scope<'_>) -> Result<()> {
    let (nodes, server, credentials) = match scope {
        Scope::Server(server) => (server.node.into_iter().collect(), Some(server.uuid), vec![None]),
        Scope::Credential(id) => (tx.node_ids().await?, None, vec![Some(id.to_owned())]),
        Scope::Everything => {
            // Some daemons know tokens by the session or key only, and those are gone when they are told.
            let mut credentials: Vec<_> = tx.credentials_of(user).await?.into_iter().map(Some).collect();
            credentials.insert(0, None);
            (tx.node_ids().await?, None, credentials)
        }
    };
    for node in nodes {
        for credential in &credentials {
            let new = NewRevocation {
                node,
                user,
                server,
                credential: credential.clone(),
            };
            tx.insert_revocation(&new, app.now()).await?;
        }
    }
    Ok(())
}

/// What a node that comes back has missed. It is told all the same, until it confirms.
pub async fn missed_by(app: &App, node: Uuid) -> Result<Vec<DeauthorizeUser>> {
    let rows = app.store.revocations_of(node, ROWS).await?;
    Ok(rows
        .iter()
        .map(|row| app.revocations.order(row, app.now()))
        .collect())
}

/// Wakes the task that tells the nodes.
#[derive(Debug, Default)]
pub struct Revocations {
    due: Notify,
    /// When a change was last committed, in milliseconds since the epoch.
    committed: AtomicI64,
}

impl Revocations {
    /// There is something to tell. To be called after the commit and before the answer.
    pub fn wake(&self, now: Millis) {
        self.committed.fetch_max(now, Ordering::Relaxed);
        self.due.notify_one();
    }

    /// A row as Roost's node is told it.
    fn order(&self, row: &RevocationRow, now: Millis) -> DeauthorizeUser {
        DeauthorizeUser {
            user: row.user_uuid,
            servers: row.server().into_iter().collect(),
            credential: row.credential.clone(),
            issued_until: Some(self.issued_until(row, now)),
        }
    }

    /// Up to when the tokens are concerned: to the commit, so that whoever is given a token after the answer gets a good
    /// one, however late the node is told.
    fn issued_until(&self, row: &RevocationRow, now: Millis) -> Millis {
        let committed = self.committed.load(Ordering::Relaxed);
        let until = if committed >= row.created_at {
            committed
        } else {
            now
        };
        until.min(row.created_at + COMMIT_TAKES)
    }
}

/// Starts the task that tells the nodes. It ends with the runtime; what it has not told stands in the store.
pub fn start(app: &App) {
    tokio::spawn(run(app.clone()));
}

async fn run(app: App) {
    let mut workers: JoinSet<Uuid> = JoinSet::new();
    let mut busy: HashSet<Uuid> = HashSet::new();
    loop {
        let wait = match hand_out(&app, &mut workers, &mut busy).await {
            Ok(wait) => wait,
            Err(error) => {
                tracing::warn!(%error, "revocations can't be read from the store; they are read again later");
                Duration::from_secs(1)
            }
        };
        tokio::select! {
            () = app.revocations.due.notified() => {}
            () = tokio::time::sleep(wait) => {}
            Some(done) = workers.join_next() => match done {
                Ok(node) => {
                    busy.remove(&node);
                }
                Err(error) => {
                    tracing::error!(%error, "a revocation worker ended badly");
                    busy.clear();
                }
            },
        }
    }
}

/// Gives due rows to a worker for each node that has none; says when to look again.
async fn hand_out(app: &App, workers: &mut JoinSet<Uuid>, busy: &mut HashSet<Uuid>) -> Result<Duration> {
    let now = app.now();
    let mut due = app.store.due_revocations(now, ROWS).await?;
    while let Some(node) = due
        .iter()
        .map(|row| row.node_uuid)
        .find(|node| !busy.contains(node))
    {
        let (rows, others) = due.into_iter().partition(|row| row.node_uuid == node);
        due = others;
        busy.insert(node);
        workers.spawn(work(app.clone(), node, rows));
    }
    let next = app.store.next_revocation().await?;
    let until = next
        .map(|at| u64::try_from(at - now).unwrap_or(0))
        .map(Duration::from_millis);
    // Rows of a node that is being told are due all the time: the end of its worker is waited for instead.
    let soonest = if busy.is_empty() {
        Duration::from_millis(20)
    } else {
        Duration::from_millis(500)
    };
    Ok(until.unwrap_or(LOOK_EVERY).clamp(soonest, LOOK_EVERY))
}

/// Tells one node, row after row. Where one fails, those behind it wait as long.
async fn work(app: App, node: Uuid, rows: Vec<RevocationRow>) -> Uuid {
    if let Err(error) = tell_all(&app, node, &rows).await {
        if !matches!(error, ServiceError::Store(StoreError::DiskFull)) {
            tracing::error!(%node, %error, "the store could not note which revocations were told; they are told again");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    node
}

async fn tell_all(app: &App, node: Uuid, rows: &[RevocationRow]) -> Result<()> {
    let mut listener = Listener::of(app, node).await;
    for (at, row) in rows.iter().enumerate() {
        let told = match &listener {
            Ok(Some(listener)) => listener.tell(app, row).await,
            // The node is removed.
            Ok(None) => Ok(()),
            Err(_) => match std::mem::replace(&mut listener, Ok(None)) {
                Err(error) => Err(error),
                Ok(_) => Ok(()),
            },
        };
        let Err(error) = told else {
            app.store.revocation_done(row.id).await?;
            continue;
        };
        if row.attempts == 0 {
            tracing::warn!(%node, %error, "a node could not be told that access ended; it is told again");
        }
        for row in &rows[at..] {
            put_off(app, row).await?;
        }
        return Ok(());
    }
    Ok(())
}

/// Later; or never, where no token is left that it could be about.
async fn put_off(app: &App, row: &RevocationRow) -> Result<()> {
    let now = app.now();
    if now - row.created_at > GIVEN_UP_AFTER {
        tracing::warn!(
            node = %row.node_uuid, user = %row.user_uuid,
            "a node was never told that access ended; the tokens in question have expired by now"
        );
        return Ok(app.store.revocation_done(row.id).await?);
    }
    let doublings = u32::try_from(row.attempts).unwrap_or(16).min(16);
    let pause = PAUSE.0.saturating_mul(1 << doublings).min(PAUSE.1);
    Ok(app.store.revocation_failed(row.id, now + pause).await?)
}
