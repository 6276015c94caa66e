//! The two runtimes behind one door: each question goes to the one that runs the server.
//!
//! Both leave the terminal's bytes to a keeper; only what differs between them is asked here.

use super::{definition::Definition, driver::Placed};
use crate::pump::Pumps;
use crate::runtime::{
    Launch, Running, Sample, StartError,
    cgroup::{self, Groups},
    docker::{DockerRules, Ended, Engine, EngineError, Keepers, Notice, Sampler, StreamEnd, Takes},
    measure::TreeMeter,
    process::{Processes, directory},
};
use roost_power::Exit;
use roost_wire::{
    node_api::Source,
    node_config::NodeConfig,
    remote::{InstallScript, Runtime},
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long an engine may take to tell a container's main process.
const PID_PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions to an engine that is away.
const ENGINE_PAUSE: Duration = Duration::from_secs(2);
/// Stands where the stream broke off. A line that an engine has read and not logged when it ends is in neither.
const AWAY: &str = "Docker has stopped or does not answer: what has become of the server is known when it does again. \
                    What it had just taken from the server and not logged yet is lost with it.";

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
    failures: Failures,
}

/// What can go wrong with a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It could not be started.
    Start,
    /// Its keeper went away.
    Keeper,
    /// The engine does not say how its container is, or does not give its stream.
    Engine,
    /// Its output can't be written to the journal.
    Journal,
}

/// How often each went wrong, since the start.
#[derive(Debug, Default)]
pub struct Failures([AtomicU64; 4]);

