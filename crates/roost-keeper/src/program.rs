//! A program under a terminal of its own: opened, prepared, started, and what to say if it can't be.
//!
//! The child prepares itself between fork and exec by plain system calls; the first that fails is told to the keeper
//! through a pipe that an exec closes. What becomes of the program afterwards is [`crate::hold`]'s business.

use crate::{
    spec::{Confined, Pty},
    sys::{self, Forked},
};
use rustix::{
    fs::{Mode, OFlags},
    pty::OpenptFlags,
    termios::{self, InputModes, LocalModes, OptionalActions, OutputModes, Winsize},
};
use std::{
    ffi::{CStr, CString},
    io::{self, Read},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    os::unix::ffi::OsStrExt,
    path::Path,
};

mod confine;

pub use confine::confinement;

/// A program that runs.
#[derive(Debug)]
pub(crate) struct Started {
    /// The keeper's end of the terminal; nonblocking.
    pub(crate) master: OwnedFd,
    /// The program's end. While the keeper holds it, the terminal stays up whatever the program closes.
    pub(crate) slave: OwnedFd,
    pub(crate) pid: i32,
    pub(crate) confined: Confined,
}

/// What the child was at when it failed. The numbers cross the pipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Step {
    Terminal = 1,
    Cgroup,
    Limits,
    User,
    Confine,
    Directory,
    Exec,
}

const STEPS: [Step; 7] = [
    Step::Terminal,
    Step::Cgroup,
    Step::Limits,
    Step::User,
    Step::Confine,
    Step::Directory,
    Step::Exec,
];

/// Everything that the child needs, made before the fork.
struct Prepared<'a> {
    pty: &'a Pty,
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
    cwd: CString,
    cgroups: Vec<OwnedFd>,
    ruleset: Option<OwnedFd>,
}

fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, String> {
    CString::new(text)
        .map_err(|_| "The command, the environment or a path holds a NUL character: take it out.".to_owned())
}

fn c_path(path: &Path) -> Result<CString, String> {
    c_string(path.as_os_str().as_bytes())
}

/// Starts the program.
pub(crate) fn start(pty: &Pty) -> Result<Started, String> {
    let terminal = |error: io::Error| {
        format!(
            "No terminal could be opened ({error}): see that /dev/pts is mounted and raise kernel.pty.max."
        )
    };
    let (master, slave) = open_terminal(pty).map_err(terminal)?;
    let (ruleset, confined) = match &pty.confine {
        None => (None, Confined::NotAsked),
        Some(confine) => confine::ruleset(confine)?,
    };
    let mut cgroups = Vec::new();
    for path in &pty.cgroup_procs {
        let file = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())
            .map_err(|error| format!("The control group {} can't be entered ({error}).", path.display()))?;
        cgroups.push(file);
    }
    let prepared = Prepared {
        pty,
        program: c_path(&pty.program)?,
        argv: pty
            .argv
            .iter()
            .map(|arg| c_string(arg.as_str()))
            .collect::<Result<_, _>>()?,
        env: pty
            .env
            .iter()
            .map(|(name, value)| c_string(format!("{name}={value}")))
            .collect::<Result<_, _>>()?,
        cwd: c_path(&pty.cwd)?,
        cgroups,
        ruleset,
    };
    let (report, reporter) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(|error| format!("No pipe could be made ({error})."))?;
    let pid =
        match sys::fork().map_err(|error| format!("No process could be made ({error}): too many run."))? {
            Forked::Child => {
                let (step, error) = become_program(&prepared, &slave);
                let [a, b, c, d] = error.raw_os_error().unwrap_or(0).to_le_bytes();
                let _ = rustix::io::write(&reporter, &[step as u8, a, b, c, d]);
                sys::exit_now(127)
            }
            Forked::Parent(pid) => pid,
        };
    drop(reporter);
    let mut said = Vec::new();
    let _ = std::fs::File::from(report).take(5).read_to_end(&mut said);
    if let [step, a, b, c, d] = said[..] {
        let error = io::Error::from_raw_os_error(i32::from_le_bytes([a, b, c, d]));
        let step = STEPS.into_iter().find(|known| *known as u8 == step);
        return Err(sentence(step.unwrap_or(Step::Exec), &error, pty));
    }
    Ok(Started {
        master,
        slave,
        pid,
        confined,
    })
}

/// Makes a program of the child. Only returns if that fails.
fn become_program(prepared: &Prepared<'_>, slave: &OwnedFd) -> (Step, io::Error) {
    let argv: Vec<&CStr> = prepared.argv.iter().map(CString::as_c_str).collect();
    let env: Vec<&CStr> = prepared.env.iter().map(CString::as_c_str).collect();
    match become_ready(prepared, slave) {
        Err(failure) => failure,
        Ok(()) => (Step::Exec, sys::exec(&prepared.program, &argv, &env)),
    }
}

