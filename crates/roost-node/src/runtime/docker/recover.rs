//! The hole in a console whose stream broke off while the container lived on, filled from the engine's log.
//!
//! ```text
//!   journal ──last lines──┐
//!   engine's log ─────────┼─ align ──> lines for the journal ──> then the new stream, from behind its first line
//!   new keeper ─first lines┘
//! ```
//!
//! The lines go to the journal under the run that broke off: a node that is killed halfway finds them there, aligns
//! anew and goes on. What stays ambiguous is stated. When a stream has broken off, and who holds the new one, is not its
//! business.

mod align;
mod head;
mod plan;
mod tail;

use super::{Engine, EngineError, Keepers, RETRY, log::LogError, spec};
use crate::{
    pump::{Broken, Pumps},
    runtime::Launch,
};
use head::Head;
use plan::{Plan, Step};
use roost_wire::clock::Millis;
use std::time::Duration;
use tail::Tail;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// The log is read from so long before the last journaled line, in milliseconds.
const BEFORE: Millis = 10_000;
/// Bytes of the log in memory at once, a server. What is longer is read in several rounds.
const ROUND: usize = 16 << 20;
/// Servers whose holes are filled at once.
const AT_ONCE: usize = 2;
/// How often the engine's log is read again, because it lags behind the stream.
const READS: u32 = 12;
/// After so many of them a part of the stream's first lines is enough.
const STRICT: u32 = 6;
/// Between two reads.
const PAUSE: Duration = Duration::from_millis(200);
/// Between two tries to write to a journal that refuses.
const DISK_PAUSE: Duration = Duration::from_millis(500);
/// Bytes that are handed to the pump at once.
const PARCEL: usize = 256 << 10;

static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// A hole that was filled, as far as that could be done.
#[derive(Debug, Default)]
pub(crate) struct Recovered {
    /// Bytes at the beginning of the new stream that are in the journal now.
    pub(crate) skip: u64,
    /// A sentence for the console.
    pub(crate) sentence: Option<String>,
}

/// What is known of a hole so far.
#[derive(Debug, Default)]
struct Tally {
    filled: u64,
    /// Lines that may be missing, at most.
    missing: u64,
    /// Why it is not known how many.
    unknown: Option<String>,
}

impl Tally {
    fn sentence(&self) -> String {
        let filled = match self.filled {
            0 => String::new(),
            1 => " 1 line that it said meanwhile came from Docker's log.".to_owned(),
            lines => format!(" {lines} lines that it said meanwhile came from Docker's log."),
        };
        let missing = match (&self.unknown, self.missing) {
            (Some(why), _) => format!(" It is not known how many lines are missing here: {why}."),
            (None, 0) if self.filled == 0 => " It had said nothing meanwhile.".to_owned(),
            (None, 0) => String::new(),
            (None, 1) => " 1 line may be missing here: equal lines can't be told apart.".to_owned(),
            (None, lines) => {
                format!(" Up to {lines} lines may be missing here: equal lines can't be told apart.")
            }
        };
        format!("The hold on the server's output was lost and is back.{filled}{missing}")
    }
}

