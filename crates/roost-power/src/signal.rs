//! Signals, by number and by name.

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
