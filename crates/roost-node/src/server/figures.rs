//! The figures of one server: measured each second while somebody watches, and on demand otherwise.
//!
//! How a program is measured is its runtime's business.

use super::{
    actor::{Actor, Report},
    disk,
};
use roost_wire::stats::Stats;
use std::{sync::Arc, time::Duration};
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

/// Figures of this age are as good as new.
const FRESH: Duration = Duration::from_millis(1200);
/// Askers that wait for one measurement; further ones get the last figures at once.
const ASKERS_MAX: usize = 64;
/// A directory is measured again after so many times as long as it took, within the two bounds.
const DISK_PAUSE: (u32, Duration, Duration) = (50, Duration::from_secs(10), Duration::from_secs(150));

/// What is known, and what is being found out.
#[derive(Debug, Default)]
pub(super) struct Figures {
    watched: bool,
    meter: Option<CancellationToken>,
    sampled: Option<Instant>,
    askers: Vec<oneshot::Sender<Stats>>,
    disk_due: Option<Instant>,
    disk_walk: bool,
}

impl Actor {
    pub(super) fn watched(&mut self, watched: bool) {
        self.figures.watched = watched;
        if watched {
            self.measure_disk(false);
        }
        self.meter();
    }

    /// Begins or ends the measuring, as it is wanted now.
    pub(super) fn meter(&mut self) {
        let wanted = self.figures.watched && self.power.phase.is_live();
        if !wanted {
            return self.stop_meter();
        }
        if self.figures.meter.is_some() {
            return;
        }
        let stop = self.ended.child_token();
        self.figures.meter = Some(stop.clone());
        let (context, uuid, reporter) = (Arc::clone(&self.context), self.uuid, self.reporter());
        let placed = self.placed.clone();
        self.job(async move {
            let measure = async {
                loop {
                    if let Some(mut meter) = context.runtimes.meter(&placed, uuid).await {
                        while let Some(sample) = meter.next().await {
                            let _ = reporter.send(Report::Sample(Some(sample)));
                        }
                    }
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
            };
            tokio::select! {
                () = stop.cancelled() => {}
                () = measure => {}
            }
        });
    }

    pub(super) fn stop_meter(&mut self) {
        if let Some(meter) = self.figures.meter.take() {
            meter.cancel();
        }
        self.figures.sampled = None;
        if !self.power.phase.is_live() {
            self.answer_askers();
            self.publish_stats();
        }
    }

    pub(super) fn answer_figures(&mut self, answer: oneshot::Sender<Stats>) {
        self.measure_disk(false);
        let is_fresh = self.figures.sampled.is_some_and(|at| at.elapsed() < FRESH);
        if is_fresh || !self.power.phase.is_live() || self.figures.askers.len() >= ASKERS_MAX {
            let _ = answer.send(self.view.borrow().stats);
            return;
        }
        self.figures.askers.push(answer);
        if self.figures.askers.len() > 1 || self.figures.meter.is_some() {
            return;
        }
        let (context, uuid, reporter) = (Arc::clone(&self.context), self.uuid, self.reporter());
        let placed = self.placed.clone();
        self.job(async move {
            let sample = match context.runtimes.meter(&placed, uuid).await {
                Some(mut meter) => meter.next().await,
                None => None,
            };
            let _ = reporter.send(Report::Sample(sample));
        });
    }

    pub(super) fn sampled(&mut self, sample: Option<Stats>) {
        if let Some(sample) = sample.filter(|_| self.power.phase.is_live()) {
            self.figures.sampled = Some(Instant::now());
            self.view.send_modify(|view| {
                view.stats = Stats {
                    state: view.state,
                    disk_bytes: view.stats.disk_bytes,
                    ..sample
                };
            });
            if self.figures.watched {
                self.measure_disk(false);
                self.publish_stats();
            }
        }
        self.answer_askers();
    }

    fn answer_askers(&mut self) {
        for asker in self.figures.askers.drain(..) {
            let _ = asker.send(self.view.borrow().stats);
        }
    }

    /// Measures the directory if that is due, or `now`.
    pub(super) fn measure_disk(&mut self, now: bool) {
        let is_due = now || self.figures.disk_due.is_none_or(|at| at <= Instant::now());
        if !is_due || self.figures.disk_walk {
            return;
        }
        self.figures.disk_walk = true;
        let (walks, reporter) = (Arc::clone(&self.context.walks), self.reporter());
        let dir = self
            .definition
            .roost()
            .dir
            .map_or_else(|| self.context.layout.data(self.uuid), Into::into);
        self.job(async move {
            let Ok(_permit) = walks.acquire().await else {
                return;
            };
            let began = Instant::now();
            let walked = tokio::task::spawn_blocking(move || disk::used_bytes(&dir)).await;
            let (times, least, most) = DISK_PAUSE;
            let pause = (began.elapsed() * times).clamp(least, most);
            let _ = reporter.send(Report::Disk(walked.unwrap_or(0), pause));
        });
    }

    pub(super) fn disk_measured(&mut self, bytes: u64, pause: Duration) {
        self.figures.disk_walk = false;
        self.figures.disk_due = Some(Instant::now() + pause);
        self.view.send_if_modified(|view| {
            let changed = view.stats.disk_bytes != bytes;
            view.stats.disk_bytes = bytes;
            changed
        });
        if self.figures.watched && !self.power.phase.is_live() {
            self.publish_stats();
        }
    }

    fn publish_stats(&self) {
        self.context.shards.stats(self.uuid, &self.view.borrow().stats);
    }
}
