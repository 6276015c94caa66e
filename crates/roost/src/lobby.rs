//! `roost lobby`: a small chat lobby over TCP with a console, so that a first Roost has something to type at.
//!
//! Players join with any line-based client (`nc HOST PORT`): their first line is their name, every further one is said
//! to all. The console reads commands from standard input and writes a line for whatever happens. It knows nothing of
//! Roost and could be any game server.
#![expect(clippy::print_stdout, reason = "a server's console is its standard output")]

mod players;

use players::{Players, clean};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// Longest line of a player, in bytes; longer ones end the connection.
const LINE_MAX: u64 = 1024;
/// Ticks a second, as game servers have them.
const TICK: Duration = Duration::from_millis(50);

const HELP: &str = "Commands: help, list, say TEXT, kick NAME [REASON], tps, stop";

/// Runs until `stop`, SIGTERM or the end of standard input.
pub async fn run(listen: &str) -> anyhow::Result<()> {
    let listener = TcpListener::bind(listen).await.map_err(|e| {
        anyhow::anyhow!("can't listen on {listen}: {e}; choose another address with --listen")
    })?;
    let players = Arc::new(Players::default());
    say("Loading the lobby...");
    say(&format!(
        "\x1b[32mThe lobby is open\x1b[0m on {} (join: nc {})",
        listener.local_addr()?,
        spaced(&listener.local_addr()?.to_string())
    ));
    say("Type \x1b[1mhelp\x1b[0m for what the console knows.");
    let ticks = Arc::new(Ticks::default());
    let ticking = tokio::spawn(tick(Arc::clone(&ticks)));
    let accepting = tokio::spawn(accept(listener, Arc::clone(&players)));
    let why = console(&players, &ticks).await;
    say(&format!("Stopping: {why}"));
    players.tell_all("* The lobby closes.").await;
    accepting.abort();
    ticking.abort();
    say("Good bye.");
    Ok(())
}

/// One line of the console, with the time of day in front.
fn say(text: &str) {
    let time =
        jiff::Timestamp::from_millisecond(roost_wire::clock::Clock::now(&roost_wire::clock::SystemClock))
            .map(|t| {
                t.to_zoned_datetime(jiff::tz::TimeZone::system())
                    .strftime("%H:%M:%S")
                    .to_string()
            })
            .unwrap_or_default();
    println!("\x1b[90m[{time}]\x1b[0m {text}");
}

fn spaced(address: &str) -> String {
    address
        .rsplit_once(':')
        .map_or_else(|| address.to_owned(), |(host, port)| format!("{host} {port}"))
}

#[derive(Default)]
struct Ticks(std::sync::Mutex<std::collections::VecDeque<Instant>>);

async fn tick(ticks: Arc<Ticks>) {
    let mut timer = tokio::time::interval(TICK);
    loop {
        timer.tick().await;
        if let Ok(mut times) = ticks.0.lock() {
            times.push_back(Instant::now());
            while times.len() > 200 {
                times.pop_front();
            }
        }
    }
}

impl Ticks {
    /// Ticks a second over the last 10 s, as measured.
    fn rate(&self) -> f64 {
        let Ok(times) = self.0.lock() else { return 0.0 };
        match (times.front(), times.back()) {
            (Some(first), Some(last)) if last > first => {
                f64::from(u32::try_from(times.len() - 1).unwrap_or(0))
                    / last.duration_since(*first).as_secs_f64()
            }
            _ => 0.0,
        }
    }
}

async fn console(players: &Players, ticks: &Ticks) -> &'static str {
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let Ok(mut terminate) = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) else {
        return "no signals on this system";
    };
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line,
            _ = terminate.recv() => return "asked by a signal",
            _ = tokio::signal::ctrl_c() => return "asked by Ctrl-C",
        };
        let Ok(Some(line)) = line else {
            return "the console is gone";
        };
        let line = line.trim();
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            "help" => say(HELP),
            "list" => {
                let names = players.names().await;
                say(&format!(
                    "{} here{}{}",
                    names.len(),
                    if names.is_empty() { "" } else { ": " },
                    names.join(", ")
                ));
            }
            "say" if !rest.is_empty() => {
                let text = clean(rest);
                players.tell_all(&format!("[console] {text}")).await;
                say(&format!("\x1b[35m[console]\x1b[0m {text}"));
            }
            "kick" if !rest.is_empty() => {
                let (name, reason) = rest.split_once(' ').unwrap_or((rest, "no reason given"));
                if players.kick(name, &clean(reason)).await {
                    say(&format!("\x1b[33m{name} was kicked\x1b[0m ({})", clean(reason)));
                } else {
                    say(&format!("Nobody here is called {}.", clean(name)));
                }
            }
            "tps" => say(&format!("{:.2} ticks a second (20 wanted)", ticks.rate())),
            "stop" => return "asked by the console",
            "say" | "kick" => say(HELP),
            other => say(&format!(
                "\x1b[31mUnknown command\x1b[0m {}. {HELP}",
                clean(other)
            )),
        }
    }
}

async fn accept(listener: TcpListener, players: Arc<Players>) {
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                let players = Arc::clone(&players);
                tokio::spawn(async move {
                    if let Err(error) = player(stream, &players).await {
                        say(&format!("{address} left: {error}"));
                    }
                });
            }
            Err(error) => {
                say(&format!("\x1b[31mCan't accept players\x1b[0m: {error}"));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

async fn player(stream: TcpStream, players: &Players) -> std::io::Result<()> {
    let (reader, mut writer) = stream.into_split();
    let mut reader = BufReader::new(reader);
    writer.write_all(b"Your name?\n").await?;
    let Some(name) = read_line(&mut reader).await? else {
        return Ok(());
    };
    let (to_player, mut from_lobby) = mpsc::channel::<String>(64);
    let Some(name) = players.join(&clean(&name), to_player).await else {
        return writer
            .write_all(b"This name is taken, or not a name. Try again.\n")
            .await;
    };
    say(&format!("\x1b[36m{name} joined\x1b[0m"));
    players.tell_all(&format!("* {name} joined")).await;
    let ended = loop {
        tokio::select! {
            line = read_line(&mut reader) => match line {
                Ok(Some(line)) => {
                    let text = clean(&line);
                    if !text.is_empty() {
                        say(&format!("<{name}> {text}"));
                        players.tell_all(&format!("<{name}> {text}")).await;
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            },
            told = from_lobby.recv() => match told {
                Some(text) => writer.write_all(format!("{text}\n").as_bytes()).await?,
                None => break Ok(()),
            },
        }
    };
    if players.leave(&name).await {
        say(&format!("{name} left"));
        players.tell_all(&format!("* {name} left")).await;
    }
    ended
}

async fn read_line(reader: &mut (impl tokio::io::AsyncBufRead + Unpin)) -> std::io::Result<Option<String>> {
    let mut line = Vec::new();
    let mut limited = tokio::io::AsyncReadExt::take(reader, LINE_MAX);
    let read = limited.read_until(b'\n', &mut line).await?;
    if read == 0 {
        return Ok(None);
    }
    if read as u64 == LINE_MAX && !line.ends_with(b"\n") {
        return Err(std::io::Error::other("a line was longer than 1024 bytes"));
    }
    Ok(Some(String::from_utf8_lossy(&line).trim().to_owned()))
}
