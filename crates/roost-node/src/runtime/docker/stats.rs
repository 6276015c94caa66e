//! Figures of a container, from the engine's own measurements: the same on every version of cgroups.
//!
//! Whether anybody looks, and the disk, is the driver's business.

use super::{Engine, EngineError, exit::is_running, refused};
use crate::runtime::Sample;
use bollard::{
    errors::Error,
    models::{ContainerCpuStats, ContainerMemoryStats, ContainerStatsResponse},
    query_parameters::StatsOptionsBuilder,
};
use futures_util::{StreamExt, stream::BoxStream};
use roost_wire::{clock, clock::Millis, stats::NetworkStats};
use uuid::Uuid;

/// The figures of a living container, one each second for as long as this exists.
pub struct Sampler {
    samples: BoxStream<'static, Result<ContainerStatsResponse, Error>>,
    started_at: Option<Millis>,
}

impl std::fmt::Debug for Sampler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sampler")
            .field("started_at", &self.started_at)
            .finish_non_exhaustive()
    }
}

impl Sampler {
    /// The next sample, about a second after the last; `None` when the container has ended or the engine is away.
    /// `state` and `disk_bytes` are the caller's to fill in. Can be dropped and called again.
    pub async fn next(&mut self) -> Option<Sample> {
        let stats = self.samples.next().await?.ok()?;
        // The engine's answer about a container that does not run: all zero, with the time of year 1.
        let read = millis(stats.read.as_deref()).filter(|read| *read > 0)?;
        Some(sample(&stats, read, self.started_at))
    }
}

impl Engine {
    /// Begins to measure.
    pub async fn sampler(&self, server: Uuid) -> Result<Sampler, EngineError> {
        let inspected = self.inspect(&server.to_string()).await?;
        if !is_running(&inspected) {
            return Err(EngineError::Gone);
        }
        let started_at = millis(inspected.state.and_then(|state| state.started_at).as_deref());
        let options = StatsOptionsBuilder::default().stream(true).build();
        let client = self.client().await?.clone();
        let samples = client.stats(&server.to_string(), Some(options)).boxed();
        Ok(Sampler { samples, started_at })
    }

    /// One sample, for when nobody watches. Takes one to two seconds: CPU is a difference.
    pub async fn sample(&self, server: Uuid) -> Result<Sample, EngineError> {
        let inspected = self.inspect(&server.to_string()).await?;
        let started_at = millis(inspected.state.and_then(|state| state.started_at).as_deref());
        let options = StatsOptionsBuilder::default().stream(false).build();
        let answer = self
            .client()
            .await?
            .stats(&server.to_string(), Some(options))
            .next()
            .await;
        match answer {
            Some(Ok(stats)) => {
                let read = millis(stats.read.as_deref())
                    .filter(|read| *read > 0)
                    .ok_or(EngineError::Gone)?;
                Ok(sample(&stats, read, started_at))
            }
            Some(Err(e)) if refused(&e) == Some(404) => Err(EngineError::Gone),
            Some(Err(e)) => Err(self.failed("measure the container", e)),
            None => Err(EngineError::Gone),
        }
    }
}

fn millis(time: Option<&str>) -> Option<Millis> {
    time.and_then(clock::parse_rfc3339)
}

/// `read` and `started_at` are both times of the engine's clock.
fn sample(stats: &ContainerStatsResponse, read: Millis, started_at: Option<Millis>) -> Sample {
    let memory = stats.memory_stats.clone().unwrap_or_default();
    let network = stats
        .networks
        .iter()
        .flatten()
        .fold(NetworkStats::default(), |sum, (_, one)| NetworkStats {
            rx_bytes: sum.rx_bytes.saturating_add(one.rx_bytes.unwrap_or(0)),
            tx_bytes: sum.tx_bytes.saturating_add(one.tx_bytes.unwrap_or(0)),
        });
    let uptime = started_at.map_or(0, |start| read.saturating_sub(start));
    Sample {
        memory_bytes: used(&memory),
        memory_limit_bytes: memory.limit.unwrap_or(0),
        cpu_absolute: cpu(stats.precpu_stats.as_ref(), stats.cpu_stats.as_ref()),
        network,
        uptime: u64::try_from(uptime).unwrap_or(0),
        // On the node's own network the engine measures none.
        network_measured: stats
            .networks
            .as_ref()
            .is_some_and(|networks| !networks.is_empty()),
        ..Sample::default()
    }
}

