//! What all stories here stand on: one engine for as long as one of them needs it, servers on it, and a reader that
//! is to a keeper what the node's pump is.

use roost_keeper::protocol::{Decoder, Frame, KeeperFrame, NodeFrame, VERSION};
use roost_node::runtime::{
    Launch, Running, StartError,
    docker::{DockerRules, Engine, Notice},
};
use roost_wire::remote::{RoostSettings, Settings};
use std::{
    io::{Read, Write},
    os::unix::{fs::chown, net::UnixStream},
    sync::{Arc, Mutex, Weak},
    time::{Duration, Instant},
};
use uuid::Uuid;

/// Longest time that anything here may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// User and group of all servers here.
pub const UID: u32 = 123_456;

/// The private engine, shared by the stories that run at the same time.
pub fn private_engine() -> Arc<roost_world::Engine> {
    static SHARED: Mutex<Weak<roost_world::Engine>> = Mutex::new(Weak::new());
    let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(engine) = shared.upgrade() {
        return engine;
    }
    let engine = Arc::new(roost_world::Engine::start_with_images().expect("a private engine"));
    *shared = Arc::downgrade(&engine);
    engine
}

/// One server on a private engine.
pub struct World {
    pub engine: Engine,
    pub launch: Launch,
    pub rules: DockerRules,
    said: Arc<Mutex<Vec<Notice>>>,
    dir: tempfile::TempDir,
    host: String,
    shared: Option<Arc<roost_world::Engine>>,
}

impl World {
    /// A server of `image` that runs `command`, or what the image runs where that is empty.
    pub async fn new(image: &str, command: &[&str]) -> Self {
        let private = private_engine();
        let mut world = Self::on(&private, image, command).await;
        world.shared = Some(private);
        world
    }

    /// The same on an engine that nobody else uses.
    pub async fn on(private: &roost_world::Engine, image: &str, command: &[&str]) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("roost-docker-")
            .tempdir()
            .unwrap();
        let (home, keeper_dir) = (dir.path().join("home"), dir.path().join("keeper"));
        std::fs::create_dir(&home).unwrap();
        std::fs::create_dir(&keeper_dir).unwrap();
        chown(&home, Some(UID), Some(UID)).unwrap();
        let mut settings: Settings =
            serde_json::from_value(serde_json::json!({ "uuid": Uuid::new_v4() })).unwrap();
        settings.container.image = image.to_owned();
        settings.build.memory_limit = 64;
        let launch = Launch {
            uuid: settings.uuid,
            run: Uuid::new_v4(),
            settings,
            roost: RoostSettings {
                command: command.iter().map(|word| (*word).to_owned()).collect(),
                ..RoostSettings::default()
            },
            process: Default::default(),
            dir: home,
            keeper_dir,
            timezone: "Europe/Berlin".to_owned(),
        };
        let rules = DockerRules {
            user: format!("{UID}:{UID}"),
            ..DockerRules::default()
        };
        Self {
            engine: Engine::connect(&private.host())
                .await
                .expect("an engine that answers"),
            launch,
            rules,
            said: Arc::default(),
            dir,
            host: private.host(),
            shared: None,
        }
    }

    /// A shell script in the place of the image's command.
    pub async fn script(script: &str) -> Self {
        Self::new(roost_world::engine::IMAGE_SHELL, &["/bin/sh", "-c", script]).await
    }

    pub fn uuid(&self) -> Uuid {
        self.launch.uuid
    }

    pub fn home(&self) -> &std::path::Path {
        &self.launch.dir
    }

    pub fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Starts the server, as a node would.
    pub async fn start(&self) -> Result<Running, StartError> {
        self.engine
            .start(&self.launch, &self.rules, &keepers(), &self.listener())
            .await
    }

    /// Starts it and reads what it says.
    pub async fn begin(&self) -> Stream {
        Stream::open(self.start().await.expect("the server starts"), self.launch.run)
    }

    /// Starts it and returns all that it says until it ends.
    pub async fn run(&self) -> String {
        self.begin().await.all()
    }

    pub fn listener(&self) -> impl Fn(Notice) + Send + Sync + use<> {
        let said = Arc::clone(&self.said);
        move |notice| said.lock().unwrap().push(notice)
    }

    /// What the daemon had to say.
    pub fn said(&self) -> String {
        let said = self.said.lock().unwrap();
        said.iter().map(|notice| format!("{}\n", notice.text)).collect()
    }

    /// The container, as the engine describes it.
    pub async fn inspect(&self) -> bollard::models::ContainerInspectResponse {
        self.bollard()
            .inspect_container(&self.uuid().to_string(), None)
            .await
            .unwrap()
    }

    /// A connection that is nobody's but the test's.
    pub fn bollard(&self) -> bollard::Docker {
        let version = &bollard::ClientVersion {
            major_version: 1,
            minor_version: 41,
        };
        bollard::Docker::connect_with_unix(&self.host, 60, version).unwrap()
    }

    pub async fn end(self) {
        self.engine.remove(self.uuid()).await.expect("the container goes");
    }
}

