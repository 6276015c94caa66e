//! What a keeper costs: one thread, little memory, no work while nothing happens.

use super::bed::{Bed, shell, wait_for};
use crate::place;

fn kib(pid: i32, of: &str) -> u64 {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let value = |line: &str| {
        line.split_whitespace()
            .nth(1)
            .and_then(|value| value.parse::<u64>().ok())
    };
    rollup
        .lines()
        .filter(|line| line.starts_with(of))
        .filter_map(value)
        .sum()
}

fn cpu_ticks(pid: i32) -> u64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[test]
fn a_keeper_has_one_thread_and_little_memory_of_its_own() {
    // Another one of the same program, so that code is shared, as it is with the node.
    let other = Bed::run("exec cat");
    let bed = Bed::run("yes 0123456789 | head -c 5000000; exec cat");
    let idle = kib(other.keeper, "Private");
    wait_for("the spool is in use", || {
        bed.dir
            .path()
            .join(place::SPOOL)
            .metadata()
            .is_ok_and(|file| file.len() > 1 << 20)
    });
    let mut node = bed.node(0);
    node.until("all of it", |node| node.output.len() >= 5_000_000);
    node.ack();
    assert_eq!(
        std::fs::read_dir(format!("/proc/{}/task", bed.keeper))
            .unwrap()
            .count(),
        1
    );
    let busy = kib(bed.keeper, "Private");
    println!("private KiB: idle {idle}, after 5 MB nobody read {busy}");
    assert!(idle <= 2048 && busy <= 2048, "idle {idle} KiB, busy {busy} KiB");
}

#[test]
fn a_keeper_does_nothing_while_nothing_happens() {
    let bed = Bed::new(shell("exec cat")).start();
    let node = bed.node(0);
    let before = cpu_ticks(bed.keeper);
    std::thread::sleep(std::time::Duration::from_millis(500));
    assert!(cpu_ticks(bed.keeper) - before <= 1);
    drop(node);
}
