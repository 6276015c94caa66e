//! From a child of the node to a process of its own.
//!
//! The first process reads the spec and makes a second, which makes a third in a new session: the keeper. It takes its
//! directory, starts the program or attaches, answers with one line on the standard output that it still shares with
//! the node, and lets go of it. Threads must not exist yet: it forks.

use crate::{
    attach,
    hold::{self, Held, Hold},
    image,
    place::{self, Place, Record},
    program,
    protocol::VERSION,
    spec::{Answer, Confined, Kind, Spec},
    store::Store,
    sys::{self, Forked},
    tree::{self, Tree},
};
use rustix::fs::{Mode, OFlags};
use std::{
    ffi::OsString,
    io::Read,
    os::fd::{AsRawFd, OwnedFd},
    process::ExitCode,
};

/// Longest spec, in bytes.
const SPEC_MAX: u64 = 4 << 20;

/// A keeper from its first instruction to its last. `args` are those behind `keeper`; they tell processes apart for
/// people and are not read. The spec comes as JSON on standard input, and one [`Answer`] goes out on standard output.
pub fn main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    sys::keep_large_buffers_apart();
    let mut text = Vec::new();
    let spec = std::io::stdin()
        .take(SPEC_MAX)
        .read_to_end(&mut text)
        .map_err(|error| error.to_string())
        .and_then(|_| serde_json::from_slice::<Spec>(&text).map_err(|error| error.to_string()));
    drop(text);
    let spec = match spec {
        Ok(spec) => spec,
        Err(error) => {
            answer(&Answer::Error(format!(
                "The keeper can't read its spec ({error}): it is started by the node, not by hand."
            )));
            return ExitCode::FAILURE;
        }
    };
    match detach() {
        Ok(Side::Keeper) => {}
        Ok(Side::Starter) => return ExitCode::SUCCESS,
        Err(error) => {
            answer(&Answer::Error(format!(
                "The keeper can't be made ({error}): too many processes run."
            )));
            return ExitCode::FAILURE;
        }
    }
    match begin(&spec) {
        Ok((hold, ready)) => {
            drop(spec);
            answer(&ready);
            let_go();
            image::let_go_of_pages();
            hold.run();
            ExitCode::SUCCESS
        }
        Err(error) => {
            answer(&Answer::Error(error));
            ExitCode::FAILURE
        }
    }
}

/// Which process this is after [`detach`].
enum Side {
    Starter,
    Keeper,
}

/// Leaves the node's session and its family.
fn detach() -> std::io::Result<Side> {
    if let Forked::Parent(_) = sys::fork()? {
        return Ok(Side::Starter);
    }
    rustix::process::setsid()?;
    if let Forked::Parent(_) = sys::fork()? {
        sys::exit_now(0);
    }
    // A lock or a listener that the node forgot to mark must not live on here.
    sys::close_from(3);
    sys::ignore(&[
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGTSTP,
        libc::SIGTTIN,
        libc::SIGTTOU,
        libc::SIGUSR1,
        libc::SIGUSR2,
        libc::SIGALRM,
        libc::SIGXFSZ,
    ]);
    rustix::process::umask(Mode::from_raw_mode(0o077));
    // For people, and for those who guard their sockets from programs that are held.
    let _ = rustix::thread::set_name(tree::NAME);
    sys::become_subreaper()?;
    Ok(Side::Keeper)
}

/// Takes the place and what is to be held.
fn begin(spec: &Spec) -> Result<(Hold, Answer), String> {
    let signals = sys::signal_fd(&[libc::SIGCHLD, libc::SIGTERM])
        .map_err(|error| format!("The keeper can't wait for signals ({error})."))?;
    let place = Place::take(&spec.directory)?;
    let started_ms = hold::now_ms();
    let mut store = Store::new(place::SPOOL.into(), spec.memory_bytes, spec.spool_bytes);
    let held = hold_on(spec, started_ms, &mut store);
    let (held, source, pid, confined) = held.inspect_err(|_| Place::leave())?;
    Place::record(&Record {
        version: VERSION,
        server: spec.server,
        run: spec.run,
        keeper: std::process::id(),
        pid,
        started_ms,
    })
    .inspect_err(|_| {
        if let Held::Program { tree, .. } = &held {
            tree.kill();
        }
        Place::leave();
    })?;
    let ready = Answer::Ready {
        keeper: std::process::id(),
        pid,
        confined,
    };
    Ok((
        Hold::new(spec.run, place, signals, held, source, store, started_ms),
        ready,
    ))
}

fn hold_on(
    spec: &Spec,
    started_ms: i64,
    store: &mut Store,
) -> Result<(Held, OwnedFd, u32, Confined), String> {
    match &spec.kind {
        Kind::Pty(pty) => {
            let tree = Tree {
                user: pty.user,
                cgroup_kill: pty.cgroup_kill.clone(),
            };
            if let Some(user) = pty.user.filter(|user| user.exclusive && user.uid != 0) {
                // What a run left behind whose keeper was killed.
                tree::kill_user(user);
            }
            let started = program::start(pty)?;
            let pid = started.pid;
            let held = Held::Program {
                slave: Some(started.slave),
                pid,
                tree,
            };
            Ok((
                held,
                started.master,
                u32::try_from(pid).unwrap_or(0),
                started.confined,
            ))
        }
        Kind::Attach(to) => {
            let (stream, first) = attach::attach(to)?;
            store.append(started_ms, &first);
            Ok((Held::Stream, stream, 0, Confined::NotAsked))
        }
    }
}

/// Prints the one line. Nobody is left to tell if that fails.
fn answer(answer: &Answer) {
    if let Ok(mut line) = serde_json::to_vec(answer) {
        line.push(b'\n');
        let mut rest = &line[..];
        while let Ok(count @ 1..) = rustix::io::write(rustix::stdio::stdout(), rest) {
            rest = &rest[count..];
        }
    }
}

/// Lets go of the node's pipes.
fn let_go() {
    if let Ok(null) = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty()) {
        for standard in 0..3 {
            let _ = sys::copy_onto(null.as_raw_fd(), standard);
        }
    }
}
