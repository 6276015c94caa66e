//! What a delivery costs the viewers' side alone: shards and a console in this process, viewers on loopback sockets.
//!
//! ```text
//! cargo run --release -p roost-node --example fanout -- [VIEWERS [LINES_A_SECOND [SECONDS]]]
//! ```
//!
//! Prints the CPU time of the shard threads a delivery (a line for a viewer), the latency from the publication to the
//! client's read, and beside them the floor: one thread that writes the same frames, made beforehand, to as many bare
//! sockets, one write a socket a tick. The whole node is measured by `./bench`.

#![expect(clippy::print_stdout, reason = "it is for reading")]
#![expect(clippy::unwrap_used, reason = "a measurement that fails has no use")]

use bytes::Bytes;
use roost_node::{
    deny::DenyList,
    node::Secrets,
    pump::Wake,
    server::handle::{Requester, ServerHandle, ServerView},
    socket::{Peer, Recorder, Settings, Setup, Shards, Upgraded},
};
use roost_wire::{
    clock::{Clock, SystemClock},
    event,
    permission::PermissionSet,
    token::{Claims, Grant},
};
use rustix::event::epoll;
use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};
use uuid::Uuid;

const SERVER: Uuid = Uuid::from_u128(1);
const SECRET: &str = "only for this measurement";
/// Bytes of a line.
const LINE: usize = 80;

struct Nobody;
impl Recorder for Nobody {
    fn record(&self, _: Uuid, _: &str, _: &Requester, _: serde_json::Value) {}
}

fn main() {
    let mut numbers = std::env::args().skip(1).map(|arg| arg.parse::<u64>().unwrap());
    let viewers = numbers.next().unwrap_or(1_000);
    let rate = numbers.next().unwrap_or(1_000);
    let seconds = numbers.next().unwrap_or(5);
    let tick = Duration::from_micros(if viewers < 1_000 { 500 } else { 10_000 });
    let floor = floor(viewers, rate, seconds, tick);
    println!("floor   {floor:.3} us a delivery (tick {tick:?})");
    measure(viewers, rate, seconds, floor);
}

fn measure(viewers: u64, rate: u64, seconds: u64, floor: f64) {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let limits = roost_console::Limits {
        journal_bytes: 1 << 30,
        journal_age: 0,
        disk_free_percent: 0,
        ring_bytes: 4 << 20,
    };
    let journal = dir.path().join("journal");
    let (mut writer, console, _) = roost_console::open(&journal, "Roost", limits, clock.now()).unwrap();
    let shards = Shards::start(Setup {
        settings: Settings {
            guests: u32::MAX,
            per_credential: u32::MAX,
            ..Settings::default()
        },
        secrets: Secrets::new("id", SECRET, None, clock.clone()),
        deny: Arc::new(DenyList::open(dir.path(), clock.clone()).unwrap()),
        clock: clock.clone(),
        recorder: Arc::new(Nobody),
    })
    .unwrap();
    let (mailbox, _asked) = tokio::sync::mpsc::channel(16);
    let (_view, view) = tokio::sync::watch::channel(ServerView::default());
    let handle = ServerHandle {
        uuid: SERVER,
        console,
        published: Arc::default(),
        view,
        mailbox,
    };

    let memory = resident();
    let mut clients = Vec::new();
    for _ in 0..viewers {
        let (mut ours, theirs) = pair();
        let peer = Peer {
            address: [127, 0, 0, 1].into(),
            query_token: Some(token()),
            permit: None,
            is_v1: false,
        };
        shards.adopt(Upgraded::Plain(theirs, Bytes::new()), handle.clone(), peer);
        let mut answer = [0; 4096];
        assert!(ours.read(&mut answer).unwrap() > 0);
        clients.push(ours);
    }
    std::thread::sleep(Duration::from_millis(400));
    println!(
        "memory  {:.2} KiB a viewer, idle, its client's side included",
        (resident() - memory) / viewers as f64
    );
    let readers = Readers::start(clients, rate);
    std::thread::sleep(Duration::from_millis(300));
    let (cpu, count, start) = (
        cpu_of("shard-"),
        readers.lines.load(Ordering::SeqCst),
        Instant::now(),
    );
    let total = rate * seconds;
    let mut offset = 0;
    for n in 0..total {
        let due = Duration::from_nanos(n * 1_000_000_000 / rate);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
        let mut line = format!("{:020} ", clock_us());
        line.push_str(&"x".repeat(LINE - line.len()));
        line.push('\n');
        offset += line.len() as u64;
        writer.output(line.as_bytes(), offset, clock.now()).unwrap();
        shards.published(SERVER);
    }
    std::thread::sleep(Duration::from_millis(500));
    let used = cpu_of("shard-") - cpu;
    let delivered = readers.lines.load(Ordering::SeqCst) - count;
    let cost = used * 1e6 / delivered as f64;
    println!("shards  {cost:.3} us a delivery, {:.2} x the floor", cost / floor);
    let writes = shards.counts().flushes * viewers / shard_count(viewers);
    println!("        {:.2} us a write", used * 1e6 / writes as f64);
    println!(
        "        {delivered} of {} delivered, {:?}",
        total * viewers,
        shards.counts()
    );
    readers.end();
    shards.shutdown();
}

