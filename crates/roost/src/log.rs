//! The log: to standard error, as plain lines; `ROOST_LOG` filters it. No token, secret or `Authorization` ever gets
//! here, and no query string.

use tracing_subscriber::{EnvFilter, fmt::format::FmtSpan};

/// Starts logging. `debug` raises Roost's own level.
pub fn start(debug: bool) {
    let default = if debug {
        "info,roost=debug,roost_node=debug,roost_panel=debug"
    } else {
        "info"
    };
    let filter = std::env::var("ROOST_LOG")
        .ok()
        .and_then(|text| EnvFilter::try_new(text).ok());
    tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(default)))
        .with_writer(std::io::stderr)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_target(false)
        .with_span_events(FmtSpan::NONE)
        .init();
}
