//! How figures are judged and printed.
#![expect(clippy::print_stdout, reason = "printing is its business")]

use roost_world::{bench::Seen, killed::RESUMING};

/// Notes down what is missing or doubled: the bench fails with it at its end.
pub fn check(what: &str, seen: &Seen, due: u64, wrong: &mut Vec<String>) {
    if seen.faults > 0 || seen.lines != due {
        wrong.push(format!(
            "{what}: {} faults and {} of {due} lines",
            seen.faults, seen.lines
        ));
    }
}

/// What stands behind a figure that is over its bar.
pub fn reached(is_reached: bool) -> &'static str {
    if is_reached { "" } else { "  (not reached)" }
}

/// One line of what a swarm saw; 100 % is all of them.
pub fn print_seen(what: &str, seen: &Seen, due: u64, bar_p99_ms: f64) {
    let (median, p99) = (seen.latency_ms(0.5), seen.latency_ms(0.99));
    println!(
        "{what}: {:.1} % delivered, median {median:.2} ms, p99 {p99:.2} ms (bar: {bar_p99_ms}){}",
        (1000.0 * seen.lines as f64 / due as f64).floor() / 10.0,
        reached(p99 <= bar_p99_ms)
    );
}

/// One line of a node that was killed so often without losing any of so many lines.
pub fn print_killed(of: &str, kills: usize, lines: usize) {
    println!(
        "node killed with SIGKILL {kills} times at 1,000 lines/s of {of}: 0 of {lines} lines lost or doubled for {RESUMING} viewers \
         that resume, the server lived on (bar: 0)"
    );
}
