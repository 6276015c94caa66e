//! The process runtime: a program under a terminal on the node itself, each server's as a user of its own where the
//! node is root. Its keeper holds the terminal.
//!
//! When a server starts, and what its output means, is not decided here.

mod claims;
pub(crate) mod directory;
mod leftovers;
mod limits;
mod users;

use super::{
    Launch, Running, StartError,
    cgroup::{Group, Groups, Limits},
    measure::TreeMeter,
};
use roost_keeper::spec::{Answer, Attach, Confined, Kind, Pty, Spec, User};
use roost_wire::remote::Build;
use std::{
    io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixStream,
    },
    path::{Path, PathBuf},
    sync::Arc,
};
use users::Users;
use uuid::Uuid;

/// Where programs are looked for, and what servers find in PATH.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games:/usr/local/games";
/// Names that a server's own environment can't take.
const OURS: [&str; 7] = [
    "STARTUP",
    "SERVER_MEMORY",
    "SERVER_IP",
    "SERVER_PORT",
    "TZ",
    "HOME",
    "USER",
];

/// The process runtime of a node. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Processes {
    keeper_program: Arc<Path>,
    users: Option<Arc<Users>>,
    open_files: (u64, u64),
    groups: Arc<Groups>,
    /// Most processes of a server; 0 for no limit.
    pids: i64,
    /// What servers that run as the node's own user must not read.
    private: Arc<[PathBuf]>,
    /// How far this kernel can confine those; `None` where each server has a user of its own.
    confined: Option<Confined>,
}

impl Processes {
    /// For a node whose state lies in `root`. `range` is the first user id and how many there are; only used as root.
    pub fn new(keeper_program: &Path, root: &Path, range: (u32, u32)) -> io::Result<Self> {
        let users = if rustix::process::geteuid().is_root() {
            Some(Arc::new(Users::open(
                root.join("users.json"),
                Path::new(claims::PLACE),
                range.0,
                range.1,
            )?))
        } else {
            None
        };
        Ok(Self {
            keeper_program: keeper_program.into(),
            confined: users.is_none().then(roost_keeper::confinement),
            users,
            open_files: raise_open_files(),
            groups: Arc::new(Groups::none("No control groups were looked for.")),
            pids: 0,
            private: Arc::new([]),
        })
    }

    /// With limits: control groups are made there, with at most `pids` processes in one (0 for no limit).
    pub(crate) fn with_groups(self, groups: Groups, pids: i64) -> Self {
        Self {
            groups: Arc::new(groups),
            pids,
            ..self
        }
    }

    /// Servers that run as the node's own user can't read `private`, where the kernel has Landlock.
    pub(crate) fn with_private(self, private: Vec<PathBuf>) -> Self {
        Self {
            private: private.into(),
            ..self
        }
    }

    /// What would not be enforced for a server with these limits, each a sentence.
    pub(crate) fn not_enforced(&self, build: &Build) -> Vec<String> {
        let lacks = self.groups.lacks(&Limits::new(build, self.pids));
        limits::sentences(build, self.pids, &lacks, self.confined)
    }

    /// The server's user, if it has one of its own.
    pub fn user(&self, server: Uuid) -> io::Result<Option<u32>> {
        self.users.as_ref().map(|users| users.of(server)).transpose()
    }

    /// The user who is to work in an operator's directory. A server without one yet gets the directory's owner, where
    /// that is one of ours and free, else the one that an earlier attempt was told of: so what the operator did helps,
    /// although each attempt to make a server is a new one.
    pub(crate) fn user_for(&self, server: Uuid, dir: &Path) -> Result<u32, StartError> {
        let owner = dir.metadata().ok().map(|meta| meta.uid());
        let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        match &self.users {
            Some(users) => users
                .of_with(server, owner, &real)
                .map_err(|e| StartError(format!("The server has no user: {e}."))),
            None => Ok(rustix::process::geteuid().as_raw()),
        }
    }

    /// The user that a server was given, or the node's own where servers have none of their own.
    pub(crate) fn known_user(&self, server: Uuid) -> Option<u32> {
        match &self.users {
            Some(users) => users.peek(server),
            None => Some(rustix::process::geteuid().as_raw()),
        }
    }

    /// A server that was to have this directory was not made.
    pub(crate) fn set_aside(&self, server: Uuid, dir: &Path) -> io::Result<()> {
        let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        self.users
            .as_ref()
            .map_or(Ok(()), |users| users.set_aside(server, &real))
    }

