//! What the command line ends with when something fails: a sentence, an exit code, and the same as JSON.

use roost_wire::problem::Problem;
use std::{path::Path, process::ExitCode};

/// A failure with its exit code (see the help).
#[derive(Debug)]
pub struct Failure {
    /// What went wrong and what to do.
    pub message: String,
    /// 1 to 6.
    pub code: u8,
    /// HTTP status, where the panel answered.
    pub status: Option<u16>,
}

impl Failure {
    /// It failed.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 1,
            status: None,
        }
    }

    /// The command line is wrong.
    pub fn usage(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 2,
            status: None,
        }
    }

    /// No Roost here, or out of reach.
    pub fn unreachable(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: 3,
            status: None,
        }
    }

    /// A Roost of another account.
    pub fn forbidden(socket: &Path) -> Self {
        Self {
            message: format!(
                "{} belongs to another account: run this as that account or as root",
                socket.display()
            ),
            code: 5,
            status: None,
        }
    }

    /// The panel's answer to what was asked about `server`, in the words of the command line.
    pub fn about_server(self, server: &str) -> Self {
        let (code, message) = match self.status {
            Some(404) => (
                4,
                format!("There is no server `{server}`. `roost server list` shows them."),
            ),
            Some(500) if self.message.starts_with("Node not available") => (
                6,
                format!("{server} has no node: give it one with `roost server set {server} --node NODE`."),
            ),
            Some(502) if self.message.starts_with("Server must be online") => (
                6,
                format!("{server} is offline: start it first with `roost server start {server}`."),
            ),
            _ => return self,
        };
        Self {
            message,
            code,
            ..self
        }
    }

    /// The panel's answer.
    pub fn problem(problem: Problem) -> Self {
        let code = match problem.status {
            404 => 4,
            401 | 403 => 5,
            400 | 409 | 413 | 422 | 429 => 6,
            502..=504 => 3,
            _ => 1,
        };
        let mut message = problem.message;
        if let Some(seconds) = problem.retry_after {
            message.push_str(&format!(" (again in {seconds} s)"));
        }
        Self {
            message,
            code,
            status: Some(problem.status),
        }
    }

    /// Whether it is for administrators, or for somebody else.
    pub fn is_forbidden(&self) -> bool {
        self.status == Some(403)
    }

    /// Prints it to stderr and gives the exit code.
    #[expect(clippy::print_stderr, reason = "the command line's own error output")]
    pub fn report(&self, json: bool) -> ExitCode {
        if json {
            let body = serde_json::json!({"error": {"message": self.message, "status": self.status, "exit": self.code}});
            eprintln!("{body}");
        } else {
            eprintln!("roost: {}", self.message);
        }
        ExitCode::from(self.code)
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Self::new(format!("{error:#}")),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_about_a_server_say_what_to_type() {
        let about = |status, message| {
            let failure = Failure::problem(Problem::new(status, message)).about_server("lobby");
            (failure.code, failure.message)
        };
        let (code, message) = about(404, "The requested resource could not be found on the server.");
        assert!(code == 4 && message.contains("roost server list"), "{message}");
        let (code, message) = about(502, "Server must be online in order to send commands.");
        assert!(
            code == 6 && message.contains("roost server start lobby"),
            "{message}"
        );
        let (code, message) = about(500, "Node not available: Server has no resolved Wings node");
        assert!(code == 6 && message.contains("--node"), "{message}");
        assert_eq!(about(502, "The node is away.").0, 3, "out of reach, all the same");
    }
}
