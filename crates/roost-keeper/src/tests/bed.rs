//! What the stories below need: a keeper in a folder of its own, and a node's side of its socket.

use crate::{
    place,
    protocol::{Decoder, Frame, KeeperFrame, NodeFrame, VERSION},
    spec::{Answer, Kind, Pty, Spec},
};
use std::{
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Runs when the test program is loaded, before its main and while it has one thread.
extern "C" fn become_keeper_if_asked() {
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|arg| arg == "keeper") {
        let code = crate::main(args) != std::process::ExitCode::SUCCESS;
        std::process::exit(i32::from(code));
    }
}

#[expect(
    unsafe_code,
    reason = "the only way to run something before a test program's own main"
)]
// SAFETY: the loader calls what stands in this section, as functions without a result; Rust's own record of the
// arguments is made by an entry of higher priority.
#[unsafe(link_section = ".init_array")]
#[used]
static BEFORE_MAIN: extern "C" fn() = become_keeper_if_asked;

/// A keeper of this test.
pub(super) struct Bed {
    pub(super) spec: Spec,
    pub(super) dir: tempfile::TempDir,
    /// The keeper and the program, once it is ready.
    pub(super) keeper: i32,
    pub(super) pid: i32,
}

/// A program under a shell, as this user.
pub(super) fn shell(script: &str) -> Pty {
    Pty {
        program: "/bin/sh".into(),
        argv: vec!["sh".into(), "-c".into(), script.into()],
        env: vec![("PATH".into(), "/usr/bin:/bin".into())],
        cwd: "/".into(),
        user: None,
        terminal: (240, 50),
        open_files: None,
        confine: None,
        cgroup_procs: Vec::new(),
        cgroup_kill: None,
    }
}

impl Bed {
    pub(super) fn new(pty: Pty) -> Self {
        Self::of(Kind::Pty(Box::new(pty)))
    }

    pub(super) fn of(kind: Kind) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            spec: Spec {
                server: Uuid::from_u128(1),
                run: Uuid::new_v4(),
                directory: dir.path().to_owned(),
                memory_bytes: 256 << 10,
                spool_bytes: 512 << 20,
                kind,
            },
            dir,
            keeper: 0,
            pid: 0,
        }
    }

    /// Starts the keeper; its starter has ended when this returns.
    pub(super) fn try_start(&mut self) -> Answer {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("keeper")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let spec = serde_json::to_vec(&self.spec).unwrap();
        child.stdin.take().unwrap().write_all(&spec).unwrap();
        let mut line = String::new();
        child.stdout.take().unwrap().read_to_string(&mut line).unwrap();
        child.wait().unwrap();
        let answer = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}"));
        if let Answer::Ready { keeper, pid, .. } = &answer {
            self.keeper = i32::try_from(*keeper).unwrap();
            self.pid = i32::try_from(*pid).unwrap();
        }
        answer
    }

    pub(super) fn start(mut self) -> Self {
        let answer = self.try_start();
        assert!(matches!(answer, Answer::Ready { .. }), "{answer:?}");
        self
    }

    pub(super) fn run(script: &str) -> Self {
        Self::new(shell(script)).start()
    }

    /// Connects, and reads from `resume` on.
    pub(super) fn node(&self, resume: u64) -> Node {
        let mut node = Node::connect(self.dir.path());
        node.send(NodeFrame::Hello {
            version: VERSION,
            run: self.spec.run,
            resume_offset: resume,
        });
        node.until("HELLO", |node| node.hello.is_some());
        node
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if self.keeper != 0 {
            let _ = crate::sys::kill(self.keeper, libc::SIGTERM);
            wait_for("the keeper ends", || !alive(self.keeper));
        }
    }
}

/// Whether a process exists and has not ended.
pub(super) fn alive(pid: i32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.trim_start().starts_with('Z'))
}

/// Waits up to 20 s for what `what` says.
pub(super) fn wait_for(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: Option<i32>,
    pub(super) signal: Option<i32>,
    pub(super) end_offset: u64,
}