    /// Starts the program.
    pub async fn start(&self, launch: Launch) -> Result<Running, StartError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || this.start_now(&launch))
            .await
            .map_err(|_| StartError("The start was broken off.".to_owned()))?
    }

    fn start_now(&self, launch: &Launch) -> Result<Running, StartError> {
        let user = self
            .user(launch.uuid)
            .map_err(|e| StartError(format!("The server has no user: {e}.")))?;
        if launch.roost.dir.is_none()
            && let Some(uid) = user
        {
            std::os::unix::fs::chown(&launch.dir, Some(uid), Some(uid)).map_err(|e| {
                StartError(format!(
                    "{} can't be given to user {uid}: {e}.",
                    launch.dir.display()
                ))
            })?;
        }
        let argv = launch.roost.command.clone();
        let word = argv
            .first()
            .ok_or_else(|| StartError("The server has no command: give it one with --command.".to_owned()))?;
        let program = find_program(word, &launch.dir)?;
        let build = &launch.settings.build;
        let (group, lacks) = self.groups.make(launch.uuid, &Limits::new(build, self.pids));
        let pty = Pty {
            program,
            env: environment(launch),
            argv,
            cwd: launch.dir.clone(),
            user: user.map(|uid| User {
                uid,
                gid: uid,
                exclusive: true,
            }),
            terminal: launch.roost.terminal,
            open_files: Some(self.open_files),
            confine: self
                .confined
                .map(|_| limits::confine(&self.private, &self.keeper_program, &launch.dir)),
            cgroup_procs: group.as_ref().map(Group::doors).unwrap_or_default(),
            cgroup_kill: group.as_ref().and_then(Group::kill_file),
        };
        let kept = written_down(group.as_ref(), &launch.keeper_dir)
            .and_then(|()| self.keep(launch, Kind::Pty(Box::new(pty))));
        let (link, answer) = kept.inspect_err(|_| {
            if let Some(group) = &group {
                group.close(&launch.keeper_dir);
            }
        })?;
        let (pid, confined) = match answer {
            Answer::Ready { pid, confined, .. } => ((pid > 0).then_some(pid), confined),
            Answer::Error(_) => (None, Confined::NotAsked),
        };
        Ok(Running {
            run: launch.run,
            link,
            skip: 0,
            pid,
            not_enforced: limits::sentences(build, self.pids, &lacks, self.confined.map(|_| confined)),
        })
    }

    /// Makes a keeper for this launch and connects to it.
    fn keep(&self, launch: &Launch, kind: Kind) -> Result<(UnixStream, Answer), StartError> {
        let spec = Spec {
            server: launch.uuid,
            run: launch.run,
            directory: launch.keeper_dir.clone(),
            memory_bytes: 256 << 10,
            spool_bytes: 512 << 20,
            kind,
        };
        let answer = roost_keeper::spawn(&self.keeper_program, &spec).map_err(StartError)?;
        let link = roost_keeper::connect(&launch.keeper_dir)
            .map_err(|e| StartError(format!("The new keeper can't be reached: {e}.")))?;
        Ok((link, answer))
    }

    /// The living keeper of an earlier start. What one left behind that is gone is ended.
    pub async fn find(&self, launch: Launch) -> Option<Running> {
        let found = tokio::task::spawn_blocking(move || {
            let found = roost_keeper::find(&launch.keeper_dir);
            if let (Ok(None), Some(group)) = (&found, Group::load(&launch.keeper_dir)) {
                let ended = group.close(&launch.keeper_dir);
                tracing::info!(server = %launch.uuid, ended, "the control group of an earlier run was removed");
            }
            found
        })
        .await
        .ok()?;
        match found {
            Ok(Some((record, link))) => Some(Running {
                run: record.run,
                link,
                skip: 0,
                pid: (record.pid > 0).then_some(record.pid),
                not_enforced: Vec::new(),
            }),
            Ok(None) => None,
            Err(error) => {
                tracing::warn!(%error, "a keeper's directory can't be read");
                None
            }
        }
    }

    /// Kills what a run left behind whose keeper is gone, and says how many that were. Only where the server has a user
    /// or a control group of its own can it be told what is its own. Blocks.
    pub fn end_leftovers(&self, server: Uuid, keeper_dir: &Path) -> usize {
        let user = self.users.as_ref().and_then(|users| users.known(server));
        let ended = user.map_or(0, leftovers::end_all_of);
        ended + Group::load(keeper_dir).map_or(0, |group| group.end_all())
    }

    /// A run has ended: its control group goes, and says whether the kernel ended something in it for want of memory.
    /// Blocks.
    pub(crate) fn end_group(keeper_dir: &Path) -> bool {
        let Some(group) = Group::load(keeper_dir) else {
            return false;
        };
        let ran_out = group.ran_out_of_memory();
        let ended = group.close(keeper_dir);
        if ended > 0 {
            tracing::warn!(dir = %keeper_dir.display(), ended, "processes that had outlived their server were ended");
        }
        ran_out
    }

    /// Measures what the living keeper in a directory holds. Blocks.
    pub(crate) fn meter(keeper_dir: &Path) -> Option<TreeMeter> {
        let pid = roost_keeper::record(keeper_dir).ok().flatten()?.pid;
        (pid > 0).then(|| TreeMeter::new(pid, Group::load(keeper_dir)))
    }

    /// The server is deleted.
    pub fn forget(&self, server: Uuid) -> io::Result<()> {
        self.users.as_ref().map_or(Ok(()), |users| users.forget(server))
    }
}

