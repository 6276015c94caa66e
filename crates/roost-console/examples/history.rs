//! Makes a journal of a given size and prints how fast it is read from the middle, compressed and searched.
//!
//! `cargo run --release -p roost-console --example history [MIB] [DIR]`: by default 1024 MiB in a directory of its own
//! under /var/tmp, which is removed afterwards. Asserts nothing: the bars are in the project's design.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement may fail loudly, and prints"
)]

use roost_console::{Budget, Case, Console, Limits, Query};
use std::time::{Duration, Instant};
use uuid::Uuid;

const LIMITS: Limits = Limits {
    journal_bytes: 1 << 40,
    journal_age: 0,
    disk_free_percent: 0,
    ring_bytes: 1 << 20,
};
const WHOLE: Budget = Budget {
    bytes: u64::MAX,
    time: Duration::MAX,
    lines: 100,
};

fn main() {
    let mut args = std::env::args().skip(1);
    let mib: u64 = args.next().map_or(1024, |n| n.parse().unwrap());
    let parent = args.next().unwrap_or_else(|| "/var/tmp".to_owned());
    let dir = std::path::Path::new(&parent).join(format!("roost-history-{}", Uuid::new_v4()));
    std::fs::create_dir(&dir).unwrap();
    let outcome = std::panic::catch_unwind(|| measure(&dir.join("journal"), mib << 20));
    std::fs::remove_dir_all(&dir).unwrap();
    outcome.unwrap();
}

fn measure(path: &std::path::Path, size: u64) {
    let (mut writer, console, _) = roost_console::open(path, "Roost", LIMITS, 0).unwrap();
    writer.begin_run(Uuid::new_v4(), 0).unwrap();
    let (mut random, mut offset, mut number, mut time) = (Random(7), 0, 0, 1_700_000_000_000);
    let begun = Instant::now();
    while console.journal_bytes() < size {
        let mut chunk = Vec::with_capacity(64 * 1024);
        while chunk.len() < 60 * 1024 {
            number += 1;
            line(&mut chunk, number, &mut random);
        }
        offset += chunk.len() as u64;
        time += 500;
        writer.output(&chunk, offset, time).unwrap();
    }
    let written = begun.elapsed();
    println!(
        "{number} lines, {} MiB of text, {} MiB of journal, written in {written:.1?}",
        offset >> 20,
        console.journal_bytes() >> 20
    );
    drop((writer, console));
    look(path, "uncompressed");

    let (writer, console, _) = roost_console::open(path, "Roost", LIMITS, 0).unwrap();
    let (before, begun) = (console.journal_bytes(), Instant::now());
    let mut slowest = Duration::ZERO;
    while let Some(job) = writer.compress_job() {
        let begun = Instant::now();
        job.run().unwrap();
        slowest = slowest.max(begun.elapsed());
    }
    let (after, took) = (console.journal_bytes(), begun.elapsed());
    println!(
        "compressed to {} MiB ({:.1} x) in {took:.1?}, {:.0} MB/s; slowest segment {slowest:.0?}",
        after >> 20,
        before as f64 / after as f64,
        before as f64 / 1e6 / took.as_secs_f64()
    );
    drop((writer, console));
    look(path, "compressed");
}