impl Failures {
    /// Once more.
    pub(super) fn count(&self, what: Failure) {
        self.0[what as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// All of them, by name.
    pub fn all(&self) -> [(&'static str, u64); 4] {
        let names = ["start", "keeper", "engine", "journal"];
        std::array::from_fn(|at| (names[at], self.0[at].load(Ordering::Relaxed)))
    }
}

impl Runtimes {
    /// Nothing is started, and no engine is asked yet.
    pub(crate) fn new(
        config: &NodeConfig,
        keeper_program: &Path,
        private: Vec<PathBuf>,
    ) -> Result<Self, String> {
        let range = (config.roost.uid_first, config.roost.uid_count);
        let root = Path::new(&config.system.root_directory);
        let processes = Processes::new(keeper_program, root, range).map_err(|e| {
            format!(
                "the list of servers' users in {} can't be read: {e}",
                root.display()
            )
        })?;
        // Without a place of its own it looks for one at the top.
        let own = std::fs::read_to_string(cgroup::OWN).unwrap_or_default();
        let groups = Groups::open(Path::new(cgroup::ROOT), &own, std::process::id());
        Ok(Self {
            processes: processes
                .with_groups(groups, config.docker.container_pid_limit)
                .with_private(private),
            engine: Engine::new(&config.docker.socket).map_err(|e| e.to_string())?,
            docker: config.docker.clone(),
            allowed_mounts: config.allowed_mounts.clone(),
            launches: Mutex::default(),
            failures: Failures::default(),
        })
    }

    /// What went wrong so far.
    pub(crate) const fn failures(&self) -> &Failures {
        &self.failures
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
            && let Some((uid, gid)) = numbers(&user)
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

    /// What would not be enforced for a server, each a sentence; engines only tell when they make a container.
    pub(super) fn not_enforced(&self, definition: &Definition) -> Vec<String> {
        match definition.runtime() {
            Runtime::Process => self.processes.not_enforced(&definition.settings.build),
            Runtime::Docker => Vec::new(),
        }
    }

    /// Makes sure that the server's user can work in an operator's directory, or says what the operator can do. With
    /// `give` the directory and all in it becomes that user's.
    pub(crate) async fn prepare_directory(
        &self,
        definition: &Definition,
        dir: &Path,
        give: bool,
    ) -> Result<(), StartError> {
        let (processes, dir, server) = (self.processes.clone(), dir.to_owned(), definition.uuid);
        let set = self.set_user(definition).map(str::to_owned);
        tokio::task::spawn_blocking(move || {
            let owner = match set.as_deref() {
                // A name of the image's: what number that is only the image knows.
                Some(set) => numbers(set),
                None => {
                    let uid = processes.user_for(server, &dir)?;
                    Some((uid, uid))
                }
            };
            owner.map_or(Ok(()), |owner| directory::prepare(&dir, owner, give))
        })
        .await
        .map_err(|_| StartError("The look at its directory was broken off.".to_owned()))?
    }

    /// The user that the node's settings name for all containers.
    fn set_user(&self, definition: &Definition) -> Option<&str> {
        let is_set = definition.runtime() == Runtime::Docker && !self.docker.user.is_empty();
        is_set.then_some(self.docker.user.as_str())
    }

    /// Gives a server its user, where it has none yet, so that it is known before the first start.
    pub(crate) fn assign_user(&self, definition: &Definition) {
        if self.set_user(definition).is_none()
            && let Err(error) = self.processes.user(definition.uuid)
        {
            tracing::warn!(server = %definition.uuid, %error, "a new server has no user yet");
        }
    }

    /// The user id that a server runs as, where that is known.
    pub(crate) fn user_id(&self, definition: &Definition) -> Option<u32> {
        match self.set_user(definition) {
            Some(set) => numbers(set).map(|(uid, _)| uid),
            None if definition.runtime() == Runtime::Docker && !rustix::process::geteuid().is_root() => None,
            None => self.processes.known_user(definition.uuid),
        }
    }

    /// A server was not made. If it was to have a directory, its user waits for the next attempt.
    pub(crate) fn give_up(&self, definition: &Definition) {
        let server = definition.uuid;
        let given_up = match &definition.roost().dir {
            Some(dir) => self.processes.set_aside(server, Path::new(dir)),
            None => self.processes.forget(server),
        };
        if let Err(error) = given_up {
            tracing::warn!(%server, %error, "the user of a server that was not made could not be freed");
        }
    }

    /// Makes the program. Cancelled by `called_off` where that can be done cleanly.
    pub(super) async fn start(
        &self,
        launch: Launch,
        say: Say<'_>,
        called_off: &CancellationToken,
    ) -> Result<Running, StartError> {
        self.remember(&launch);
        if is_process(&launch) {
            return self.processes.start(launch).await;
        }
        let rules = self.rules(&launch)?;
        let progress = |notice: Notice| say(notice.source, notice.text);
        tokio::select! {
            started = self.engine.start(&launch, &rules, &self.processes, &progress) => started,
            () = called_off.cancelled() => Err(StartError("The start was called off.".to_owned())),
        }
    }

    /// The living program of an earlier start, if there is one. While the engine that would know is away, this waits
    /// for it, if `expected`: to take a container for gone would start a second one.
    pub(super) async fn find(
        &self,
        mut launch: Launch,
        expected: bool,
        pumps: &Pumps,
        say: Say<'_>,
    ) -> Option<Running> {
        self.remember(&launch);
        let last_run = launch.run;
        let by_keeper = self.processes.find(launch.clone()).await;
        if is_process(&launch) {
            return by_keeper;
        }
        match by_keeper {
            Some(mut running) if running.run == last_run || !expected => {
                // Only the engine knows; the console does not wait for it.
                let found = tokio::time::timeout(PID_PATIENCE, self.engine.found(launch.uuid)).await;
                running.pid = found.ok().and_then(Result::ok).and_then(|found| found.pid);
                return Some(running);
            }
            None if !expected => return None,
            // A hole was being filled when the node ended, or has to be.
            Some(_) | None => {}
        }
        // A new keeper would begin a new stream, which is not the old run's.
        launch.run = Uuid::new_v4();
        let mut told = false;
        loop {
            match self.take_up(&launch, last_run, pumps, say).await {
                Ok(found) => return found,
                Err(StartError(reason)) if !told => {
                    told = true;
                    self.failures.count(Failure::Engine);
                    tracing::warn!(server = %launch.uuid, reason, "whether this server's container lives can't be told; asking again");
                }
                Err(_) => {}
            }
            tokio::time::sleep(ENGINE_PAUSE).await;
        }
    }

    /// Takes up a container's output where the stream of `broken` left off. `None`: there is neither keeper nor living
    /// container.
    async fn take_up(
        &self,
        launch: &Launch,
        broken: Uuid,
        pumps: &Pumps,
        say: Say<'_>,
    ) -> Result<Option<Running>, StartError> {
        let running = match self.engine.take_up(launch, &self.processes).await? {
            Some(running) if running.run != broken => running,
            as_before => return Ok(as_before),
        };
        // The keeper serves one link at a time.
        drop(running.link);
        let run = running.run;
        let recovered = self.engine.recover(launch, run, &self.processes, pumps).await;
        let recovered = recovered.map_err(StartError)?;
        if let Some(sentence) = recovered.sentence {
            say(Source::Daemon, sentence);
        }
        let living = self.processes.living(launch).await;
        let (_, link) = living
            .filter(|(held, _)| *held == run)
            .ok_or_else(|| StartError("the new keeper has ended".to_owned()))?;
        Ok(Some(Running {
            link,
            skip: recovered.skip,
            ..running
        }))
    }

    /// Says what the end of a stream meant. `exit` is what the keeper (or its absence) said.
    pub(super) async fn after_stream(
        &self,
        placed: &Placed,
        server: Uuid,
        run: Uuid,
        exit: Exit,
        pumps: &Pumps,
        say: Say<'_>,
    ) -> AfterStream {
        if placed.runtime() == Runtime::Process {
            let (processes, dir) = (self.processes.clone(), placed.keeper_dir.clone());
            let is_kept = exit.note.is_none();
            let swept = tokio::task::spawn_blocking(move || {
                // Without its keeper nobody ends what a program leaves behind.
                let ended = if is_kept {
                    0
                } else {
                    processes.end_leftovers(server, &dir)
                };
                (ended, Processes::end_group(&dir))
            });
            let (ended, out_of_memory) = swept.await.unwrap_or_default();
            if ended > 0 {
                tracing::warn!(%server, %run, ended, "processes that had lost their keeper were ended");
            }
            return AfterStream::Ended(Exit {
                out_of_memory: exit.out_of_memory || out_of_memory,
                ..exit
            });
        }
        let away = || say(Source::Daemon, AWAY.to_owned());
        let mut told = false;
        loop {
            let launch = match self.engine.after_stream(server, &away).await {
                StreamEnd::Ended(ended) => return AfterStream::Ended(exit_of(&ended)),
                StreamEnd::Alive => self.known(server),
            };
            let Some(mut launch) = launch else {
                return AfterStream::Ended(exit);
            };
            launch.run = Uuid::new_v4();
            match self.take_up(&launch, run, pumps, say).await {
                Ok(Some(running)) => return AfterStream::Lives(running),
                // It has ended meanwhile.
                Ok(None) => {}
                Err(StartError(reason)) => {
                    if !std::mem::replace(&mut told, true) {
                        self.failures.count(Failure::Engine);
                        tracing::error!(%server, %run, reason, "a living container's stream could not be attached again; trying on");
                        say(
                            Source::Daemon,
                            format!("The server's output can't be held ({reason}); trying on."),
                        );
                    }
                    tokio::time::sleep(ENGINE_PAUSE).await;
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
        takes: Takes<'_>,
        called_off: &CancellationToken,
    ) -> Result<Exit, StartError> {
        let rules = self.rules(launch)?;
        let progress = |notice: Notice| say(notice.source, notice.text);
        let ended = self
            .engine
            .install(launch, &rules, script, &progress, takes, called_off.cancelled())
            .await?;
        // Installers mostly run as root; what they made is the server's.
        if launch.roost.dir.is_none()
            && let Some((uid, gid)) = numbers(&rules.user)
        {
            let dir = launch.dir.clone();
            let given = tokio::task::spawn_blocking(move || give_tree(&dir, uid, gid)).await;
            given.unwrap_or(Ok(())).map_err(|e| {
                let dir = launch.dir.display();
                StartError(format!(
                    "What the installer made in {dir} can't be given to user {uid}: {e}."
                ))
            })?;
        }
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
        let meter = tokio::task::spawn_blocking(move || Processes::meter(&directory)).await;
        meter.ok().flatten().map(Meter::Process)
    }

    /// Removes what a runtime keeps of a server that is deleted.
    pub(super) async fn forget(&self, placed: &Placed, server: Uuid) -> Result<(), StartError> {
        self.launches
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&server);
        let directory = placed.keeper_dir.clone();
        let _ = tokio::task::spawn_blocking(move || Processes::end_group(&directory)).await;
        self.processes
            .forget(server)
            .map_err(|e| StartError(format!("Its user could not be freed: {e}.")))?;
        if placed.runtime() == Runtime::Docker {
            match self.engine.remove(server).await {
                Ok(()) | Err(EngineError::Gone) => {}
                // Its program has ended. A machine without Docker must be able to lose a server that was meant for it.
                Err(error @ EngineError::Away { .. }) => {
                    tracing::warn!(%server, %error, "a deleted server's container could not be looked for; if there is one, `docker rm UUID` removes it");
                }
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
        with_engine: ended.with_engine,
        note: ended.removed.then(|| "its container was removed".to_owned()),
        ..Exit::default()
    }
}

fn is_process(launch: &Launch) -> bool {
    launch.roost.runtime == Runtime::Process && launch.settings.roost.is_some()
}

/// `uid:gid`.
fn numbers(user: &str) -> Option<(u32, u32)> {
    let (uid, gid) = user.split_once(':')?;
    Some((uid.parse().ok()?, gid.parse().ok()?))
}

/// Gives a directory and all below it to a user. Links are given, not followed. Blocks.
fn give_tree(dir: &Path, uid: u32, gid: u32) -> std::io::Result<()> {
    let mut waiting = vec![dir.to_owned()];
    while let Some(dir) = waiting.pop() {
        std::os::unix::fs::lchown(&dir, Some(uid), Some(gid))?;
        for entry in std::fs::read_dir(&dir)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                waiting.push(entry.path());
            } else {
                std::os::unix::fs::lchown(entry.path(), Some(uid), Some(gid))?;
            }
        }
    }
    Ok(())
}

/// SIGTERM makes a keeper end its whole tree. Only one that answers is meant: pids are used again.
fn end_keeper(directory: &Path) -> std::io::Result<()> {
    let Some((record, _link)) = roost_keeper::find(directory)? else {
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
