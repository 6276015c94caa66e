//! The floor: one thread that writes ready-made frames to bare sockets, one write a socket a tick. What fan-out costs
//! where nothing else is done.

use super::{
    Seen, cpu,
    stream::{self, Stream},
    swarm::Swarm,
};
use std::{
    io::Write,
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// What the floor costs.
#[derive(Debug)]
pub struct Floor {
    /// CPU microseconds a delivery.
    pub cpu_us: f64,
    /// What its viewers saw.
    pub seen: Seen,
}

/// Measures it for this long.
pub fn measure(
    viewers: usize,
    lines_per_second: u64,
    size: usize,
    tick: Duration,
    time: Duration,
    is_tls: bool,
) -> anyhow::Result<Floor> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let tls = match is_tls {
        true => Some((stream::server_config()?, stream::client_config()?)),
        false => None,
    };
    let mut inside = Vec::new();
    let mut outside = Vec::new();
    for _ in 0..viewers {
        let theirs = TcpStream::connect(address)?;
        let (ours, _) = listener.accept()?;
        ours.set_nodelay(true)?;
        let (ours, theirs) = match &tls {
            None => (Stream::Plain(ours), Stream::Plain(theirs)),
            Some((server, client)) => {
                let server = Arc::clone(server);
                let accepting = std::thread::spawn(move || Stream::server(&server, ours));
                let theirs = Stream::client(client, theirs)?;
                let ours = accepting
                    .join()
                    .map_err(|_| anyhow::anyhow!("the handshake panicked"))??;
                (ours, theirs)
            }
        };
        ours.tcp().set_nonblocking(true)?;
        inside.push(ours);
        outside.push(theirs);
    }
    let mut swarm = Swarm::of(outside)?;
    let stop = Arc::new(AtomicBool::new(false));
    let (cpu, delivered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let writer = {
        let (stop, cpu, delivered) = (Arc::clone(&stop), Arc::clone(&cpu), Arc::clone(&delivered));
        std::thread::spawn(move || write_all(inside, lines_per_second, size, tick, &stop, &cpu, &delivered))
    };
    let seen = swarm.watch(time)?;
    stop.store(true, Ordering::Relaxed);
    let _ = writer.join();
    let cpu_us =
        cpu.load(Ordering::Relaxed) as f64 / 1000.0 / delivered.load(Ordering::Relaxed).max(1) as f64;
    Ok(Floor { cpu_us, seen })
}

fn write_all(
    mut sockets: Vec<Stream>,
    rate: u64,
    size: usize,
    tick: Duration,
    stop: &AtomicBool,
    cpu: &AtomicU64,
    delivered: &AtomicU64,
) {
    let padding = ".".repeat(size);
    let (begun, cpu_before) = (Instant::now(), cpu::thread_nanos());
    let (mut number, mut next) = (0_u64, Instant::now() + tick);
    while !stop.load(Ordering::Relaxed) {
        let left = next.saturating_duration_since(Instant::now());
        if !left.is_zero() {
            // Not by epoll, which may wait in whole milliseconds only.
            std::thread::sleep(left);
            continue;
        }
        next += tick;
        let due = (begun.elapsed().as_secs_f64() * rate as f64) as u64;
        let mut frames = Vec::new();
        while number < due {
            number += 1;
            let line = format!("L{number} {} ", now());
            let line = format!("{line}{}", &padding[..size.saturating_sub(line.len())]);
            frames.extend_from_slice(&roost_wire::event::frame(
                roost_wire::event::CONSOLE_OUTPUT,
                &[&line],
            ));
            delivered.fetch_add(sockets.len() as u64, Ordering::Relaxed);
        }
        if frames.is_empty() {
            continue;
        }
        for socket in &mut sockets {
            let _ = socket.write(&frames);
        }
    }
    cpu.store(cpu::thread_nanos() - cpu_before, Ordering::Relaxed);
}

#[expect(
    clippy::disallowed_methods,
    reason = "a measurement needs the machine's own clock"
)]
fn now() -> u128 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |d| d.as_nanos())
}
