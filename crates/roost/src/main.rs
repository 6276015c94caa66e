//! `roost`: panel, node, command line and terminal client in one binary.
//!
//! ```text
//!   args ──> up, panel, daemon ──> serve ──> roost-panel, roost-node
//!       └──> cli (one file a noun) ──> client ──(Unix socket or HTTP)──> a panel
//!       └──> attach (terminal client), lobby (demo server), keeper (before anything else)
//! ```
//!
//! What panel and node do is not this crate's business: it starts them, gives them connections, and asks them.

mod args;
mod attach;
mod cli;
mod client;
mod data_dir;
mod down;
mod failure;
mod lifecycle;
mod lobby;
mod log;
mod metrics;
mod output;
mod serve;
mod settings;
mod standalone;
mod up;

use args::{Cli, Verb};
use clap::Parser;
use cli::Context;
use failure::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    // A keeper is one thread of a few hundred KiB: it must not meet the runtime, nor the command line's parser.
    let mut words = std::env::args_os().skip(1);
    if words.next().is_some_and(|word| word == "keeper") {
        return roost_keeper::main(words);
    }
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    cli.everywhere.read_environment(std::env::var_os("ROOST_DATA"));
    let json = cli.everywhere.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Failure::new(format!("can't start: {error}")).report(json),
    };
    // On the heap: the futures of all verbs together are large.
    let result = runtime.block_on(Box::pin(run(cli)));
    // Reading standard input holds a thread that nothing can end.
    runtime.shutdown_timeout(std::time::Duration::from_millis(100));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(json),
    }
}

/// clap's own text, and the same as JSON where it was asked for.
fn usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() && std::env::args().any(|a| a == "--json") {
        return Failure::usage(error.to_string().trim().to_owned()).report(true);
    }
    let _ = error.print();
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

async fn run(cli: Cli) -> Result<(), Failure> {
    let everywhere = cli.everywhere;
    match cli.verb {
        Verb::Lobby(lobby) => Ok(lobby::run(&lobby.listen).await?),
        Verb::Attach(name) => attach::run(&name.server, &Context::find(&everywhere)?).await,
        Verb::Login(login) => cli::login::run(login, &everywhere).await,
        Verb::User(verb) => cli::account::run(verb, &Context::find(&everywhere)?).await,
        Verb::Key(verb) => cli::key::run(verb, &Context::find(&everywhere)?).await,
        Verb::Node(verb) => cli::node::run(verb, &Context::find(&everywhere)?).await,
        Verb::Server(verb) => cli::server::run(*verb, &Context::find(&everywhere)?).await,
        Verb::Audit(verb) => cli::audit::run(verb, &Context::find(&everywhere)?).await,
        Verb::Socket(verb) => cli::socket::run(verb, &Context::find(&everywhere)?).await,
        Verb::Up(up) => up::run(up, &everywhere).await,
        Verb::Down(down) => down::run(down, &everywhere).await,
        Verb::Panel(config) => standalone::panel(config, &everywhere).await,
        Verb::Daemon(config) => standalone::daemon(config, &everywhere).await,
        Verb::Config => cli::config::run(&everywhere),
    }
}
