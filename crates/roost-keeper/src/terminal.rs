//! A program under a terminal: the PTY is made, the program becomes its session's leader and is executed.
//!
//! What comes out of the terminal is read elsewhere.

use crate::{
    spec::Pty,
    sys::{self, Forked},
};
use rustix::{
    fs::{Mode, OFlags},
    pty::OpenptFlags,
    termios::{LocalModes, OptionalActions, OutputModes, Winsize},
};
use std::{
    ffi::CString,
    io::{self, Read, Write},
    os::fd::{AsFd, AsRawFd, OwnedFd},
    os::unix::ffi::OsStrExt,
};

/// A started program.
#[derive(Debug)]
pub(crate) struct Started {
    /// The terminal's other end, not blocking.
    pub(crate) master: OwnedFd,
    /// The program.
    pub(crate) pid: i32,
}

/// Starts it. The error is a sentence for the console.
pub(crate) fn start(pty: &Pty) -> Result<Started, String> {
    let (master, slave) = open(pty.terminal)
        .map_err(|error| format!("No terminal can be made ({error}): look at /proc/sys/kernel/pty/max."))?;
    let words = Words::of(pty)?;
    let (mut failure, report) = io::pipe().map_err(|error| format!("No pipe can be made ({error})."))?;
    match sys::fork()
        .map_err(|error| format!("No process can be made ({error}): look at the process limits."))?
    {
        Forked::Child => {
            let step = become_program(pty, &words, &slave);
            let mut report = report;
            let _ = report.write_all(step.as_bytes());
            sys::exit_now(127);
        }
        Forked::Parent(pid) => {
            drop((slave, report));
            let mut reason = String::new();
            let _ = failure.read_to_string(&mut reason);
            if reason.is_empty() {
                Ok(Started { master, pid })
            } else {
                Err(reason)
            }
        }
    }
}

/// The command as C texts, made before the fork.
struct Words {
    program: CString,
    argv: Vec<CString>,
    env: Vec<CString>,
}

impl Words {
    fn of(pty: &Pty) -> Result<Self, String> {
        let text = |bytes: &[u8]| {
            CString::new(bytes)
                .map_err(|_| "The command or its environment holds a NUL character: remove it.".to_owned())
        };
        Ok(Self {
            program: text(pty.program.as_os_str().as_bytes())?,
            argv: pty
                .argv
                .iter()
                .map(|word| text(word.as_bytes()))
                .collect::<Result<_, _>>()?,
            env: pty
                .env
                .iter()
                .map(|(name, value)| text(format!("{name}={value}").as_bytes()))
                .collect::<Result<_, _>>()?,
        })
    }
}

fn open((columns, rows): (u16, u16)) -> io::Result<(OwnedFd, OwnedFd)> {
    let master = rustix::pty::openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    rustix::pty::grantpt(&master)?;
    rustix::pty::unlockpt(&master)?;
    let name = rustix::pty::ptsname(&master, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let slave = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
    let mut modes = rustix::termios::tcgetattr(&slave)?;
    // What is typed is not output, and a line feed is a line feed.
    modes.local_modes -= LocalModes::ECHO;
    modes.output_modes -= OutputModes::ONLCR;
    rustix::termios::tcsetattr(&slave, OptionalActions::Now, &modes)?;
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    rustix::termios::tcsetwinsize(&master, size)?;
    rustix::io::ioctl_fionbio(&master, true)?;
    Ok((master, slave))
}

/// The child's way to the program. Returns only if a step fails, with the sentence for it.
fn become_program(pty: &Pty, words: &Words, slave: &OwnedFd) -> String {
    let failed = |what: &str, error: &dyn std::fmt::Display| {
        format!("The program could not be started: {what}: {error}.")
    };
    sys::default_signals();
    for file in &pty.cgroup_procs {
        if let Err(error) = std::fs::write(file, "0") {
            return failed(&format!("it can't be put into {}", file.display()), &error);
        }
    }
    if let Err(error) = rustix::process::setsid() {
        return failed("no session", &error);
    }
    if let Err(error) = rustix::process::ioctl_tiocsctty(slave.as_fd()) {
        return failed("no controlling terminal", &error);
    }
    for standard in 0..3 {
        if let Err(error) = sys::copy_onto(slave.as_raw_fd(), standard) {
            return failed("no standard streams", &error);
        }
    }
    if let Some((soft, hard)) = pty.open_files
        && let Err(error) = sys::set_open_files(soft, hard)
    {
        return failed("its limit of open files", &error);
    }
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    if let Some(user) = pty.user
        && let Err(error) = sys::become_user(user.uid, user.gid)
    {
        return failed(&format!("it can't become user {}", user.uid), &error);
    }
    if let Err(error) = sys::no_new_privs() {
        return failed("no_new_privs", &error);
    }
    if let Err(error) = std::env::set_current_dir(&pty.cwd) {
        return failed(
            &format!("its directory {} can't be entered", pty.cwd.display()),
            &error,
        );
    }
    // All other descriptors are closed by the exec.
    let argv: Vec<_> = words.argv.iter().map(CString::as_c_str).collect();
    let env: Vec<_> = words.env.iter().map(CString::as_c_str).collect();
    let error = sys::exec(&words.program, &argv, &env);
    failed(&format!("{} can't be executed", pty.program.display()), &error)
}
