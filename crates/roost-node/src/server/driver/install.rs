//! The installer of a server that a stock panel describes.
//!
//! Its container is the Docker runtime's business. What becomes of the server afterwards is the power rule's.

use super::launch::{launch_of, prepare_dirs};
use crate::{
    runtime::StartError,
    server::{
        actor::{Actor, Report},
        context::Context,
        definition::Definition,
    },
};
use roost_console::Audience;
use roost_power::Input;
use roost_wire::event;
use std::{sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// How long an installer that was called off may take to end and to say its last words.
const LAST_WORDS: Duration = Duration::from_secs(10);

impl Actor {
    pub(super) fn install(&mut self) {
        let called_off = CancellationToken::new();
        self.installing = Some(called_off.clone());
        self.publish(event::INSTALL_STARTED, &[""], Audience::All);
        let (context, definition) = (Arc::clone(&self.context), Arc::clone(&self.definition));
        let reporter = self.reporter();
        self.job(async move {
            let uuid = definition.uuid;
            let too_late = async {
                called_off.cancelled().await;
                tokio::time::sleep(LAST_WORDS).await;
            };
            let installed = tokio::select! {
                installed = run_installer(&context, &definition, &called_off) => installed,
                () = too_late => Err("it was killed, and what it said last was not kept".to_owned()),
            };
            // Before anything is said about its end.
            context.pumps.installer_ended(uuid);
            // Whatever a killed one ended with, that is why.
            let installed = installed.map_err(|reason| match called_off.is_cancelled() {
                true if !reason.starts_with("it was killed") => "it was killed".to_owned(),
                _ => reason,
            });
            if let Err(reason) = &installed {
                tracing::warn!(server = %uuid, reason, "an installer failed");
                let _ = reporter.send(Report::Notice(format!("The installation has failed: {reason}.")));
            }
            if let Err(error) = context.panel.install_result(uuid, installed.is_ok()).await {
                tracing::warn!(server = %uuid, %error, "the panel could not be told how the installation ended");
            }
            let _ = reporter.send(Report::Installed(installed.is_ok()));
        });
    }

    pub(in crate::server) fn installed(&mut self, successful: bool) {
        self.installing = None;
        let word = if successful { "true" } else { "false" };
        self.publish(event::INSTALL_COMPLETED, &[word], Audience::All);
        self.input_from_inside(Input::InstallEnded { successful });
    }
}

/// `Err` is a clause without a full stop.
async fn run_installer(
    context: &Context,
    definition: &Definition,
    called_off: &CancellationToken,
) -> Result<(), String> {
    let script = context
        .panel
        .install_script(definition.uuid)
        .await
        .map_err(|e| e.to_string())?;
    if script.script.trim().is_empty() {
        return Ok(());
    }
    let sentence = |StartError(text): StartError| text.trim_end_matches('.').to_owned();
    let launch = launch_of(context, definition, Uuid::nil()).map_err(sentence)?;
    prepare_dirs(context, definition, &launch).map_err(sentence)?;
    let (pumps, uuid) = (context.pumps.clone(), definition.uuid);
    let say = |source, text| pumps.notice(uuid, source, text);
    let takes = |chunk| pumps.installer_output(uuid, chunk);
    let exit = context
        .runtimes
        .install(&launch, &script, &say, &takes, called_off)
        .await
        .map_err(sentence)?;
    if exit.is_clean() {
        Ok(())
    } else {
        Err(exit.to_string())
    }
}