impl super::docker::Keepers for Processes {
    async fn attach(&self, launch: &Launch, socket: &Path, container: &str) -> Result<UnixStream, String> {
        let (this, launch) = (self.clone(), launch.clone());
        let attach = Attach {
            socket: socket.to_owned(),
            container: container.to_owned(),
            api: String::new(),
        };
        tokio::task::spawn_blocking(move || this.keep(&launch, Kind::Attach(attach)))
            .await
            .map_err(|_| "the start was broken off".to_owned())?
            .map(|(link, _)| link)
            .map_err(|StartError(sentence)| sentence.trim_end_matches('.').to_owned())
    }

    async fn living(&self, launch: &Launch) -> Option<(Uuid, UnixStream)> {
        self.find(launch.clone())
            .await
            .map(|running| (running.run, running.link))
    }
}

/// The file of the command's first word: a path, below the server's directory if it is relative, else by PATH.
fn find_program(word: &str, dir: &Path) -> Result<PathBuf, StartError> {
    let runs = |path: &Path| {
        path.metadata()
            .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
    };
    if word.contains('/') {
        let path = dir.join(word);
        return if runs(&path) {
            Ok(path)
        } else {
            Err(StartError(format!(
                "{} is no program that can be run: look at the path and at its mode (chmod +x).",
                path.display()
            )))
        };
    }
    PATH.split(':')
        .map(|folder| Path::new(folder).join(word))
        .find(|path| runs(path))
        .ok_or_else(|| {
            StartError(format!(
                "There is no program `{word}` in {PATH}: install it, or give its whole path."
            ))
        })
}

/// Exactly what a server finds in its environment.
fn environment(launch: &Launch) -> Vec<(String, String)> {
    let port = &launch.settings.allocations.default;
    let user = if launch.roost.identifier.is_empty() {
        launch.uuid.to_string()
    } else {
        launch.roost.identifier.clone()
    };
    let fixed = [
        ("PATH", PATH.to_owned()),
        ("HOME", launch.dir.to_string_lossy().into_owned()),
        ("USER", user),
        ("LANG", "C.UTF-8".to_owned()),
        ("TERM", "xterm-256color".to_owned()),
        ("TZ", launch.timezone.clone()),
        ("STARTUP", launch.settings.invocation.clone()),
        ("SERVER_MEMORY", launch.settings.build.memory_limit.to_string()),
        ("SERVER_IP", port.ip.clone()),
        ("SERVER_PORT", port.port.to_string()),
    ];
    let mut all: Vec<(String, String)> = fixed
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    for (name, value) in &launch.settings.environment {
        if OURS.contains(&name.as_str()) {
            continue;
        }
        match all.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => value.clone_into(known),
            None => all.push((name.clone(), value.clone())),
        }
    }
    all
}

/// Its control group is known before anything is in it.
fn written_down(group: Option<&Group>, keeper_dir: &Path) -> Result<(), StartError> {
    group.map_or(Ok(()), |group| group.save(keeper_dir)).map_err(|e| {
        let dir = keeper_dir.display();
        StartError(format!("Its control group can't be written down in {dir}: {e}."))
    })
}

/// Raises the node's own limit of open files as far as it goes; gives the old one, which servers get back.
fn raise_open_files() -> (u64, u64) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let old = getrlimit(Resource::Nofile);
    let (soft, hard) = (old.current.unwrap_or(u64::MAX), old.maximum.unwrap_or(u64::MAX));
    let raised = Rlimit {
        current: old.maximum,
        maximum: old.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, raised) {
        tracing::warn!(%error, "the limit of open files can't be raised");
    }
    (soft, hard)
}