/// How many shards the viewers of one server are spread over.
fn shard_count(viewers: u64) -> u64 {
    (viewers.div_ceil(64)).min(Settings::default().threads as u64)
}

/// One thread, one write of what is due a socket a tick.
fn floor(viewers: u64, rate: u64, seconds: u64, tick: Duration) -> f64 {
    let (ours, mut theirs): (Vec<TcpStream>, Vec<TcpStream>) = (0..viewers).map(|_| pair()).unzip();
    let readers = Readers::start(ours, rate);
    let one = event::frame(event::CONSOLE_OUTPUT, &[&"x".repeat(LINE)]);
    let writer = std::thread::Builder::new().name("floor".into()).spawn(move || {
        let (start, mut sent) = (Instant::now(), 0);
        let (mut ticks, mut writes) = (0, 0);
        while start.elapsed() < Duration::from_secs(seconds) {
            ticks += 1;
            std::thread::sleep((tick * ticks).saturating_sub(start.elapsed()));
            let due = start.elapsed().as_micros() as u64 * rate / 1_000_000;
            let bytes = one.repeat((due - sent) as usize);
            if due > sent {
                writes += viewers;
                theirs
                    .iter_mut()
                    .for_each(|stream| stream.write_all(&bytes).unwrap());
            }
            sent = due;
        }
        let used = cpu_of("floor") * 1e6;
        println!("        {:.2} us a write", used / writes as f64);
        used / (sent * viewers) as f64
    });
    let cost = writer.unwrap().join().unwrap();
    readers.end();
    cost
}

/// A thread that reads all clients and counts the lines.
struct Readers {
    lines: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<Vec<u64>>,
}

impl Readers {
    fn start(mut clients: Vec<TcpStream>, rate: u64) -> Self {
        let (lines, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let (counted, stopped) = (lines.clone(), stop.clone());
        let thread = std::thread::spawn(move || {
            let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).unwrap();
            for (i, client) in clients.iter().enumerate() {
                client.set_nonblocking(true).unwrap();
                let data = epoll::EventData::new_u64(i as u64);
                epoll::add(&epoll, client, data, epoll::EventFlags::IN).unwrap();
            }
            let (mut events, mut buffer) = (Vec::with_capacity(256), vec![0; 1 << 20]);
            let mut late = Vec::new();
            let sample = (rate / 100).max(1);
            while !stopped.load(Ordering::Relaxed) {
                events.clear();
                let wait = Some(Duration::from_millis(50).try_into().unwrap());
                epoll::wait(&epoll, rustix::buffer::spare_capacity(&mut events), wait.as_ref()).unwrap();
                for event in &events {
                    let n = clients[event.data.u64() as usize].read(&mut buffer).unwrap_or(0);
                    let now = clock_us();
                    // Every frame is one line of one length, or an answer that has no `output` in it.
                    for at in memchr::memmem::find_iter(&buffer[..n], b"console output\",\"args\":[\"") {
                        let before = counted.fetch_add(1, Ordering::Relaxed);
                        let text = buffer.get(at + 25..at + 45).unwrap_or_default();
                        if before % sample == 0
                            && let Some(said) =
                                std::str::from_utf8(text).ok().and_then(|t| t.parse::<u64>().ok())
                        {
                            late.push(now.saturating_sub(said));
                        }
                    }
                }
            }
            late
        });
        Self { lines, stop, thread }
    }

    fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        let mut late = self.thread.join().unwrap();
        late.sort_unstable();
        if let (Some(middle), Some(high)) = (late.get(late.len() / 2), late.get(late.len() * 99 / 100)) {
            println!(
                "latency {:.2} ms median, {:.2} ms 99th percentile",
                *middle as f64 / 1e3,
                *high as f64 / 1e3
            );
        }
    }
}

fn pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let theirs = listener.accept().unwrap().0;
    theirs.set_nodelay(true).unwrap();
    (ours, theirs)
}

fn token() -> String {
    let grant = Grant {
        server: SERVER,
        user: Uuid::from_u128(2),
        user_name: "somebody",
        permissions: PermissionSet::owner(),
        credential: "session",
        history_from: None,
        issuer: "https://panel.example.com",
        audience: "https://node.example.com",
        unique_id: "0123456789abcdef".into(),
    };
    Claims::new(grant, SystemClock.now()).sign(SECRET).unwrap()
}

/// Seconds of CPU that this process's threads of this name have used.
fn cpu_of(name: &str) -> f64 {
    let mut nanos = 0.0;
    for task in std::fs::read_dir("/proc/self/task").unwrap().flatten() {
        let comm = std::fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        if comm.starts_with(name) {
            let stat = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            nanos += stat
                .split(' ')
                .next()
                .and_then(|n| n.parse::<f64>().ok())
                .unwrap_or(0.0);
        }
    }
    nanos / 1e9
}

/// KiB of this process's memory.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: f64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096.0 / 1024.0
}

fn clock_us() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000 + time.tv_nsec as u64 / 1_000
}
