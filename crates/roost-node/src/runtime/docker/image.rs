//! Images: how they are named, when they are pulled, and what they run by themselves.
//!
//! What a server runs in the end is decided in `spec`.

use super::{Engine, EngineError, Notice, refused};
use bollard::{models::CreateImageInfo, models::ImageConfig, query_parameters::CreateImageOptionsBuilder};
use futures_util::StreamExt;
use roost_wire::remote::Pull;
use std::{
    collections::{BTreeMap, HashMap},
    time::{Duration, Instant},
};

/// Longest pull.
const PULL_TIMEOUT: Duration = Duration::from_secs(15 * 60);
/// How often a download's progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);
/// Most layers whose progress is kept; images have at most 127.
const LAYERS_MAX: usize = 1024;

/// An image as a panel names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImageName {
    /// With a tag or a digest: without one an engine would pull all tags.
    pub(super) reference: String,
    /// It had the `~` mark: it is on the node, and is never pulled.
    pub(super) local: bool,
}

impl ImageName {
    /// `~` before or behind the name marks a local image.
    pub(super) fn parse(written: &str) -> Option<Self> {
        let written = written.trim();
        let name = written.trim_start_matches('~').trim_end_matches('~').trim();
        if name.is_empty() {
            return None;
        }
        // A colon before the last slash is a registry's port.
        let last = name.rsplit('/').next().unwrap_or(name);
        let reference = if last.contains(':') || name.contains('@') {
            name.to_owned()
        } else {
            format!("{name}:latest")
        };
        Some(Self {
            reference,
            local: name.len() != written.len(),
        })
    }
}

impl Engine {
    /// The image's own settings; `None` where the node lacks it.
    async fn image(&self, reference: &str) -> Result<Option<ImageConfig>, EngineError> {
        match self.client().await?.inspect_image(reference).await {
            Ok(image) => Ok(Some(image.config.unwrap_or_default())),
            Err(e) => match refused(&e) {
                Some(404) => Ok(None),
                _ => Err(self.failed("look at the image", e)),
            },
        }
    }

    /// Sees to it that the image is on the node, pulling it as `pull` says, and tells what it runs by itself.
    pub(super) async fn ready_image(
        &self,
        image: &ImageName,
        pull: Pull,
        progress: &(dyn Fn(Notice) + Send + Sync),
    ) -> Result<ImageConfig, EngineError> {
        let name = &image.reference;
        let here = self.image(name).await?;
        let wanted = match pull {
            _ if image.local => false,
            Pull::Never => false,
            Pull::Missing => here.is_none(),
            Pull::Always => true,
        };
        if !wanted {
            return here.ok_or_else(|| {
                EngineError::Unusable(format!(
                    "The node has no image {name}, and this server's settings forbid pulling it: \
                     run `docker pull {name}` on the node, or set --pull missing."
                ))
            });
        }
        let trouble = match tokio::time::timeout(PULL_TIMEOUT, self.pull(name, progress)).await {
            Ok(Ok(())) => match self.image(name).await? {
                Some(config) => return Ok(config),
                None => "the engine has no such image after the pull".to_owned(),
            },
            Ok(Err(e)) => e,
            Err(_) => format!("it took more than {} minutes", PULL_TIMEOUT.as_secs() / 60),
        };
        let Some(config) = here else {
            return Err(EngineError::Unusable(format!(
                "The image {name} could not be pulled: {trouble}. Check its name and the node's network, or bring it \
                 to the node (`docker pull` or `docker load`) and set --pull never."
            )));
        };
        progress(Notice::daemon(format!(
            "The image {name} could not be pulled ({trouble}); the one on the node is used."
        )));
        Ok(config)
    }

    async fn pull(&self, name: &str, progress: &(dyn Fn(Notice) + Send + Sync)) -> Result<(), String> {
        progress(Notice::install(format!("Pulling the image {name}")));
        let options = CreateImageOptionsBuilder::default().from_image(name).build();
        let client = self.client().await.map_err(|e| e.to_string())?;
        let mut steps = client.create_image(Some(options), None, None);
        let mut tell = PullProgress::default();
        let mut told = Instant::now();
        while let Some(step) = steps.next().await {
            let step = step.map_err(|e| sentence_of(&e))?;
            tell.take(&step)
                .into_iter()
                .for_each(|line| progress(Notice::install(line)));
            if told.elapsed() >= PROGRESS_EVERY {
                told = Instant::now();
                tell.downloaded()
                    .into_iter()
                    .for_each(|line| progress(Notice::install(line)));
            }
        }
        Ok(())
    }
}