/// How this test makes keepers.
pub fn keepers() -> crate::threads::Threads {
    crate::threads::Threads
}

/// The node's end of a keeper.
pub struct Stream {
    link: UnixStream,
    decoder: Decoder,
    pub text: String,
    bytes: Vec<u8>,
    pub pid: Option<u32>,
    ended: bool,
    inputs: u64,
}

impl Stream {
    /// Says HELLO from the beginning of the output.
    pub fn open(running: Running, run: Uuid) -> Self {
        Self::open_at(running, run, 0)
    }

    pub fn open_at(running: Running, run: Uuid, resume_offset: u64) -> Self {
        let mut stream = Self {
            link: running.link,
            decoder: Decoder::default(),
            text: String::new(),
            bytes: Vec::new(),
            pid: running.pid,
            ended: false,
            inputs: 0,
        };
        stream.link.set_nonblocking(false).unwrap();
        stream
            .link
            .set_read_timeout(Some(Duration::from_millis(100)))
            .unwrap();
        stream.send(&NodeFrame::Hello {
            version: VERSION,
            run,
            resume_offset,
        });
        stream
    }

    fn send(&mut self, frame: &NodeFrame<'_>) {
        let mut out = Vec::new();
        frame.encode(&mut out);
        self.link.write_all(&out).expect("the keeper takes a frame");
    }

    /// Types a line.
    pub fn type_line(&mut self, line: &str) {
        self.inputs += 1;
        let bytes = format!("{line}\n");
        self.send(&NodeFrame::Input {
            id: self.inputs,
            bytes: bytes.as_bytes(),
        });
    }

    /// Reads what has come; `false` when the connection has ended.
    fn read(&mut self) -> bool {
        let n = match self.link.read(self.decoder.space(64 << 10)) {
            Ok(n) => n,
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => return true,
            Err(e) => panic!("the keeper's link: {e}"),
        };
        self.decoder.filled(n);
        let mut safe = None;
        while let Some(frame) = self.decoder.next_from_keeper().expect("frames") {
            match frame {
                KeeperFrame::Chunk { offset, bytes, .. } => {
                    self.bytes.extend_from_slice(bytes);
                    safe = Some(offset + bytes.len() as u64);
                }
                KeeperFrame::Exit { .. } => self.ended = true,
                KeeperFrame::Hole { newlines, .. } => panic!("a hole of {newlines} lines"),
                KeeperFrame::Hello { .. } | KeeperFrame::InputResult { .. } => {}
            }
        }
        self.text = String::from_utf8_lossy(&self.bytes).into_owned();
        if let Some(offset) = safe {
            self.send(&NodeFrame::Ack { offset });
        }
        n > 0
    }

    /// Waits until it has said this.
    pub fn expect(&mut self, words: &str) {
        let begun = Instant::now();
        while !self.text.contains(words) {
            assert!(
                begun.elapsed() < PATIENCE,
                "waited for {words:?}, came: {:?}",
                self.text
            );
            assert!(
                !self.ended && self.read(),
                "waited for {words:?}, it ended with: {:?}",
                self.text
            );
        }
    }

    /// Waits until the stream ends; then the keeper may go.
    pub fn finish(&mut self) {
        let begun = Instant::now();
        while !self.ended {
            assert!(
                begun.elapsed() < PATIENCE,
                "it does not end; came: {} bytes",
                self.bytes.len()
            );
            assert!(self.read(), "the keeper went away; came: {:?}", self.text);
        }
        self.send(&NodeFrame::Release);
    }

    /// All it says until it ends.
    pub fn all(mut self) -> String {
        self.finish();
        self.text
    }
}
