//! The keeper: a small process, one a running server, that outlives the node.
//!
//! ```text
//!   program ══PTY══╗
//!                  keeper ──Unix socket── node (comes and goes)
//!   engine ═attach═╝   └─ spool file, while nobody reads
//! ```
//!
//! It is a byte pipe: it holds the terminal (or the engine's attach stream), keeps raw chunks with stream offset and
//! arrival time until the node has acknowledged them, and ends the whole tree. What lines are, who may see them and
//! when a server starts is not its business. Its protocol is versioned: a newer node drives older keepers.
//!
//! A node calls [`spawn()`] and [`find`]; the binary hands over to [`main`] before it does anything else.

mod attach;
mod hold;
mod place;
pub mod protocol;
mod spawn;
pub mod spec;
mod store;
mod sys;
mod terminal;
mod tree;

pub use place::{Record, connect, find, record};
pub use spawn::spawn;

use hold::{Held, Keeper};
use place::Place;
use spec::{Answer, Confined, Kind, Spec};
use std::{ffi::OsString, io::Read, io::Write, process::ExitCode};
use store::Store;
use sys::Forked;

/// Stack of lines that a spec has at most, in bytes.
const SPEC_MAX: u64 = 1 << 20;

/// The verb `keeper`: reads a [`Spec`] from standard input, goes to the background, answers with one line of JSON
/// ([`Answer`]) and stays until a node lets go of it. `_args` are for people who look at processes.
pub fn main(_args: impl Iterator<Item = OsString>) -> ExitCode {
    // Nothing of the node's is inherited: no lock, no listener, no socket.
    sys::close_from(3);
    match sys::fork() {
        Ok(Forked::Parent(_)) => return ExitCode::SUCCESS,
        Ok(Forked::Child) => {}
        Err(_) => return ExitCode::FAILURE,
    }
    let _ = rustix::process::setsid();
    let (answer, keeper) = match begin() {
        Ok((answer, keeper)) => (answer, Some(keeper)),
        Err(sentence) => (Answer::Error(sentence), None),
    };
    let mut line = serde_json::to_vec(&answer).unwrap_or_default();
    line.push(b'\n');
    let _ = std::io::stdout()
        .write_all(&line)
        .and_then(|()| std::io::stdout().flush());
    let Some(keeper) = keeper else {
        return ExitCode::FAILURE;
    };
    silence();
    keeper.run();
    ExitCode::SUCCESS
}

/// Everything up to the loop. The error is a sentence for the console.
fn begin() -> Result<(Answer, Keeper), String> {
    let mut text = Vec::new();
    std::io::stdin()
        .take(SPEC_MAX)
        .read_to_end(&mut text)
        .map_err(|error| format!("The keeper was not told what to hold ({error})."))?;
    let spec: Spec = serde_json::from_slice(&text).map_err(|error| {
        format!("The keeper does not understand what to hold ({error}): node and keeper differ in version.")
    })?;
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    sys::ignore(&[libc::SIGHUP, libc::SIGINT, libc::SIGPIPE]);
    let signals = sys::signal_fd(&[libc::SIGCHLD, libc::SIGTERM])
        .map_err(|error| format!("The keeper can't listen for signals ({error})."))?;
    sys::become_subreaper().map_err(|error| format!("The keeper can't become a subreaper ({error})."))?;
    let place = Place::take(&spec.directory)?;
    let started_ms = hold::now_ms();
    let (held, first) = match &spec.kind {
        Kind::Pty(pty) => {
            let started = terminal::start(pty)?;
            let held = Held {
                run: spec.run,
                stream: started.master,
                pid: Some(started.pid),
                started_ms,
                cgroup_kill: pty.cgroup_kill.clone(),
            };
            (held, Vec::new())
        }
        Kind::Attach(attach) => {
            let (stream, first) = attach::open(attach)?;
            (
                Held {
                    run: spec.run,
                    stream,
                    pid: None,
                    started_ms,
                    cgroup_kill: None,
                },
                first,
            )
        }
    };
    let (keeper, pid) = (
        std::process::id(),
        held.pid.and_then(|pid| u32::try_from(pid).ok()).unwrap_or(0),
    );
    let record = Record {
        version: protocol::VERSION,
        server: spec.server,
        run: spec.run,
        keeper,
        pid,
        started_ms,
    };
    if let Err(sentence) = Place::record(&record) {
        tree::end(held.cgroup_kill.as_deref());
        return Err(sentence);
    }
    // The spool lies in the keeper's directory, which is the working directory now.
    let store = Store::new(place::SPOOL.into(), spec.memory_bytes, spec.spool_bytes);
    let mut holding = Keeper::new(held, place, signals, store);
    holding.append(&first);
    Ok((
        Answer::Ready {
            keeper,
            pid,
            confined: Confined::NotAsked,
        },
        holding,
    ))
}

/// Standard streams lead nowhere from now on.
fn silence() {
    use std::os::fd::AsRawFd;
    if let Ok(nothing) = std::fs::File::options().read(true).write(true).open("/dev/null") {
        for standard in 0..3 {
            let _ = sys::copy_onto(nothing.as_raw_fd(), standard);
        }
    }
}
