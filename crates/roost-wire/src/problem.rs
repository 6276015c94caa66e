//! Errors as they are answered over HTTP.
//!
//! The page's form (`status`, `message`) and Pterodactyl's `errors` array in one body, so that both kinds of client
//! read it. Each layer has its own error type; a problem is made at the edge.

use serde::{Deserialize, Serialize};

/// One element of Pterodactyl's array. `status` is text there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProblemDetail {
    /// Machine word, such as `NotFoundHttpException`.
    pub code: String,
    /// The HTTP status as text.
    pub status: String,
    /// The message.
    pub detail: String,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The HTTP status, the same as on the wire.
    pub status: u16,
    /// What the reader can do, in one or two sentences.
    pub message: String,
    /// Pterodactyl's form of the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<ProblemDetail>,
    /// Seconds after which a retry makes sense; also sent as `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// For administrators only: what lies behind the message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Problem {
    /// A problem with the code that Pterodactyl's clients expect for this status.
    pub fn new(status: u16, message: impl Into<String>) -> Self {
        let message = message.into();
        let code = match status {
            400 => "BadRequestHttpException",
            401 => "AuthenticationException",
            403 => "AccessDeniedHttpException",
            404 => "NotFoundHttpException",
            405 => "MethodNotAllowedHttpException",
            409 => "ServerStateConflictException",
            413 => "PayloadTooLargeHttpException",
            422 => "ValidationException",
            429 => "ThrottleRequestsException",
            502 | 504 => "DaemonConnectionException",
            _ => "HttpException",
        };
        let detail = ProblemDetail {
            code: code.to_owned(),
            status: status.to_string(),
            detail: message.clone(),
        };
        Self {
            status,
            message,
            errors: vec![detail],
            retry_after: None,
            detail: None,
        }
    }

    /// The same, with what lies behind it: for administrators only.
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// The same, to be tried again after `seconds`.
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}
