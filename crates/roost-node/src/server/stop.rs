//! How a server is asked to end: what the panel's `stop` means.
//!
//! When a server is asked is the power rule's business.

use roost_power::signal::{SIGTERM, signal_number};
use roost_wire::remote::Stop;

/// What is done to end a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StopWith {
    /// This line is typed.
    Command(String),
    /// This signal goes to the program.
    Signal(i32),
    /// The runtime's own way: SIGTERM for a process, the image's stop signal for a container.
    Native,
}

/// Reads the panel's `stop`. The text, if there is one, is for the console: something in it was not understood.
pub fn stop_with(stop: &Stop) -> (StopWith, Option<String>) {
    let value = stop.value.as_deref().unwrap_or_default();
    match stop.kind.as_str() {
        "command" if value.starts_with('^') && signal_number(value).is_some() => {
            (StopWith::Signal(signal_number(value).unwrap_or(SIGTERM)), None)
        }
        "command" if !value.is_empty() => (StopWith::Command(value.to_owned()), None),
        "signal" => match signal_number(value) {
            Some(number) => (StopWith::Signal(number), None),
            None => (
                StopWith::Native,
                Some(format!(
                    "The stop signal `{value}` is not known: the server is asked to end with SIGTERM. Set it to ^C, \
                     SIGTERM or another signal's name."
                )),
            ),
        },
        _ => (StopWith::Native, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stop(kind: &str, value: Option<&str>) -> Stop {
        Stop {
            kind: kind.to_owned(),
            value: value.map(str::to_owned),
        }
    }

    #[test]
    fn every_kind_of_stop_ends_a_server_one_way() {
        assert_eq!(
            stop_with(&stop("command", Some("stop"))),
            (StopWith::Command("stop".into()), None)
        );
        assert_eq!(
            stop_with(&stop("command", Some("^C"))),
            (StopWith::Signal(2), None)
        );
        assert_eq!(stop_with(&stop("signal", Some("C"))), (StopWith::Signal(2), None));
        for kind in ["stop", "native", ""] {
            assert_eq!(stop_with(&stop(kind, None)), (StopWith::Native, None));
        }
        assert_eq!(stop_with(&stop("command", Some(""))), (StopWith::Native, None));
        let (with, said) = stop_with(&stop("signal", Some("SIGDANCE")));
        assert_eq!(with, StopWith::Native);
        assert!(said.unwrap().contains("SIGDANCE"));
    }
}
