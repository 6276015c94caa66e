//! How a server is asked to end: what the panel's `stop` means, and the table of signals behind it.
//!
//! When a server is asked is the power rule's business.

use roost_wire::remote::Stop;

/// SIGTERM, the way of a process that has none of its own.
pub const SIGTERM: i32 = 15;
/// SIGKILL.
pub const SIGKILL: i32 = 9;

/// Every signal that a stop may name: its number on Linux, its name, and how a keyboard writes it.
const SIGNALS: [(i32, &str, &str); 13] = [
    (1, "SIGHUP", ""),
    (2, "SIGINT", "C"),
    (3, "SIGQUIT", "\\"),
    (4, "SIGILL", ""),
    (6, "SIGABRT", ""),
    (7, "SIGBUS", ""),
    (8, "SIGFPE", ""),
    (SIGKILL, "SIGKILL", ""),
    (10, "SIGUSR1", ""),
    (11, "SIGSEGV", ""),
    (12, "SIGUSR2", ""),
    (13, "SIGPIPE", ""),
    (SIGTERM, "SIGTERM", ""),
];

/// The number of a signal: `SIGINT`, `INT`, `C`, `^C`, `2`, in any case.
pub fn signal_number(text: &str) -> Option<i32> {
    let word = text.trim().to_ascii_uppercase();
    let word = word.strip_prefix('^').unwrap_or(&word);
    SIGNALS
        .iter()
        .find(|(number, name, key)| {
            *name == word
                || name.strip_prefix("SIG") == Some(word)
                || (!key.is_empty() && *key == word)
                || number.to_string() == word
        })
        .map(|(number, ..)| *number)
}

/// The name of a signal.
pub fn signal_name(number: i32) -> Option<&'static str> {
    SIGNALS
        .iter()
        .find(|(known, ..)| *known == number)
        .map(|(_, name, _)| *name)
}

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
    fn signals_are_known_by_name_by_key_and_by_number() {
        for (text, number) in [
            ("C", 2),
            ("^C", 2),
            ("^c", 2),
            ("SIGINT", 2),
            ("int", 2),
            ("2", 2),
            ("SIGTERM", 15),
            ("SIGQUIT", 3),
            ("^\\", 3),
            ("SIGHUP", 1),
            ("SIGABRT", 6),
            ("SIGKILL", 9),
            ("SIGUSR1", 10),
        ] {
            assert_eq!(signal_number(text), Some(number), "{text}");
        }
        assert_eq!(signal_number("SIGDANCE"), None);
        assert_eq!(signal_number(""), None);
        assert_eq!(signal_name(9), Some("SIGKILL"));
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
