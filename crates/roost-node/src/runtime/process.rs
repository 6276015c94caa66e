//! The process runtime: a program under a terminal on the node itself, each server's as a user of its own where the
//! node is root. Its keeper holds the terminal.
//!
//! When a server starts, and what its output means, is not decided here.

mod claims;
mod directory;
mod leftovers;
mod users;

use super::{Launch, Running, StartError};
use roost_keeper::spec::{Answer, Attach, Kind, Pty, Spec, User};
use std::{
    io,
    os::unix::fs::PermissionsExt,
    os::unix::net::UnixStream,
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
            users,
            open_files: raise_open_files(),
        })
    }

    /// The server's user, if it has one of its own.
    pub fn user(&self, server: Uuid) -> io::Result<Option<u32>> {
        self.users.as_ref().map(|users| users.of(server)).transpose()
    }

    /// Whether the server's user can work in an operator's directory; the error holds the line that mends it.
    pub fn check_directory(&self, server: Uuid, dir: &Path) -> Result<(), StartError> {
        let user = self
            .user(server)
            .map_err(|e| StartError(format!("The server has no user: {e}.")))?;
        directory::check(dir, user.unwrap_or_else(|| rustix::process::geteuid().as_raw()))
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
        if launch.roost.dir.is_some() {
            self.check_directory(launch.uuid, &launch.dir)?;
        } else if let Some(uid) = user {
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
        let pty = Pty {
            program: find_program(word, &launch.dir)?,
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
            confine: None,
            cgroup_procs: Vec::new(),
            cgroup_kill: None,
        };
        let (link, answer) = self.keep(launch, Kind::Pty(Box::new(pty)))?;
        let pid = match answer {
            Answer::Ready { pid, .. } if pid > 0 => Some(pid),
            _ => None,
        };
        Ok(Running {
            run: launch.run,
            link,
            pid,
            not_enforced: not_enforced(launch, user),
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

    /// The living keeper of an earlier start.
    pub async fn find(&self, launch: Launch) -> Option<Running> {
        let found = tokio::task::spawn_blocking(move || roost_keeper::find(&launch.keeper_dir))
            .await
            .ok()?;
        match found {
            Ok(Some((record, link))) => Some(Running {
                run: record.run,
                link,
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
    /// of its own can it be told what is its own. Blocks.
    pub fn end_leftovers(&self, server: Uuid) -> usize {
        let user = self.users.as_ref().and_then(|users| users.known(server));
        user.map_or(0, leftovers::end_all_of)
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

/// A sentence for each limit that nothing enforces here.
fn not_enforced(launch: &Launch, user: Option<u32>) -> Vec<String> {
    let build = &launch.settings.build;
    let mut sentences = Vec::new();
    let mut say = |limit: i64, what: &str| {
        if limit > 0 {
            sentences.push(format!("The {what} is not enforced for servers that run as processes: run it in Docker (--image) where it must be."));
        }
    };
    say(
        build.memory_limit,
        &format!("memory limit of {} MiB", build.memory_limit),
    );
    say(build.cpu_limit, &format!("CPU limit of {} %", build.cpu_limit));
    say(
        build.disk_space,
        &format!("disk limit of {} MiB", build.disk_space),
    );
    if user.is_none() {
        sentences.push("This server runs as the same user as Roost and can read whatever that user can: start Roost as root, or use Docker, for servers that you do not trust.".to_owned());
    }
    sentences
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
