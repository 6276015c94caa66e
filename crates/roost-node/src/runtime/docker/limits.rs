//! Limits of a server as the engine takes them: MiB and per cent become bytes and quotas.
//!
//! Whether the engine can enforce them is told by its warnings when the container is made; `start` passes them on.

use bollard::models::HostConfig;
use roost_wire::remote::Build;

const MIB: i64 = 1 << 20;
/// Length of a CPU period in microseconds; the quota is a share of it.
const CPU_PERIOD_US: i64 = 100_000;
/// Least memory (MiB) and CPU (per cent of a core) of an installer: building a server often takes more than running it.
const INSTALLER_MIN: (i64, i64) = (1024, 100);

/// The I/O weight that panels send where nobody chose one.
pub(super) const COMMON_IO_WEIGHT: u16 = 500;

/// Writes the limits of `build` into `host`; `pids` is the largest number of processes, 0 for no limit.
///
/// A server needs more than what its owner gives to, say, its Java heap. So the hard memory limit is a little larger
/// than the number in the panel, and the reservation is exactly that number.
pub(super) fn apply(build: &Build, pids: i64, host: &mut HostConfig) {
    if build.memory_limit > 0 {
        let hard = with_overhead(build.memory_limit);
        host.memory = Some(hard);
        host.memory_reservation = Some(build.memory_limit.saturating_mul(MIB));
        host.memory_swap = Some(if build.swap < 0 {
            -1
        } else {
            build.swap.saturating_mul(MIB).saturating_add(hard)
        });
    }
    if build.cpu_limit > 0 {
        host.cpu_period = Some(CPU_PERIOD_US);
        host.cpu_quota = Some(build.cpu_limit.saturating_mul(CPU_PERIOD_US / 100));
        host.cpu_shares = Some(1024);
    }
    host.cpuset_cpus = build.threads.clone().filter(|threads| !threads.is_empty());
    host.blkio_weight = Some(build.io_weight).filter(|weight| (10..=1000).contains(weight));
    host.oom_kill_disable = build.is_oom_disabled().then_some(true);
    host.pids_limit = Some(pids).filter(|pids| *pids > 0);
}

/// The limits under which the installer of a server with `build` works.
pub(super) fn for_installer(build: &Build) -> Build {
    let raised = |limit: i64, least: i64| if limit > 0 { limit.max(least) } else { limit };
    Build {
        memory_limit: raised(build.memory_limit, INSTALLER_MIN.0),
        cpu_limit: raised(build.cpu_limit, INSTALLER_MIN.1),
        ..build.clone()
    }
}

/// Bytes of the hard limit for `mib` MiB, rounded to the nearest.
pub(in crate::runtime) fn with_overhead(mib: i64) -> i64 {
    let per_cent = match mib {
        ..=2048 => 115,
        2049..=4096 => 110,
        _ => 105,
    };
    mib.saturating_mul(MIB)
        .saturating_mul(per_cent)
        .saturating_add(50)
        / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(build: &Build, pids: i64) -> HostConfig {
        let mut host = HostConfig::default();
        apply(build, pids, &mut host);
        host
    }

    #[test]
    fn no_limit_writes_nothing() {
        assert_eq!(applied(&Build::default(), 0), HostConfig::default());
    }

    #[test]
    fn every_limit_arrives_in_the_engine_s_units() {
        let host = applied(
            &Build {
                memory_limit: 1000,
                swap: 100,
                io_weight: 300,
                cpu_limit: 150,
                threads: Some("0,1".to_owned()),
                oom_killer: Some(false),
                ..Build::default()
            },
            512,
        );
        assert_eq!(host.memory, Some(1150 << 20));
        assert_eq!(host.memory_reservation, Some(1000 << 20));
        assert_eq!(host.memory_swap, Some(1250 << 20));
        assert_eq!(host.cpu_quota, Some(150_000));
        assert_eq!(host.cpu_period, Some(100_000));
        assert_eq!(host.cpuset_cpus.as_deref(), Some("0,1"));
        assert_eq!(host.blkio_weight, Some(300));
        assert_eq!(host.oom_kill_disable, Some(true));
        assert_eq!(host.pids_limit, Some(512));
    }

    #[test]
    fn swap_is_none_by_default_and_unlimited_below_zero() {
        let build = |swap| Build {
            memory_limit: 100,
            swap,
            ..Build::default()
        };
        let none = applied(&build(0), 0);
        assert_eq!(none.memory_swap, none.memory);
        assert_eq!(applied(&build(-1), 0).memory_swap, Some(-1));
    }

    #[test]
    fn large_servers_get_a_smaller_overhead() {
        assert_eq!(with_overhead(2048), 2_469_606_195);
        assert_eq!(with_overhead(4096), 4_724_464_026);
        assert_eq!(with_overhead(10_000), 10_500 << 20);
        assert!(with_overhead(i64::MAX) > 0);
    }

    #[test]
    fn an_installer_has_room_but_no_limit_stays_no_limit() {
        let raised = for_installer(&Build {
            memory_limit: 64,
            ..Build::default()
        });
        assert_eq!((raised.memory_limit, raised.cpu_limit), (1024, 0));
    }
}
