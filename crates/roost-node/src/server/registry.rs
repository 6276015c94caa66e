//! All servers of the node, by name.
//!
//! Making, listing and deleting them; what one of them does is its actor's business.

mod boot;

pub use super::actor::Installing;
use super::{
    actor::{self, Beginning, Origin, Started},
    context::Context,
    definition::Definition,
    handle::{Reply, Request, ServerHandle},
    saved::save_definition,
};
use crate::{remote::PanelError, runtime::StartError};
use roost_console::Limits;
use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uuid::Uuid;

/// Bytes of lines in the ring of a server.
const RING_BYTES: usize = 1 << 20;
/// How often a request to make a server looks whether the one of that name is done being made or deleted.
const BUSY_PAUSE: Duration = Duration::from_millis(20);
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Why a server could not be made or deleted.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The operator's directory can't be used; the sentence says what mends it.
    #[error("{0}")]
    Directory(String),
    /// It is there already.
    #[error("the server exists on this node")]
    Exists,
    /// It is not there.
    #[error("{}", roost_wire::node_api::UNKNOWN_SERVER)]
    Unknown,
    /// The panel does not say what it is.
    #[error(transparent)]
    Panel(#[from] PanelError),
    /// Its journal or settings can't be written.
    #[error("the server's files can't be made: {0}")]
    Files(#[from] io::Error),
    /// Something was left behind.
    #[error("{0}")]
    Left(String),
}

struct Entry {
    handle: ServerHandle,
    /// Taken in because the panel lists it, and not yet asked for: the request to make it, which may come still,
    /// finds it here and has it installed.
    only_listed: bool,
    defined: watch::Receiver<Arc<Definition>>,
    task: tokio::task::JoinHandle<()>,
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    context: Arc<Context>,
    servers: Arc<Mutex<HashMap<Uuid, Slot>>>,
}

enum Slot {
    /// Being made or deleted: the name is taken.
    Busy,
    Here(Entry),
}

impl Registry {
    /// An empty one.
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            servers: Arc::default(),
        }
    }

    /// One server.
    pub fn get(&self, uuid: Uuid) -> Option<ServerHandle> {
        match self.lock().get(&uuid) {
            Some(Slot::Here(entry)) => Some(entry.handle.clone()),
            _ => None,
        }
    }

    /// What a server is.
    pub fn definition(&self, uuid: Uuid) -> Option<Arc<Definition>> {
        match self.lock().get(&uuid) {
            Some(Slot::Here(entry)) => Some(Arc::clone(&entry.defined.borrow())),
            _ => None,
        }
    }

    /// All servers, by UUID.
    pub fn all(&self) -> Vec<ServerHandle> {
        let mut all: Vec<_> = self
            .lock()
            .values()
            .filter_map(|slot| match slot {
                Slot::Here(entry) => Some(entry.handle.clone()),
                Slot::Busy => None,
            })
            .collect();
        all.sort_by_key(|handle| handle.uuid);
        all
    }

    /// Makes a server of which only the name is known; the panel says the rest. One that is there stays as it is. With
    /// `give_dir` the operator's directory becomes the server's user's.
    pub async fn create(&self, uuid: Uuid, install: Installing, give_dir: bool) -> Result<(), RegistryError> {
        let place = loop {
            match Place::take(self, uuid) {
                Ok(place) => break place,
                Err(_) if self.is_busy(uuid) => tokio::time::sleep(BUSY_PAUSE).await,
                Err(_) => return self.begin_listed(uuid, install).await,
            }
        };
        let definition = self.context.panel.server(uuid).await?;
        let context = Arc::clone(&self.context);
        let made = async {
            if let Some(dir) = &definition.roost().dir {
                self.check_directory(&definition, Path::new(dir), give_dir)
                    .await?;
            }
            context.runtimes.assign_user(&definition);
            save_definition(&context.layout, &definition)?;
            let beginning = Beginning {
                definition: definition.clone(),
                saved: roost_power::Saved::default(),
                last_end: None,
                origin: Origin::Created(install),
            };
            place.fill(beginning).await
        };
        made.await.inspect_err(|_| context.runtimes.give_up(&definition))
    }

    /// Whether an operator's directory can be a server's, and its user can work there; with `give` that is seen to.
    pub async fn check_directory(
        &self,
        definition: &Definition,
        dir: &Path,
        give: bool,
    ) -> Result<(), RegistryError> {
        let refused = |e: StartError| RegistryError::Directory(e.0);
        let context = &self.context;
        context.directories.check(definition.uuid, dir).map_err(refused)?;
        let prepared = context.runtimes.prepare_directory(definition, dir, give).await;
        prepared.map_err(refused)
    }

    /// The user id that a server runs as, and its directory, where they are known.
    pub fn whereabouts(&self, uuid: Uuid) -> (Option<u32>, Option<PathBuf>) {
        let uid = self
            .definition(uuid)
            .and_then(|definition| self.context.runtimes.user_id(&definition));
        (uid, self.context.directories.of(uuid))
    }

    fn is_busy(&self, uuid: Uuid) -> bool {
        matches!(self.lock().get(&uuid), Some(Slot::Busy))
    }

    /// A server that was taken in from the panel's list a moment before the request to make it came.
    async fn begin_listed(&self, uuid: Uuid, install: Installing) -> Result<(), RegistryError> {
        let mailbox = match self.lock().get_mut(&uuid) {
            Some(Slot::Here(entry)) if entry.only_listed => {
                entry.only_listed = false;
                entry.handle.mailbox.clone()
            }
            _ => return Err(RegistryError::Exists),
        };
        let _ = mailbox.send(Request::Begin(install)).await;
        Ok(())
    }

    /// Kills a server and removes all that the node has of it. Returns when that is done.
    pub async fn delete(&self, uuid: Uuid) -> Result<(), RegistryError> {
        let entry = match self.lock().get_mut(&uuid) {
            Some(slot @ Slot::Here(_)) => std::mem::replace(slot, Slot::Busy),
            _ => return Err(RegistryError::Unknown),
        };
        let Slot::Here(entry) = entry else {
            return Err(RegistryError::Unknown);
        };
        // The caller may go away meanwhile; the name must become free all the same.
        let registry = self.clone();
        let work = tokio::spawn(async move {
            let (sender, answer) = oneshot::channel();
            let reply = Reply::new(move |answer| {
                let _ = sender.send(answer);
            });
            // Deleting is not refused because the mailbox is full.
            let _ = entry.handle.mailbox.send(Request::Delete { reply }).await;
            let answer = answer.await;
            let _ = entry.task.await;
            registry.lock().remove(&uuid);
            match answer {
                Ok(Err(refusal)) => Err(RegistryError::Left(refusal.to_string())),
                _ => Ok(()),
            }
        });
        work.await
            .unwrap_or_else(|e| Err(RegistryError::Left(e.to_string())))
    }

    /// Waits until all actors have ended; the node is closing.
    pub async fn wait(&self) {
        let entries: Vec<Slot> = self.lock().drain().map(|(_, slot)| slot).collect();
        for slot in entries {
            if let Slot::Here(entry) = slot {
                let _ = entry.task.await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Slot>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A name that is taken, to be filled; given back where that fails.
struct Place<'a> {
    registry: &'a Registry,
    uuid: Uuid,
    filled: bool,
}

impl<'a> Place<'a> {
    fn take(registry: &'a Registry, uuid: Uuid) -> Result<Self, RegistryError> {
        match registry.lock().entry(uuid) {
            std::collections::hash_map::Entry::Occupied(_) => return Err(RegistryError::Exists),
            std::collections::hash_map::Entry::Vacant(free) => free.insert(Slot::Busy),
        };
        Ok(Self {
            registry,
            uuid,
            filled: false,
        })
    }

    /// Opens the journal, gives it to a pump, starts the actor.
    async fn fill(mut self, beginning: Beginning) -> Result<(), RegistryError> {
        let only_listed = beginning.origin == Origin::Listed;
        let context = &self.registry.context;
        let (dir, app) = (context.layout.journal(self.uuid), context.config.app_name.clone());
        let (limits, now) = (limits(&beginning.definition), context.clock.now());
        let opened = tokio::task::spawn_blocking(move || {
            crate::node::make_private(&dir)?;
            roost_console::open(&dir, &app, limits, now)
        });
        let (writer, console, recovery) = opened.await.map_err(io::Error::other)??;
        let published = Arc::new(Notify::new());
        let (sender, pump_events) = mpsc::unbounded_channel();
        context
            .pumps
            .add(self.uuid, writer, Arc::clone(&published), sender);
        for note in recovery.notes {
            tracing::warn!(server = %self.uuid, note, "the journal was mended");
            context
                .pumps
                .notice(self.uuid, roost_wire::node_api::Source::Daemon, note);
        }
        let Started {
            handle,
            defined,
            task,
        } = actor::start(Arc::clone(context), beginning, console, published, pump_events);
        let entry = Entry {
            handle,
            only_listed,
            defined,
            task,
        };
        self.registry.lock().insert(self.uuid, Slot::Here(entry));
        self.filled = true;
        Ok(())
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.filled {
            self.registry.lock().remove(&self.uuid);
        }
    }
}

/// How much of a server's history is kept.
pub(super) fn limits(definition: &Definition) -> Limits {
    let roost = definition.roost();
    Limits {
        journal_bytes: roost.journal_bytes,
        journal_age: i64::from(roost.journal_days) * DAY_MS,
        disk_free_percent: 10,
        ring_bytes: RING_BYTES,
    }
}
