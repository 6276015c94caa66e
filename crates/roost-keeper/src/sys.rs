//! The few system calls that no safe crate offers, each behind a safe function.
//!
//! They are sound because the keeper has exactly one thread from its first instruction to its last: nothing changes
//! signal dispositions or descriptors behind their back, and a fork copies the whole process. What is done with them
//! is decided elsewhere.
#![expect(
    unsafe_code,
    reason = "fork, exec, signals by number and landlock_restrict_self have no safe form"
)]

use std::{
    ffi::CStr,
    io,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd},
};

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Which side of a fork this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forked {
    /// The new process.
    Child,
    /// The old one; the new one's pid.
    Parent(i32),
}

/// Splits the process in two.
pub(crate) fn fork() -> io::Result<Forked> {
    // SAFETY: the process has one thread, so that the child is a whole copy and may run any code.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Forked::Child),
        pid => Ok(Forked::Parent(pid)),
    }
}

/// Ends the process at once: no destructors, no exit handlers.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: takes no pointers and does not return.
    unsafe { libc::_exit(code) }
}

/// Replaces the process. Only returns if that fails.
pub(crate) fn exec(program: &CStr, argv: &[&CStr], env: &[&CStr]) -> io::Error {
    let argv: Vec<_> = argv
        .iter()
        .map(|arg| arg.as_ptr())
        .chain([std::ptr::null()])
        .collect();
    let env: Vec<_> = env
        .iter()
        .map(|var| var.as_ptr())
        .chain([std::ptr::null()])
        .collect();
    // SAFETY: both lists end with a null pointer, and the texts that they point to are borrowed until the call is over.
    unsafe { libc::execve(program.as_ptr(), argv.as_ptr(), env.as_ptr()) };
    io::Error::last_os_error()
}

/// Has large buffers live outside the heap from now on, so that their memory goes back to the system with them.
pub(crate) fn keep_large_buffers_apart() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers, and nothing has been allocated by another thread: there is none.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 64 << 10);
    }
}

/// Gives back the pages of the heap that hold nothing.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes no pointers and leaves what is allocated where it is.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Closes every descriptor from `first` on.
pub(crate) fn close_from(first: RawFd) {
    let from = libc::c_uint::try_from(first).unwrap_or(0);
    // SAFETY: the caller's own descriptors lie below `first`; nothing above it is owned by a value that is used again
    // (the keeper calls this before it opens anything, its child before it execs).
    let closed = unsafe { libc::syscall(libc::SYS_close_range, from, libc::c_uint::MAX, 0) };
    if closed != 0 {
        // Kernels before 5.9.
        for fd in first..65_536 {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// Makes `to` a copy of `from` that survives an exec. A descriptor that `to` named before is closed.
pub(crate) fn copy_onto(from: RawFd, to: RawFd) -> io::Result<()> {
    // SAFETY: the caller passes standard descriptors (0 to 3) of a process that is about to exec, or of a keeper that
    // puts /dev/null there; nothing else owns those.
    check(unsafe { libc::dup2(from, to) }).map(drop)
}

/// Marks every descriptor from `first` on to be closed by an exec, where the kernel can (from 5.11 on).
pub(crate) fn close_on_exec_from(first: RawFd) {
    let from = libc::c_uint::try_from(first).unwrap_or(0);
    // SAFETY: takes no pointers, and closes nothing yet.
    unsafe {
        libc::syscall(
            libc::SYS_close_range,
            from,
            libc::c_uint::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
}

/// Ignores `signals`.
pub(crate) fn ignore(signals: &[i32]) {
    for signal in signals {
        // SAFETY: SIG_IGN is no handler that could run.
        unsafe { libc::signal(*signal, libc::SIG_IGN) };
    }
}

/// Every signal does again what it does by default, and none is blocked.
pub(crate) fn default_signals() {
    // The kernel's own struct, all zero: SIG_DFL, no flags, an empty mask. The C library's call would leave out the two
    // signals that it uses itself, which a parent may have had ignored.
    let default = [0u64; 4];
    let (none, set_size) = (std::ptr::null_mut::<u64>(), size_of::<u64>());
    for signal in 1..=64 {
        // SAFETY: the struct is as long as the kernel reads; numbers that can't be set are refused by it.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, set_size) };
    }
    // SAFETY: the set is initialised by sigemptyset before it is used.
    unsafe {
        let mut none = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
    }
}

/// Blocks `signals` and makes them readable: each read gives some; see [`read_signals`].
pub(crate) fn signal_fd(signals: &[i32]) -> io::Result<OwnedFd> {
    // SAFETY: the set is initialised by sigemptyset before it is used; the descriptor is new and owned by the result.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        check(libc::sigprocmask(
            libc::SIG_BLOCK,
            &raw const set,
            std::ptr::null_mut(),
        ))?;
        let fd = check(libc::signalfd(
            -1,
            &raw const set,
            libc::SFD_CLOEXEC | libc::SFD_NONBLOCK,
        ))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// The signals that have come since the last call.
pub(crate) fn read_signals(fd: &OwnedFd) -> Vec<i32> {
    const SIZE: usize = size_of::<libc::signalfd_siginfo>();
    let mut block = [0; 8 * SIZE];
    let mut signals = Vec::new();
    while let Ok(count @ 1..) = rustix::io::read(fd, &mut block) {
        // `ssi_signo` is the first field.
        let numbers = block[..count]
            .chunks_exact(SIZE)
            .filter_map(|info| info.first_chunk::<4>());
        signals.extend(numbers.filter_map(|number| i32::try_from(u32::from_ne_bytes(*number)).ok()));
    }
    signals
}

/// Sends `signal` to a process, or to the group `-pid`.
pub(crate) fn kill(pid: i32, signal: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(pid, signal) }).map(drop)
}

/// From now on neither this process nor a descendant can gain rights by an exec.
pub(crate) fn no_new_privs() -> io::Result<()> {
    let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, on, none, none, none) }).map(drop)
}

/// The process becomes the parent of orphans among its descendants.
pub(crate) fn become_subreaper() -> io::Result<()> {
    let (on, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: takes no pointers.
    check(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, on, none, none, none) }).map(drop)
}

/// Takes on a user and a group for good, with no other groups.
pub(crate) fn become_user(uid: u32, gid: u32) -> io::Result<()> {
    // SAFETY: an empty list of groups is not read through its pointer; the others take none.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()))?;
        check(libc::setresgid(gid, gid, gid))?;
        check(libc::setresuid(uid, uid, uid))?;
    }
    Ok(())
}

/// Confines this process by a Landlock ruleset; needs [`no_new_privs`] before.
pub(crate) fn restrict_self(ruleset: BorrowedFd<'_>) -> io::Result<()> {
    let none: libc::c_uint = 0;
    // SAFETY: takes no pointers.
    let result = unsafe { libc::syscall(libc::SYS_landlock_restrict_self, ruleset.as_raw_fd(), none) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Soft and hard limit of open descriptors.
pub(crate) fn set_open_files(soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit {
        rlim_cur: soft,
        rlim_max: hard,
    };
    // SAFETY: the struct is whole and only read.
    check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) }).map(drop)
}
