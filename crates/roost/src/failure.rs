//! What the command line ends with when something fails: a sentence, an exit code, and the same as JSON.

use roost_wire::problem::Problem;
use std::process::ExitCode;

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