fn become_ready(prepared: &Prepared<'_>, slave: &OwnedFd) -> Result<(), (Step, io::Error)> {
    let at = |step: Step| move |error: io::Error| (step, error);
    let at_errno = |step: Step| move |error: rustix::io::Errno| (step, error.into());
    rustix::process::setsid().map_err(at_errno(Step::Terminal))?;
    rustix::process::ioctl_tiocsctty(slave).map_err(at_errno(Step::Terminal))?;
    for standard in 0..3 {
        sys::copy_onto(slave.as_raw_fd(), standard).map_err(at(Step::Terminal))?;
    }
    for group in &prepared.cgroups {
        rustix::io::write(group, b"0").map_err(at_errno(Step::Cgroup))?;
    }
    if let Some((soft, hard)) = prepared.pty.open_files {
        sys::set_open_files(soft, hard).map_err(at(Step::Limits))?;
    }
    if let Some(user) = prepared.pty.user {
        sys::become_user(user.uid, user.gid).map_err(at(Step::User))?;
    }
    sys::no_new_privs().map_err(at(Step::User))?;
    if let Some(ruleset) = &prepared.ruleset {
        sys::restrict_self(ruleset.as_fd()).map_err(at(Step::Confine))?;
    }
    rustix::process::umask(Mode::from_raw_mode(0o022));
    rustix::process::chdir(prepared.cwd.as_c_str()).map_err(at_errno(Step::Directory))?;
    sys::default_signals();
    // Every descriptor of the keeper closes by an exec anyway; this holds for those that nobody thought of.
    sys::close_on_exec_from(3);
    Ok(())
}

/// A terminal that shows nothing of what is typed, and changes nothing of what is printed.
fn open_terminal(pty: &Pty) -> io::Result<(OwnedFd, OwnedFd)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let master = rustix::pty::openpt(flags)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
    let mut modes = termios::tcgetattr(&slave)?;
    modes.local_modes -=
        LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHOCTL | LocalModes::ECHOKE;
    modes.output_modes -= OutputModes::ONLCR;
    // A ^S among the input would stop the output for good.
    modes.input_modes -= InputModes::IXON | InputModes::IXOFF;
    modes.input_modes |= InputModes::IUTF8;
    termios::tcsetattr(&slave, OptionalActions::Now, &modes)?;
    let size = Winsize {
        ws_col: pty.terminal.0,
        ws_row: pty.terminal.1,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    termios::tcsetwinsize(&slave, size)?;
    if let Some(user) = pty.user {
        // Or the program could not open /dev/stderr, /dev/pts/N and the like by name.
        let uid = rustix::fs::Uid::from_raw(user.uid);
        rustix::fs::fchown(&slave, Some(uid), None)?;
        rustix::fs::fchmod(&slave, Mode::RUSR | Mode::WUSR)?;
    }
    rustix::io::ioctl_fionbio(&master, true)?;
    Ok((master, slave))
}

/// What a person can do about a start that failed.
fn sentence(step: Step, error: &io::Error, pty: &Pty) -> String {
    use io::ErrorKind::{NotFound, PermissionDenied};
    let (program, cwd) = (pty.program.display(), pty.cwd.display());
    let user = pty
        .user
        .map_or_else(String::new, |user| format!(" as user {}", user.uid));
    match (step, error.kind()) {
        (Step::Terminal, _) => format!("The program could not get its terminal ({error})."),
        (Step::Cgroup, _) => format!("The program could not enter its control group ({error})."),
        (Step::Limits, _) => format!("The limit of open files could not be set ({error})."),
        (Step::User, _) => {
            format!("The program could not be run{user} ({error}): the node must run as root for that.")
        }
        (Step::Confine, _) => format!("The program could not be confined by Landlock ({error})."),
        (Step::Directory, NotFound) => format!("The server's directory {cwd} does not exist: make it."),
        (Step::Directory, _) => format!(
            "The server's directory {cwd} can't be entered{user} ({error}): give it and every directory above it \
             the x bit for that user."
        ),
        (Step::Exec, NotFound) if pty.program.exists() => format!(
            "{program} can't be run: the interpreter in its first line (#!), or its loader, is missing. Install it."
        ),
        (Step::Exec, NotFound) => format!("{program} does not exist: install it or change the command."),
        (Step::Exec, PermissionDenied) => format!(
            "{program} can't be run{user} (permission denied): make it executable (chmod +x) and let that user reach it."
        ),
        (Step::Exec, _) if error.raw_os_error() == Some(libc::ENOEXEC) => format!(
            "{program} is no program for this machine: a script needs a first line such as #!/bin/sh."
        ),
        (Step::Exec, _) => format!("{program} can't be run{user} ({error})."),
    }
}
