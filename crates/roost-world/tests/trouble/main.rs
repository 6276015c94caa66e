//! Bad surroundings: a line that cuts, a disk that is full, a clock that jumps, a panel that is away, a machine that went
//! down without a word, many servers, a day's worth of lines. Run by `./test`, the long forms by `./test long`.

mod boot;
mod clock;
mod day;
mod disk;
mod line;
mod many;
mod panel;

use std::time::Duration;

type Told = anyhow::Result<()>;

fn is_long() -> bool {
    std::env::var_os("ROOST_TEST_LONG").is_some()
}

/// Seconds of the short and the long form.
fn seconds(short: u64, long: u64) -> Duration {
    Duration::from_secs(if is_long() { long } else { short })
}