/// What the engine gave as the reason, without the library's words around it.
fn sentence_of(error: &bollard::errors::Error) -> String {
    let text = match error {
        bollard::errors::Error::DockerResponseServerError { message, .. } => message.clone(),
        bollard::errors::Error::DockerStreamError { error } => error.clone(),
        other => other.to_string(),
    };
    text.trim().trim_end_matches('.').to_owned()
}

/// Turns the engine's many small steps into few lines.
#[derive(Debug, Default)]
struct PullProgress {
    /// The last word about each layer.
    status: HashMap<String, String>,
    /// Bytes of each layer: so far, in all.
    bytes: BTreeMap<String, (i64, i64)>,
    /// The last line about bytes.
    said: String,
}

impl PullProgress {
    /// A line, where the step says something new.
    fn take(&mut self, step: &CreateImageInfo) -> Option<String> {
        let status = step.status.clone()?;
        let Some(id) = step.id.clone() else {
            return Some(status);
        };
        if let Some(detail) = &step.progress_detail
            && status == "Downloading"
            && self.bytes.len() < LAYERS_MAX
        {
            let total = detail.total.unwrap_or(0);
            self.bytes
                .insert(id.clone(), (detail.current.unwrap_or(0), total));
        }
        if matches!(status.as_str(), "Download complete" | "Pull complete")
            && let Some((current, total)) = self.bytes.get_mut(&id)
        {
            *current = *total;
        }
        if self.status.get(&id) == Some(&status) || self.status.len() >= LAYERS_MAX {
            return None;
        }
        let line = format!("{id}: {status}");
        self.status.insert(id, status);
        Some(line)
    }

    /// How far the download is, where that has changed.
    fn downloaded(&mut self) -> Option<String> {
        let (current, total) = self
            .bytes
            .values()
            .fold((0i64, 0i64), |sum, layer| (sum.0 + layer.0, sum.1 + layer.1));
        let line = format!("Downloaded {} of {} MiB", current >> 20, total >> 20);
        if total == 0 || line == self.said {
            return None;
        }
        self.said.clone_from(&line);
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bollard::models::ProgressDetail;

    #[test]
    fn images_are_named_with_a_tag_and_the_tilde_means_local() {
        for (written, reference, local) in [
            ("debian", "debian:latest", false),
            ("debian:12", "debian:12", false),
            ("~mine/server:1", "mine/server:1", true),
            ("mine/server~", "mine/server:latest", true),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest", false),
            ("localhost:5000/a/b:c", "localhost:5000/a/b:c", false),
            ("a@sha256:00", "a@sha256:00", false),
        ] {
            let expected = ImageName {
                reference: reference.to_owned(),
                local,
            };
            assert_eq!(ImageName::parse(written), Some(expected), "{written}");
        }
        assert_eq!(ImageName::parse(" ~ "), None);
    }

    #[test]
    fn a_layer_is_told_once_a_step_and_bytes_are_summed() {
        let step = |status: &str, current| CreateImageInfo {
            id: Some("abc".to_owned()),
            status: Some(status.to_owned()),
            progress_detail: Some(ProgressDetail {
                current: Some(current),
                total: Some(4 << 20),
            }),
            ..CreateImageInfo::default()
        };
        let mut tell = PullProgress::default();
        assert_eq!(
            tell.take(&step("Downloading", 1)).as_deref(),
            Some("abc: Downloading")
        );
        assert_eq!(tell.take(&step("Downloading", 1 << 20)), None);
        assert_eq!(tell.downloaded().as_deref(), Some("Downloaded 1 of 4 MiB"));
        assert_eq!(tell.downloaded(), None);
        assert_eq!(
            tell.take(&step("Pull complete", 0)).as_deref(),
            Some("abc: Pull complete")
        );
        assert_eq!(tell.downloaded().as_deref(), Some("Downloaded 4 of 4 MiB"));
    }
}
