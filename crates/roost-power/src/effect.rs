//! What the power rule wants done. How it is done is the driver's business.

use super::{Exit, Refusal};
use roost_wire::power::PowerState;
use uuid::Uuid;

/// What is to be done about it, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// The request is refused (without this effect it is accepted).
    Refuse(Refusal),
    /// Begin a run.
    Launch {
        /// Its name.
        run: Uuid,
    },
    /// Call the launch off; it still reports `Launched` or `LaunchFailed`.
    CancelLaunch {
        /// Which.
        run: Uuid,
    },
    /// Ask the program to end, its own way.
    SendStop {
        /// The run.
        run: Uuid,
    },
    /// Report `KillDue` after `secs`, and `KillWarning` before it if `warn`. Replaces an earlier timer.
    ArmKillTimer {
        /// The run.
        run: Uuid,
        /// Seconds.
        secs: u64,
        /// Report the warning, too.
        warn: bool,
    },
    /// Report `DoneOverdue` after [`DONE_OVERDUE_SECS`].
    ArmDoneReminder {
        /// The run.
        run: Uuid,
    },
    /// No timer of any run is needed any more.
    DisarmTimers,
    /// End the whole tree at once.
    Kill {
        /// The run.
        run: Uuid,
    },
    /// Run the installer; it reports `InstallEnded`.
    Install,
    /// End the installer.
    CancelInstall,
    /// The word on the wire has changed.
    Publish(PowerState),
    /// A run has ended, or did not come to live: this is kept and shown.
    Keep {
        /// How.
        exit: Exit,
        /// Somebody had asked for it.
        asked: bool,
    },
    /// A daemon line for the console.
    Notice(String),
    /// Report `Turn` as soon as few enough others are being started.
    AwaitTurn,
    /// Report `StartAgain` after so many milliseconds.
    StartAgainAfter {
        /// Milliseconds.
        ms: u64,
    },
}