/// Page cache that the kernel would give back at once is no use of memory. It has two names: cgroups v1, v2.
fn used(memory: &ContainerMemoryStats) -> u64 {
    let usage = memory.usage.unwrap_or(0);
    let details = memory.stats.as_ref();
    let inactive = details
        .and_then(|details| {
            details
                .get("total_inactive_file")
                .or_else(|| details.get("inactive_file"))
        })
        .copied()
        .unwrap_or(0);
    if inactive < usage { usage - inactive } else { usage }
}

/// Per cent of one core between two readings, rounded to 3 decimals; 0 where there is no earlier one.
fn cpu(before: Option<&ContainerCpuStats>, now: Option<&ContainerCpuStats>) -> f64 {
    let (Some(before), Some(now)) = (before, now) else {
        return 0.0;
    };
    let total = |stats: &ContainerCpuStats| stats.cpu_usage.as_ref().and_then(|usage| usage.total_usage);
    let earlier = before.system_cpu_usage.unwrap_or(0);
    let used = total(now).unwrap_or(0).saturating_sub(total(before).unwrap_or(0));
    let passed = now.system_cpu_usage.unwrap_or(0).saturating_sub(earlier);
    if earlier == 0 || passed == 0 {
        return 0.0;
    }
    let cores = now.online_cpus.filter(|cores| *cores > 0).unwrap_or(1);
    #[expect(
        clippy::cast_precision_loss,
        reason = "differences of nanoseconds within seconds"
    )]
    let share = used as f64 / passed as f64;
    (share * f64::from(cores) * 100_000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer as Docker Engine gives it, cut to what is read.
    fn answer(memory_stats: &str) -> ContainerStatsResponse {
        let text = r#"{"read":"2026-11-24T08:00:10.5Z","preread":"2026-11-24T08:00:09.5Z",
            "cpu_stats":{"cpu_usage":{"total_usage":3500000000},"system_cpu_usage":20000000000,"online_cpus":4},
            "precpu_stats":{"cpu_usage":{"total_usage":2000000000},"system_cpu_usage":16000000000,"online_cpus":4},
            "networks":{"eth0":{"rx_bytes":100,"tx_bytes":7},"eth1":{"rx_bytes":11,"tx_bytes":1}},
            "memory_stats":MEMORY}"#;
        serde_json::from_str(&text.replace("MEMORY", memory_stats)).unwrap()
    }

    #[test]
    fn figures_follow_the_formulas() {
        let stats =
            answer(r#"{"usage":1000,"limit":5000,"stats":{"total_inactive_file":300,"inactive_file":1}}"#);
        let read = millis(stats.read.as_deref()).unwrap();
        let sample = sample(&stats, read, Some(read - 4500));
        assert_eq!(sample.memory_bytes, 700);
        assert_eq!(sample.memory_limit_bytes, 5000);
        assert!(
            (sample.cpu_absolute - 150.0).abs() < 1e-9,
            "{}",
            sample.cpu_absolute
        );
        assert_eq!((sample.network.rx_bytes, sample.network.tx_bytes), (111, 8));
        assert_eq!(sample.uptime, 4500);
        assert!(sample.network_measured);
    }

    #[test]
    fn memory_is_read_on_both_versions_of_cgroups() {
        let used_of = |text: &str| used(&answer(text).memory_stats.unwrap());
        assert_eq!(used_of(r#"{"usage":1000,"stats":{"inactive_file":400}}"#), 600);
        assert_eq!(used_of(r#"{"usage":1000,"stats":{"inactive_file":1400}}"#), 1000);
        assert_eq!(used_of(r#"{"usage":1000}"#), 1000);
        assert_eq!(used_of("{}"), 0);
    }

    #[test]
    fn the_first_reading_has_no_cpu() {
        let mut stats = answer("{}");
        stats.precpu_stats = Some(ContainerCpuStats::default());
        assert!(cpu(stats.precpu_stats.as_ref(), stats.cpu_stats.as_ref()).abs() < f64::EPSILON);
        assert!(cpu(None, stats.cpu_stats.as_ref()).abs() < f64::EPSILON);
    }
}