/// A node's side of the socket. Everything that came stands in its fields.
pub(super) struct Node {
    stream: UnixStream,
    decoder: Decoder,
    /// pid, first offset.
    pub(super) hello: Option<(u32, u64)>,
    /// Where the output that follows begins.
    pub(super) from: u64,
    pub(super) output: Vec<u8>,
    pub(super) times: Vec<i64>,
    pub(super) holes: Vec<(u64, u64, u64)>,
    pub(super) results: Vec<(u64, String)>,
    pub(super) end: Option<End>,
    pub(super) closed: bool,
}

impl Node {
    pub(super) fn connect(directory: &Path) -> Self {
        let stream = place::connect(directory).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        Self {
            stream,
            decoder: Decoder::default(),
            hello: None,
            from: 0,
            output: Vec::new(),
            times: Vec::new(),
            holes: Vec::new(),
            results: Vec::new(),
            end: None,
            closed: false,
        }
    }

    pub(super) fn send(&mut self, frame: NodeFrame<'_>) {
        let mut out = Vec::new();
        frame.encode(&mut out);
        self.stream.write_all(&out).unwrap();
    }

    pub(super) fn ack(&mut self) {
        let offset = self.at();
        self.send(NodeFrame::Ack { offset });
    }

    /// First byte that has not come yet.
    pub(super) fn at(&self) -> u64 {
        let missing: u64 = self.holes.iter().map(|(from, to, _)| to - from).sum();
        self.from + missing + self.output.len() as u64
    }

    /// Reads once, for at most 20 ms.
    pub(super) fn read(&mut self) {
        match self.stream.read(self.decoder.space(64 << 10)) {
            Ok(0) => self.closed = true,
            Ok(count) => self.decoder.filled(count),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
            Err(_) => self.closed = true,
        }
        loop {
            let at = self.at();
            let Some(frame) = self.decoder.next_from_keeper().unwrap() else {
                return;
            };
            match frame {
                KeeperFrame::Hello {
                    pid, first_offset, ..
                } => self.hello = Some((pid, first_offset)),
                KeeperFrame::Chunk {
                    offset,
                    bytes,
                    time_ms,
                } => {
                    if self.output.is_empty() && self.holes.is_empty() {
                        self.from = offset;
                    } else {
                        assert_eq!(offset, at, "output out of order");
                    }
                    self.output.extend_from_slice(bytes);
                    self.times.push(time_ms);
                }
                KeeperFrame::Hole { from, to, newlines } => {
                    if self.output.is_empty() && self.holes.is_empty() {
                        self.from = from;
                    }
                    self.holes.push((from, to, newlines));
                }
                KeeperFrame::InputResult { id, error } => self.results.push((id, error.to_owned())),
                KeeperFrame::Exit {
                    code,
                    signal,
                    end_offset,
                    ..
                } => {
                    self.end = Some(End {
                        code,
                        signal,
                        end_offset,
                    });
                }
            }
        }
    }

    /// Reads until `done`.
    pub(super) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(self) {
            assert!(!self.closed || done(self), "the keeper closed before: {what}");
            assert!(
                Instant::now() < deadline,
                "waited in vain for: {what}; have {:?}",
                self.text()
            );
            self.read();
        }
    }

    pub(super) fn until_text(&mut self, text: &str) {
        self.until(text, |node| node.text().contains(text));
    }

    pub(super) fn until_end(&mut self) -> End {
        self.until("EXIT", |node| node.end.is_some());
        self.end.unwrap()
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8_lossy(&self.output[self.output.len().saturating_sub(1 << 20)..]).into_owned()
    }

    /// Types a line and returns what became of it.
    pub(super) fn type_line(&mut self, id: u64, line: &str) -> String {
        self.send(NodeFrame::Input {
            id,
            bytes: format!("{line}\n").as_bytes(),
        });
        self.until("INPUT_RESULT", |node| {
            node.results.iter().any(|(of, _)| *of == id)
        });
        let found = self.results.iter().find(|(of, _)| *of == id);
        found.unwrap().1.clone()
    }

    /// Says that the run is recorded.
    pub(super) fn release(mut self) {
        self.send(NodeFrame::Release);
        self.until("the keeper leaves", |node| node.closed);
    }
}
