//! CPU time and memory of processes, from /proc.

use anyhow::Context;

/// CPU seconds that a process has used, its threads together. 0 for one that is gone.
pub fn seconds(pid: u32) -> f64 {
    let Ok(text) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return 0.0;
    };
    let Some((_, rest)) = text.rsplit_once(')') else {
        return 0.0;
    };
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

/// CPU nanoseconds of the calling thread.
pub fn thread_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Process ids of the keepers of a data directory.
pub fn keepers(data: &std::path::Path) -> Vec<u32> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in processes.flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let words: Vec<&[u8]> = command.split(|b| *b == 0).collect();
        let is_keeper = words.get(1).is_some_and(|w| *w == b"keeper");
        let program = std::fs::read_link(entry.path().join("exe")).unwrap_or_default();
        if is_keeper && program.starts_with(data) {
            found.push(pid);
        }
    }
    found
}

/// Resident bytes of a process.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    field(&format!("/proc/{pid}/status"), "VmRSS:")
}

/// Private bytes of a process, and those among them that are of no file: the others are pages of its program that no
/// other process has in use just now.
pub fn private_bytes(pid: u32) -> anyhow::Result<(u64, u64)> {
    let file = format!("/proc/{pid}/smaps_rollup");
    // A file that was written a moment ago counts as dirty, though nobody writes to it any more.
    let private = field(&file, "Private_Dirty:")? + field(&file, "Private_Clean:")?;
    Ok((private, field(&file, "Anonymous:")?))
}

fn field(file: &str, name: &str) -> anyhow::Result<u64> {
    let text = std::fs::read_to_string(file)?;
    let line = text
        .lines()
        .find(|l| l.starts_with(name))
        .with_context(|| format!("{file} has no {name}"))?;
    let kib: u64 = line.split_whitespace().nth(1).context("no number")?.parse()?;
    Ok(kib * 1024)
}
