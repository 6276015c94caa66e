//! A server as sockets and routes see it: what it is now, its console, and a mailbox for requests.
//!
//! The actor behind the mailbox is the only one that acts. Whether the asker may ask is checked before: by the socket
//! (token) or by the route (node secret).

use super::actor::Installing;
use roost_console::Console;
use roost_wire::{
    clock::Millis, encoding::Encoding, node_api::LastEnd, power::PowerAction, power::PowerState, stats::Stats,
};
use std::{net::IpAddr, sync::Arc};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use uuid::Uuid;

/// Who asks; nobody by default: the panel, or the node itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requester {
    /// The user, where one is known.
    pub user: Option<Uuid>,
    /// The user's name, where the token says it.
    pub user_name: Option<String>,
    /// From where.
    pub address: Option<IpAddr>,
    /// Session or API key, by its public id.
    pub credential: Option<String>,
}

/// What a server is right now.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ServerView {
    /// The power state.
    pub state: PowerState,
    /// Suspended by the panel.
    pub suspended: bool,
    /// The installer is at work.
    pub installing: bool,
    /// The last figures.
    pub stats: Stats,
    /// Process id of the main process, where it runs on the node itself.
    pub pid: Option<u32>,
    /// Limits that are set but not enforced, each a sentence.
    pub not_enforced: Vec<String>,
    /// When it is started again after a crash (milliseconds since the epoch).
    pub starts_again_at: Option<Millis>,
    /// How the last run ended.
    pub last_end: Option<Arc<LastEnd>>,
}

/// Why something was not done. Each text stands alone and can be shown to a viewer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The server is offline.
    #[error("The server is offline: start it first.")]
    Offline,
    /// The power rule says no.
    #[error(transparent)]
    Power(#[from] roost_power::Refusal),
    /// The terminal takes no more than this in one line.
    #[error("The command has {0} bytes, the server's terminal takes 4095 a line: shorten it.")]
    TooLong(usize),
    /// Control characters could make several commands of one.
    #[error("The command holds a control character (0x{0:02x}): send one line of plain text.")]
    ControlCharacter(u8),
    /// The program's encoding lacks a character.
    #[error("The server reads {1}, which has no `{0}`: leave the character out, or set another encoding.")]
    NotInEncoding(char, Encoding),
    /// No such right.
    #[error("You have no permission to do this ({0}).")]
    NoPermission(&'static str),
    /// Not one of the four words.
    #[error("Unknown power action: use start, stop, restart or kill.")]
    UnknownAction,
    /// Too much at once.
    #[error("Too many requests: wait a moment and try again.")]
    TooMany,
    /// It was tried and failed.
    #[error("{0}")]
    Failed(String),
}

type Answer = Box<dyn FnOnce(Result<(), Refusal>) + Send>;

/// The answer to a request, given exactly once; dropped without an answer it says that the server is gone.
pub struct Reply(Option<Answer>);

impl Reply {
    /// An answer that `then` receives.
    pub fn new(then: impl FnOnce(Result<(), Refusal>) + Send + 'static) -> Self {
        Self(Some(Box::new(then)))
    }

    /// Answers.
    pub fn send(mut self, answer: Result<(), Refusal>) {
        if let Some(then) = self.0.take() {
            then(answer);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        if let Some(then) = self.0.take() {
            then(Err(Refusal::Failed(
                "The server was removed from this node.".to_owned(),
            )));
        }
    }
}

impl std::fmt::Debug for Reply {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Reply")
    }
}

/// What can be asked of a server.
#[derive(Debug)]
pub enum Request {
    /// A power action. Answered when it is accepted, not when it is done.
    Power {
        /// What.
        action: PowerAction,
        /// Who.
        by: Requester,
        /// Answer.
        reply: Reply,
    },
    /// One line for the server's terminal. Answered when it was written to it.
    Command {
        /// The line, without its end.
        text: String,
        /// Who.
        by: Requester,
        /// Answer.
        reply: Reply,
    },
    /// Run the installer again; an offline server only.
    Install {
        /// Start the server afterwards.
        then_start: bool,
        /// Answer.
        reply: Reply,
    },
    /// It was taken in from the panel's list, and now comes the request to make it.
    Begin(Installing),
    /// Figures that are at most a second old.
    Figures(oneshot::Sender<Stats>),
    /// The node stops all its servers: the server ends its own way.
    Down(Down),
    /// Ask the panel for the settings again.
    Sync {
        /// Answer.
        reply: Reply,
    },
    /// Somebody watches (true), or nobody does any more (false): figures are measured each second while watched.
    Watched(bool),
    /// Kill it, remove journal and directory, end. Answered when all of that is done.
    Delete {
        /// Answer.
        reply: Reply,
    },
}

/// Why a node stops all its servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Somebody wants them off: nothing follows.
    Asked,
    /// The machine goes down: what is up is started again when it has come up.
    Machine,
}

/// Cheap to clone.
#[derive(Debug, Clone)]
pub struct ServerHandle {
    /// The server.
    pub uuid: Uuid,
    /// Ring and journal, for reading.
    pub console: Arc<Console>,
    /// Notified after each publication to the console.
    pub published: Arc<Notify>,
    /// What it is now.
    pub view: watch::Receiver<ServerView>,
    /// To its actor. Bounded: when it is full, the asker gets [`Refusal::TooMany`].
    pub mailbox: mpsc::Sender<Request>,
}

impl ServerHandle {
    /// Hands a request to the actor. If the mailbox is full or closed, the request's own reply says so.
    pub fn ask(&self, request: Request) {
        match self.mailbox.try_send(request) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(request)) => {
                if let Request::Power { reply, .. }
                | Request::Command { reply, .. }
                | Request::Install { reply, .. }
                | Request::Sync { reply }
                | Request::Delete { reply } = request
                {
                    reply.send(Err(Refusal::TooMany));
                }
            }
            // Dropping the request answers it.
            Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }
}
