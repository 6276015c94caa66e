//! The two runtimes behind one door: each question goes to the one that runs the server.
//!
//! Both leave the terminal's bytes to a keeper; only what differs between them is asked here.

use super::{driver::Placed, power::Exit};
use crate::runtime::{Launch, Running, Sample, StartError};
use roost_wire::{
    node_api::Source,
    node_config::NodeConfig,
    remote::{InstallScript, Runtime},
};
use std::path::Path;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Takes lines for a server's console.
pub(super) type Say<'a> = &'a (dyn Fn(Source, String) + Send + Sync);

/// What the end of a stream meant.
#[derive(Debug)]
pub(super) enum AfterStream {
    /// The program has ended.
    Ended(Exit),
    /// It lives, and this is a new link to it, maybe under a new run.
    Lives(Running),
}

/// Measures one program.
#[derive(Debug)]
pub(super) struct Meter(());

impl Meter {
    /// The next sample, about a second after the last; `None` when there is nothing to measure any more.
    pub(super) async fn next(&mut self) -> Option<Sample> {
        None
    }
}

/// Both runtimes.
#[derive(Debug)]
pub struct Runtimes {}

impl Runtimes {
    /// Nothing is started, and no engine is asked yet.
    pub(crate) fn new(_config: &NodeConfig, _keeper_program: &Path) -> Result<Self, String> {
        Ok(Self {})
    }

    /// Makes the program. Cancelled by `called_off` where that can be done cleanly.
    pub(super) async fn start(
        &self,
        _launch: Launch,
        _say: Say<'_>,
        _called_off: &CancellationToken,
    ) -> Result<Running, StartError> {
        Err(StartError(String::new()))
    }

    /// The living program of an earlier start, if there is one.
    pub(super) async fn find(&self, _launch: Launch) -> Option<Running> {
        None
    }

    /// Says what the end of a stream meant. `exit` is what the keeper (or its absence) said.
    pub(super) async fn after_stream(
        &self,
        _placed: &Placed,
        _server: Uuid,
        _run: Uuid,
        exit: Exit,
    ) -> AfterStream {
        AfterStream::Ended(exit)
    }

    /// Runs the installer.
    pub(super) async fn install(
        &self,
        _launch: &Launch,
        _script: &InstallScript,
        _say: Say<'_>,
    ) -> Result<Exit, StartError> {
        Err(StartError(String::new()))
    }

    pub(super) async fn signal_container(&self, _server: Uuid, _signal: i32) -> Result<(), StartError> {
        Ok(())
    }

    pub(super) async fn stop_container(&self, _server: Uuid) -> Result<(), StartError> {
        Ok(())
    }

    /// Ends everything of a run without its keeper's help.
    pub(super) async fn kill(&self, placed: &Placed, _server: Uuid, _run: Uuid) -> Result<(), StartError> {
        match placed.runtime() {
            Runtime::Process => Ok(()),
            Runtime::Docker => Ok(()),
        }
    }

    /// Begins to measure a program.
    pub(super) async fn meter(&self, _placed: &Placed, _server: Uuid) -> Option<Meter> {
        None
    }

    /// Removes what a runtime keeps of a server that is deleted.
    pub(super) async fn forget(&self, _placed: &Placed, _server: Uuid) -> Result<(), StartError> {
        Ok(())
    }
}
