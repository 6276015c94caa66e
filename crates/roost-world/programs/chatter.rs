//! A server for tests: writes numbered lines at a steady rate and does what its console says. Standard library only,
//! so that it can be linked statically and run in an empty container.
//!
//!     chatter [--rate LINES_PER_SECOND] [--size BYTES] [--count LINES] [--done TEXT]
//!
//! A line is `L<number> <nanoseconds since the epoch> <padding>`. Console: `say TEXT`, `burst N`, `rate N`, `count`
//! (says `counted <number of the last line>`), `raw HEX`, `exit CODE`, `abort`, `spawn` (a child that outlives it), `grow MIB`, `stop`.

use std::io::{BufRead, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

struct Lines {
    next: u64,
    size: usize,
}

impl Lines {
    fn write(&mut self, count: u64) {
        let mut out = Vec::new();
        let stdout = std::io::stdout();
        for _ in 0..count {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
            let begin = out.len();
            let _ = write!(out, "L{} {now} ", self.next);
            while out.len() - begin < self.size {
                out.push(b'.');
            }
            out.push(b'\n');
            self.next += 1;
            if out.len() > 60_000 {
                let _ = stdout.lock().write_all(&out);
                out.clear();
            }
        }
        let mut lock = stdout.lock();
        let _ = lock.write_all(&out);
        let _ = lock.flush();
    }
}

fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes());
    let _ = out.write_all(b"\n");
    let _ = out.flush();
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let option = |name: &str| args.iter().position(|a| a == name).and_then(|i| args.get(i + 1).cloned());
    let number = |name: &str, default: u64| option(name).and_then(|t| t.parse().ok()).unwrap_or(default);
    let rate = Arc::new(Rate { lines: Mutex::new(number("--rate", 0)), news: Condvar::new() });
    let count = number("--count", u64::MAX);
    let lines = Arc::new(Mutex::new(Lines { next: 1, size: number("--size", 80) as usize }));
    if let Some(done) = option("--done") {
        say(&done);
    }
    let (console_lines, console_rate) = (Arc::clone(&lines), Arc::clone(&rate));
    std::thread::spawn(move || console(&console_lines, &console_rate));

    let mut written = 0;
    let mut due = 0.0_f64;
    let mut last = Instant::now();
    let mut was = *rate.lock();
    loop {
        // No more often than lines are due: hundreds of these run beside what is measured.
        let now_rate = rate.wait(was, due);
        let now = Instant::now();
        if *now_rate == was {
            due += now.duration_since(last).as_secs_f64() * was as f64;
        } else {
            // A line that was on its way is not: nothing comes between `rate 0` and what is said next.
            (was, due) = (*now_rate, 0.0);
        }
        last = now;
        let whole = (due as u64).min(count - written);
        if whole > 0 {
            due -= whole as f64;
            written += whole;
            if let Ok(mut lines) = lines.lock() {
                lines.write(whole);
            }
        }
    }
}

/// Lines a second, which the console can change.
struct Rate {
    lines: Mutex<u64>,
    news: Condvar,
}

impl Rate {
    fn lock(&self) -> MutexGuard<'_, u64> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, rate: u64) {
        *self.lock() = rate;
        self.news.notify_all();
    }

    /// Waits until a line is due, of which this part is there already, or the rate is not `was` any more. It can't change
    /// while what is given is held.
    fn wait(&self, was: u64, part: f64) -> MutexGuard<'_, u64> {
        let time = if was == 0 {
            Duration::from_secs(3600)
        } else {
            Duration::from_secs_f64((1.0 - part).max(0.0) / was as f64).max(Duration::from_micros(900))
        };
        let waited = self.news.wait_timeout_while(self.lock(), time, |lines| *lines == was);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

fn console(lines: &Mutex<Lines>, rate: &Rate) {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let (word, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match word {
            "say" => say(&format!("said {rest}")),
            "burst" => {
                if let (Ok(n), Ok(mut lines)) = (rest.parse(), lines.lock()) {
                    lines.write(n);
                }
            }
            "rate" => rate.set(rest.parse().unwrap_or(0)),
            "count" => {
                // Said under the lock: no line comes between the number and its saying.
                if let Ok(lines) = lines.lock() {
                    say(&format!("counted {}", lines.next - 1));
                }
            }
            "raw" => {
                let bytes: Vec<u8> =
                    (0..rest.len() / 2).filter_map(|i| u8::from_str_radix(&rest[2 * i..2 * i + 2], 16).ok()).collect();
                let mut out = std::io::stdout().lock();
                let _ = out.write_all(&bytes);
                let _ = out.flush();
            }
            "exit" => std::process::exit(rest.parse().unwrap_or(0)),
            "abort" => std::process::abort(),
            "spawn" => {
                let child = std::process::Command::new("/bin/sh").args(["-c", "exec sleep 1000"]).spawn();
                say(&format!("spawned {}", child.map_or(0, |c| c.id())));
            }
            "grow" => {
                held.push(vec![1; rest.parse::<usize>().unwrap_or(1) << 20]);
                say(&format!("grown {rest}"));
            }
            "stop" => {
                say("stopping");
                std::process::exit(0);
            }
            "" => {}
            other => say(&format!("unknown command {other}")),
        }
    }
    // The console is gone: a game server would go on, and so does this one.
    let _ = held;
}
