//! The two runtimes behind one door: each question goes to the one that runs the server.
//!
//! Both leave the terminal's bytes to a keeper; only what differs between them is asked here.

use super::{driver::Placed, power::Exit};
use crate::runtime::{
    Launch, Running, Sample, StartError,
    docker::{DockerRules, Ended, Engine, Notice, Sampler, StreamEnd},
    measure::TreeMeter,
    process::Processes,
};
use roost_wire::{
    node_api::Source,
    node_config::NodeConfig,
    remote::{InstallScript, Runtime},
};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Mutex, PoisonError},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Takes lines for a server's console.
pub(super) type Say<'a> = &'a (dyn Fn(Source, String) + Send + Sync);

/// What the end of a stream meant.
#[derive(Debug)]
pub(super) enum AfterStream {
    /// The program has ended.
    Ended(Exit),
    /// It lives, and this is a new link to it, maybe under a new run.
    Lives(Running),
}

/// Measures one program.
#[derive(Debug)]
pub(super) enum Meter {
    Process(TreeMeter),
    Docker(Box<Sampler>),
}

impl Meter {
    /// The next sample, about a second after the last; `None` when there is nothing to measure any more.
    pub(super) async fn next(&mut self) -> Option<Sample> {
        match self {
            Self::Process(meter) => meter.next().await,
            Self::Docker(sampler) => sampler.next().await,
        }
    }
}

/// Both runtimes.
#[derive(Debug)]
pub struct Runtimes {
    processes: Processes,
    engine: Engine,
    docker: roost_wire::node_config::Docker,
    allowed_mounts: Vec<String>,
    /// What living programs were started with: a container whose stream broke is attached again by it.
    launches: Mutex<BTreeMap<Uuid, Launch>>,
}

impl Runtimes {
    /// Nothing is started, and no engine is asked yet.
    pub(crate) fn new(config: &NodeConfig, keeper_program: &Path) -> Result<Self, String> {
        let range = (config.roost.uid_first, config.roost.uid_count);
        let root = Path::new(&config.system.root_directory);
        Ok(Self {
            processes: Processes::new(keeper_program, root, range).map_err(|e| {
                format!(
                    "the list of servers' users in {} can't be read: {e}",
                    root.display()
                )
            })?,
            engine: Engine::new(&config.docker.socket).map_err(|e| e.to_string())?,
            docker: config.docker.clone(),
            allowed_mounts: config.allowed_mounts.clone(),
            launches: Mutex::default(),
        })
    }

    fn remember(&self, launch: &Launch) {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(launch.uuid, launch.clone());
    }

