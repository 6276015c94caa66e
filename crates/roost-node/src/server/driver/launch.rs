//! A launch: the panel's latest settings, the directories, the runtime. And the search for a program that lived on.

use crate::{
    node::make_private,
    runtime::{Launch, Running, StartError},
    server::{
        actor::{Actor, Report},
        context::Context,
        definition::Definition,
        runtimes::Failure,
        saved,
    },
};
use roost_power::Input;
use roost_wire::remote::Runtime;
use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long a start waits for the panel before it goes on with the settings that are known.
const PANEL_PATIENCE: Duration = Duration::from_secs(5);

/// Where the run that is under way lives. Settings may change meanwhile; a run keeps its place.
#[derive(Debug, Clone)]
pub(in crate::server) struct Placed {
    runtime: Runtime,
    /// The keeper's directory.
    pub(in crate::server) keeper_dir: PathBuf,
    kills: u32,
}

impl Placed {
    pub(in crate::server) fn new(context: &Context, definition: &Definition) -> Self {
        Self {
            runtime: definition.runtime(),
            keeper_dir: context.layout.run(definition.uuid),
            kills: 0,
        }
    }

    pub(in crate::server) const fn runtime(&self) -> Runtime {
        self.runtime
    }

    /// Counts a kill; true if it was not the first one of this run.
    pub(super) fn count_kill(&mut self) -> bool {
        self.kills += 1;
        self.kills > 1
    }
}

impl Actor {
    pub(super) fn launch(&mut self, run: Uuid) {
        let called_off = CancellationToken::new();
        self.launching = Some(called_off.clone());
        self.placed = Placed::new(&self.context, &self.definition);
        let (context, known, reporter) = (
            Arc::clone(&self.context),
            Arc::clone(&self.definition),
            self.reporter(),
        );
        // Not a job that ends with the actor: a program that is being made must not be left halfway.
        tokio::spawn(async move {
            let made = async {
                if let Some(latest) = latest_definition(&context, &known).await? {
                    let _ = reporter.send(Report::Defined(Box::new(latest.clone()), None));
                    return make(&context, &latest, run, &called_off).await;
                }
                make(&context, &known, run, &called_off).await
            };
            let report = match made.await {
                Ok(running) => Report::Launched(run, running),
                Err(StartError(reason)) => {
                    context.runtimes.failures().count(Failure::Start);
                    tracing::warn!(server = %known.uuid, %run, reason, "a start failed");
                    Report::Input(Input::LaunchFailed { run, reason })
                }
            };
            let _ = reporter.send(report);
        });
    }

    /// Looks for the program of the node's last life until that is answered.
    pub(in crate::server) fn find_program(&mut self) {
        let (context, reporter, say) = (Arc::clone(&self.context), self.reporter(), self.sayer());
        let (definition, last_run) = (Arc::clone(&self.definition), self.last_run());
        self.job(async move {
            let found = match launch_of(&context, &definition, last_run.unwrap_or_default()) {
                Ok(launch) => {
                    let (runtimes, pumps) = (&context.runtimes, &context.pumps);
                    runtimes.find(launch, last_run.is_some(), pumps, &say).await
                }
                Err(_) => None,
            };
            let _ = reporter.send(Report::Found(found));
        });
    }
}

/// The settings that hold from this start on; `None` if the known ones do.
async fn latest_definition(context: &Context, known: &Definition) -> Result<Option<Definition>, StartError> {
    let uuid = known.uuid;
    let asked = tokio::time::timeout(PANEL_PATIENCE, context.panel.server(uuid)).await;
    let latest = match asked {
        Ok(Ok(latest)) if latest == *known => return Ok(None),
        Ok(Ok(latest)) => latest,
        Ok(Err(error)) if error.is_unknown() => {
            return Err(StartError(
                "The panel does not know this server any more.".to_owned(),
            ));
        }
        Ok(Err(error)) => {
            tracing::warn!(server = %uuid, %error, "the panel is away: the server starts with the settings last known");
            return Ok(None);
        }
        Err(_) => {
            tracing::warn!(server = %uuid, "the panel is slow: the server starts with the settings last known");
            return Ok(None);
        }
    };
    saved::remember(&context.layout, &latest).await;
    Ok(Some(latest))
}

async fn make(
    context: &Context,
    definition: &Definition,
    run: Uuid,
    called_off: &CancellationToken,
) -> Result<Running, StartError> {
    if definition.settings.suspended {
        return Err(StartError(
            "It is suspended: an administrator must unsuspend it first.".to_owned(),
        ));
    }
    let launch = launch_of(context, definition, run)?;
    prepare_dirs(context, definition, &launch)?;
    if let Some(dir) = &launch.roost.dir
        && definition.runtime() == Runtime::Process
    {
        let dir = Path::new(dir);
        let prepared = context.runtimes.prepare_directory(definition, dir, false).await;
        // Nobody is told to take another server's directory away.
        if prepared.is_err() {
            context.directories.check_others(definition.uuid, dir)?;
        }
        prepared?;
    }
    let (pumps, uuid) = (context.pumps.clone(), definition.uuid);
    let say = move |source, text| pumps.notice(uuid, source, text);
    context.runtimes.start(launch, &say, called_off).await
}

/// Everything that a start needs, or a search.
pub(super) fn launch_of(context: &Context, definition: &Definition, run: Uuid) -> Result<Launch, StartError> {
    let roost = definition.roost();
    let dir = roost
        .dir
        .as_ref()
        .map_or_else(|| context.layout.data(definition.uuid), PathBuf::from);
    Ok(Launch {
        uuid: definition.uuid,
        run,
        settings: definition.settings.clone(),
        roost,
        process: definition.process.clone(),
        dir,
        keeper_dir: context.layout.run(definition.uuid),
        timezone: context.timezone.clone(),
    })
}

/// The server's directory, 0700 if it is made here, and the keeper's. Owners are given by the runtime. An operator's
/// directory may have become one that no server gets since it was given: a link, say.
pub(super) fn prepare_dirs(
    context: &Context,
    definition: &Definition,
    launch: &Launch,
) -> Result<(), StartError> {
    let cant =
        |dir: &Path, e: io::Error| StartError(format!("Its directory {} can't be used: {e}.", dir.display()));
    if !launch.dir.is_dir() {
        if definition.roost().dir.is_some() {
            let dir = launch.dir.display();
            return Err(StartError(format!(
                "Its directory {dir} is gone: make it, or give another one."
            )));
        }
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&launch.dir)
            .and_then(|()| fs::set_permissions(&launch.dir, fs::Permissions::from_mode(0o700)))
            .map_err(|e| cant(&launch.dir, e))?;
    }
    if definition.roost().dir.is_some() {
        context.directories.check_reserved(&launch.dir)?;
    }
    make_private(&launch.keeper_dir).map_err(|e| cant(&launch.keeper_dir, e))
}