impl Engine {
    /// Fills the hole between the journal's last line and the stream of `run`, which a keeper in `launch.keeper_dir`
    /// holds and nobody has read yet. Waits for an engine that is away. The error is a clause: the keeper is gone again.
    pub(crate) async fn recover(
        &self,
        launch: &Launch,
        run: Uuid,
        keepers: &impl Keepers,
        pumps: &Pumps,
    ) -> Result<Recovered, String> {
        let container = launch.uuid.to_string();
        let (mut tally, mut reads, mut told) = (Tally::default(), 0, false);
        let mut floor = None;
        let _turn = TURNS.acquire().await;
        loop {
            let Some(broken) = broken_off(pumps, launch.uuid).await else {
                return Err("the server was removed".to_owned());
            };
            if broken.run == Some(run) {
                // Its beginning is in the journal already.
                return Ok(Recovered::default());
            }
            let (own_run, started) = match self.inspect(&container).await {
                Ok(inspected) => origin(&inspected),
                Err(EngineError::Gone) => return Ok(gone(tally)),
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(server = %launch.uuid, %error, "a hole in a console can't be filled yet");
                    }
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            let same = own_run.is_some() && own_run == broken.run;
            let tail = Tail::read(broken, same, started).await?;
            let head = self.head(launch, run, keepers).await?;
            let since = tail.last.map_or(started, |last| last - BEFORE).max(started);
            let since = floor.map_or(since, |floor: Millis| floor.max(since));
            let part = match self.read_log(&container, since, ROUND).await {
                Ok(part) => part,
                Err(LogError::Unreadable(why)) => {
                    tally.unknown.get_or_insert(why);
                    return Ok(finished(&tally, 0));
                }
                Err(LogError::Engine(EngineError::Gone)) => return Ok(gone(tally)),
                Err(LogError::Engine(_)) => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            // A line that has come meanwhile may be in the log: it must be looked for.
            let has_begun = head.lines.is_empty()
                && !part.lines.is_empty()
                && !self.head(launch, run, keepers).await?.lines.is_empty();
            if has_begun && reads < READS {
                reads += 1;
                continue;
            }
            let newest = part.lines.last().map(|line| line.time);
            let plan = Plan {
                tail,
                head,
                part,
                strict: reads < STRICT,
                last: reads >= READS,
            };
            let step = tokio::task::spawn_blocking(move || plan.step())
                .await
                .map_err(|_| "the node failed while it compared lines".to_owned())?;
            match step {
                Step::Again => {
                    reads += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Step::Write {
                    lines,
                    missing,
                    unknown,
                    skip,
                } => {
                    let count = lines.len() as u64;
                    if !write(pumps, launch.uuid, lines).await {
                        tokio::time::sleep(DISK_PAUSE).await;
                        continue;
                    }
                    tally.filled += count;
                    tally.missing += missing;
                    if let Some(why) = unknown {
                        tally.unknown.get_or_insert(why);
                    }
                    if let Some(skip) = skip {
                        return Ok(finished(&tally, skip));
                    }
                    if count == 0 {
                        // Ten seconds of the log are longer than a round: go on behind what was read.
                        floor = newest;
                        tally.unknown.get_or_insert_with(|| {
                            "it says more in ten seconds than can be compared".to_owned()
                        });
                    }
                }
            }
        }
    }

    async fn head(&self, launch: &Launch, run: Uuid, keepers: &impl Keepers) -> Result<Head, String> {
        match keepers.living(launch).await {
            Some((held, link)) if held == run => Head::read(link, run).await,
            _ => Err("the new keeper has ended".to_owned()),
        }
    }
}

fn finished(tally: &Tally, skip: u64) -> Recovered {
    Recovered {
        skip,
        sentence: Some(tally.sentence()),
    }
}

fn gone(mut tally: Tally) -> Recovered {
    tally
        .unknown
        .get_or_insert_with(|| "its container was removed, and Docker's log with it".to_owned());
    finished(&tally, 0)
}

/// The run that a container was made for, and when it was started.
fn origin(inspected: &super::inspect::Inspected) -> (Option<Uuid>, Millis) {
    let labels = inspected.config.labels.as_ref();
    let run = labels
        .and_then(|labels| labels.get(spec::LABEL_RUN))
        .and_then(|text| Uuid::try_parse(text).ok());
    let started: Option<jiff::Timestamp> = inspected.state.started_at.parse().ok();
    // The first lines are read a moment before the engine notes that the container has started.
    (run, started.map_or(0, |time| time.as_millisecond() - BEFORE))
}

/// Waits for a journal that can't be written. `None`: the server is gone.
async fn broken_off(pumps: &Pumps, server: Uuid) -> Option<Broken> {
    loop {
        match pumps.break_off(server).await {
            Ok(Ok(broken)) => return Some(broken),
            Ok(Err(error)) => {
                tracing::debug!(%server, %error, "a hole can't be filled before the journal can be written");
                tokio::time::sleep(DISK_PAUSE).await;
            }
            Err(_) => return None,
        }
    }
}

/// Whether all of it was written.
async fn write(pumps: &Pumps, server: Uuid, lines: Vec<(Millis, Vec<u8>)>) -> bool {
    let mut parcel: Vec<(Millis, Vec<u8>)> = Vec::new();
    let mut size = 0;
    let mut lines = lines.into_iter().peekable();
    while let Some((time, bytes)) = lines.next() {
        size += bytes.len();
        match parcel.last_mut() {
            Some((begun, together)) if *begun == time && together_fits(together) => together.extend(bytes),
            _ => parcel.push((time, bytes)),
        }
        if size >= PARCEL || lines.peek().is_none() {
            size = 0;
            let written = pumps.recovered(server, std::mem::take(&mut parcel)).await;
            if !matches!(written, Ok(Ok(()))) {
                return false;
            }
        }
    }
    true
}

/// Lines of one millisecond are written together, up to a size.
fn together_fits(together: &[u8]) -> bool {
    together.len() < 32 << 10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filled_hole_is_told_with_its_counts() {
        let tally = |filled, missing| {
            Tally {
                filled,
                missing,
                unknown: None,
            }
            .sentence()
        };
        assert!(tally(0, 0).ends_with("It had said nothing meanwhile."));
        assert!(tally(1, 0).ends_with("1 line that it said meanwhile came from Docker's log."));
        assert!(tally(20, 0).contains("20 lines that it said meanwhile came"));
        assert!(tally(20, 3).contains("Up to 3 lines may be missing"));
        let unknown = gone(Tally::default()).sentence.unwrap();
        assert!(
            unknown.contains("not known how many") && unknown.contains("removed"),
            "{unknown}"
        );
    }
}