    fn known(&self, server: Uuid) -> Option<Launch> {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&server)
            .cloned()
    }

    /// The rules for one server's container; the directory is given to its user.
    fn rules(&self, launch: &Launch) -> Result<DockerRules, StartError> {
        let uid = self
            .processes
            .user(launch.uuid)
            .map_err(|e| StartError(format!("The server has no user: {e}.")))?;
        let user = match (self.docker.user.as_str(), uid) {
            ("", Some(uid)) => format!("{uid}:{uid}"),
            ("", None) => String::new(),
            (set, _) => set.to_owned(),
        };
        if launch.roost.dir.is_none()
            && let Some((uid, gid)) = user
                .split_once(':')
                .and_then(|(u, g)| Some((u.parse().ok()?, g.parse().ok()?)))
        {
            std::os::unix::fs::chown(&launch.dir, Some(uid), Some(gid)).map_err(|e| {
                StartError(format!(
                    "{} can't be given to user {uid}: {e}.",
                    launch.dir.display()
                ))
            })?;
        }
        Ok(DockerRules {
            docker: self.docker.clone(),
            allowed_mounts: self.allowed_mounts.clone(),
            user,
        })
    }

    /// Whether a server's user can work in an operator's directory.
    pub(crate) fn check_directory(&self, server: Uuid, dir: &Path) -> Result<(), StartError> {
        self.processes.check_directory(server, dir)
    }

    /// Makes the program. Cancelled by `called_off` where that can be done cleanly.
    pub(super) async fn start(
        &self,
        launch: Launch,
        say: Say<'_>,
        called_off: &CancellationToken,
    ) -> Result<Running, StartError> {
        self.remember(&launch);
        if launch.roost.runtime == Runtime::Process && launch.settings.roost.is_some() {
            return self.processes.start(launch).await;
        }
        let rules = self.rules(&launch)?;
        let progress = |notice: Notice| say(notice.source, notice.text);
        tokio::select! {
            started = self.engine.start(&launch, &rules, &self.processes, &progress) => started,
            () = called_off.cancelled() => Err(StartError("The start was called off.".to_owned())),
        }
    }

    /// The living program of an earlier start, if there is one.
    pub(super) async fn find(&self, launch: Launch) -> Option<Running> {
        self.remember(&launch);
        let by_keeper = self.processes.find(launch.clone()).await;
        if by_keeper.is_some()
            || (launch.roost.runtime == Runtime::Process && launch.settings.roost.is_some())
        {
            return by_keeper;
        }
        match self.engine.take_up(&launch, &self.processes).await {
            Ok(found) => found.map(|taken| taken.running),
            Err(StartError(reason)) => {
                tracing::warn!(server = %launch.uuid, reason, "a container of an earlier start could not be looked for");
                None
            }
        }
    }

    /// Says what the end of a stream meant. `exit` is what the keeper (or its absence) said.
    pub(super) async fn after_stream(
        &self,
        placed: &Placed,
        server: Uuid,
        run: Uuid,
        exit: Exit,
    ) -> AfterStream {
        if placed.runtime() == Runtime::Process {
            return AfterStream::Ended(exit);
        }
        match self.engine.after_stream(server).await {
            StreamEnd::Ended(ended) => AfterStream::Ended(exit_of(&ended)),
            StreamEnd::Alive => {
                let Some(mut launch) = self.known(server) else {
                    return AfterStream::Ended(exit);
                };
                launch.run = Uuid::new_v4();
                match self.engine.take_up(&launch, &self.processes).await {
                    Ok(Some(taken)) => AfterStream::Lives(taken.running),
                    Ok(None) => AfterStream::Ended(exit),
                    Err(StartError(reason)) => {
                        tracing::error!(%server, %run, reason, "a living container's stream could not be attached again");
                        AfterStream::Ended(exit)
                    }
                }
            }
        }
    }

    /// Runs the installer.
    pub(super) async fn install(
        &self,
        launch: &Launch,
        script: &InstallScript,
        say: Say<'_>,
    ) -> Result<Exit, StartError> {
        let rules = self.rules(launch)?;
        let output = |notice: Notice| say(notice.source, notice.text);
        let ended = self.engine.install(launch, &rules, script, &output).await?;
        Ok(exit_of(&ended))
    }

    pub(super) async fn signal_container(&self, server: Uuid, signal: i32) -> Result<(), StartError> {
        Ok(self.engine.signal(server, signal).await?)
    }

    pub(super) async fn stop_container(&self, server: Uuid) -> Result<(), StartError> {
        Ok(self.engine.stop(server).await?)
    }

    /// Ends everything of a run without its keeper's help.
    pub(super) async fn kill(&self, placed: &Placed, server: Uuid, _run: Uuid) -> Result<(), StartError> {
        if placed.runtime() == Runtime::Docker {
            return Ok(self.engine.kill(server).await?);
        }
        let directory = placed.keeper_dir.clone();
        let ended = tokio::task::spawn_blocking(move || end_keeper(&directory)).await;
        ended
            .unwrap_or(Ok(()))
            .map_err(|e| StartError(format!("Its keeper could not be ended: {e}.")))
    }

    /// Begins to measure a program.
    pub(super) async fn meter(&self, placed: &Placed, server: Uuid) -> Option<Meter> {
        if placed.runtime() == Runtime::Docker {
            return self
                .engine
                .sampler(server)
                .await
                .ok()
                .map(|sampler| Meter::Docker(Box::new(sampler)));
        }
        let directory = placed.keeper_dir.clone();
        let found = tokio::task::spawn_blocking(move || roost_keeper::record(&directory))
            .await
            .ok()?;
        let pid = found.ok().flatten()?.pid;
        (pid > 0).then(|| Meter::Process(TreeMeter::new(pid, 0)))
    }

    /// Removes what a runtime keeps of a server that is deleted.
    pub(super) async fn forget(&self, placed: &Placed, server: Uuid) -> Result<(), StartError> {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&server);
        self.processes
            .forget(server)
            .map_err(|e| StartError(format!("Its user could not be freed: {e}.")))?;
        if placed.runtime() == Runtime::Docker {
            match self.engine.remove(server).await {
                Ok(()) | Err(crate::runtime::docker::EngineError::Gone) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

fn exit_of(ended: &Ended) -> Exit {
    Exit {
        code: ended.code,
        signal: ended.signal,
        out_of_memory: ended.out_of_memory,
        note: ended.removed.then(|| "its container was removed".to_owned()),
    }
}

/// SIGTERM makes a keeper end its whole tree.
fn end_keeper(directory: &Path) -> std::io::Result<()> {
    let Some(record) = roost_keeper::record(directory)? else {
        return Ok(());
    };
    let pid = i32::try_from(record.keeper)
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    match pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::TERM)) {
        Some(Err(rustix::io::Errno::SRCH)) | Some(Ok(())) | None => Ok(()),
        Some(Err(error)) => Err(error.into()),
    }
}