/// Like a game server's, some in colours.
fn line(out: &mut Vec<u8>, number: u64, random: &mut Random) {
    let (hour, minute, second) = (number / 3_600_000 % 24, number / 60_000 % 60, number / 1000 % 60);
    let player = ["Steve", "Alex", "Herobrine42", "xX_Miner_Xx"][random.below(4)];
    let (x, y, z) = (random.below(20_000), random.below(256), random.below(20_000));
    let text = match random.below(6) {
        0 => format!(
            "[{hour:02}:{minute:02}:{second:02}] [Server thread/INFO]: {player} joined the game at ({x}.5, {y}.0, -{z}.5)"
        ),
        1 => format!(
            "\x1b[33m[{hour:02}:{minute:02}:{second:02}] [Server thread/WARN]: Can't keep up! Is the server overloaded? Running {x}ms or {y} ticks behind\x1b[0m"
        ),
        2 => format!(
            "[{hour:02}:{minute:02}:{second:02}] [Async Chat Thread - #{y}/INFO]: <{player}> has anyone seen my pickaxe near {x} {z}?"
        ),
        3 => format!(
            "\x1b[38;5;10m[{hour:02}:{minute:02}:{second:02}]\x1b[0m \x1b[1mINFO\x1b[0m chunk {x},{z} saved in {y} us"
        ),
        4 => format!(
            "[{hour:02}:{minute:02}:{second:02}] [User Authenticator #{y}/INFO]: UUID of player {player} is {:032x}",
            u128::from(random.next()) * z as u128
        ),
        _ => format!(
            "[{hour:02}:{minute:02}:{second:02}] [Server thread/INFO]: {player} issued server command: /tp {x} {y} {z}"
        ),
    };
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

fn look(path: &std::path::Path, what: &str) {
    println!("-- {what}");
    let begun = Instant::now();
    let (_writer, console, _) = roost_console::open(path, "Roost", LIMITS, 0).unwrap();
    println!("opened in {:.1?}", begun.elapsed());
    let middle = console.next_seq() / 2;
    timed("64 KiB from the middle by number, first", || {
        read(&console, middle)
    });
    timed("the same at a quarter", || read(&console, middle / 2));
    let time = 1_700_000_000_000 + 500 * 8000;
    timed("a time in the middle, first", || console.seq_at(time).unwrap());
    timed("a time in the middle, again", || {
        console.seq_at(time + 5000).unwrap()
    });
    // Warm: each file is read once.
    search(&console, "(warming)", &text("nobody says this"));
    for _ in 0..2 {
        search(&console, "text, nowhere", &text("nobody says this"));
    }
    search(&console, "text, common letters", &text("server thread/error"));
    search(&console, "text, exact case", &text("Server thread/ERROR"));
    search(&console, "text, other alphabet", &text("überlastet"));
    let expression = |e| Query::expression(e, Case::Smart).unwrap();
    search(&console, "expression", &expression(r"WARN.*Steve"));
    search(
        &console,
        "expression with classes",
        &expression(r"^\[\d+:\d+:\d+\] \S+ \d{9}$"),
    );
    let begun = Instant::now();
    let found = console.search(&text("pickaxe"), u64::MAX, &WHOLE).unwrap();
    println!(
        "{:>28}: the newest {} of many in {:.1?}",
        "text, common",
        found.lines.len(),
        begun.elapsed()
    );
    let late = text("nobody").within(0..=1_700_000_000_000 + 60_000);
    search(&console, "text, in the first minute", &late);
}

fn text(text: &str) -> Query {
    Query::text(text, Case::Smart).unwrap()
}

fn read(console: &Console, seq: u64) -> u64 {
    let mut cursor = console.at(seq);
    let history = console.history(&mut cursor, 64 * 1024).unwrap();
    assert_eq!(history.batches[0].first_seq(), seq);
    cursor.seq - seq
}

fn timed(what: &str, look: impl FnOnce() -> u64) {
    let begun = Instant::now();
    let answer = look();
    println!("{what}: {:.2?} ({answer})", begun.elapsed());
}

fn search(console: &Console, what: &str, query: &Query) {
    let (begun, mut next, mut scanned, mut lines) = (Instant::now(), u64::MAX, 0, 0);
    loop {
        let found = console.search(query, next, &WHOLE).unwrap();
        (next, scanned, lines) = (
            found.next,
            scanned + found.scanned_bytes,
            lines + found.lines.len(),
        );
        if found.done {
            break;
        }
    }
    let took = begun.elapsed();
    println!(
        "{what:>28}: {lines} lines, {:.0} MB/s ({} MiB in {took:.2?})",
        scanned as f64 / 1e6 / took.as_secs_f64(),
        scanned >> 20
    );
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, n: u64) -> usize {
        (self.next() % n) as usize
    }
}
