//! Runs one target: its seeds, then what comes of them, until the time is over or the property fails.

use crate::{
    corpus::Corpus,
    mutate::{Rng, mutate},
};
use std::{
    hash::{BuildHasher, RandomState},
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// Inputs tried where no time is set: so many that an ordinary test run still is quick.
const FEW: u64 = 500;
/// Longest input, in bytes.
const INPUT_MAX: usize = 64 << 10;
/// An input that takes longer is a failure. Long, since the machine may be busy.
const TOO_LONG: Duration = Duration::from_secs(10);
/// Time for making a failing input small.
const SHRINKING: Duration = Duration::from_secs(3);

/// Runs `target` on the seeds in `home/fuzz/name` and what comes of them. `words` are put in here and there: what the
/// format is made of.
///
/// # Panics
/// If the property fails for an input, which is kept as a file then; if there is no seed.
pub fn run(home: &str, name: &str, words: &[&[u8]], target: impl Fn(&[u8]) -> u64) {
    let dir = Path::new(home).join("fuzz").join(name);
    let mut corpus = match Corpus::read(&dir) {
        Ok(corpus) if !corpus.seeds().is_empty() => corpus,
        Ok(_) => panic!("no seed in {}", dir.display()),
        Err(e) => panic!("the seeds in {} can't be read: {e}", dir.display()),
    };
    let seconds = number("ROOST_FUZZ_SECONDS");
    let seed = number("ROOST_FUZZ_SEED").unwrap_or_else(|| match seconds {
        None => 1,
        // The clock is not asked in this project's code; this is random for each process.
        Some(_) => RandomState::new().hash_one(name),
    });
    let mut rng = Rng::new(seed);
    for at in 0..corpus.seeds().len() {
        // Told by its own name if it fails, and left as it is.
        let input = corpus.seeds()[at].clone();
        let signature = target(&input);
        corpus.saw(signature, None, &mut rng);
    }

    let begun = Instant::now();
    let until = seconds.map(|s| begun + Duration::from_secs(s));
    let mut tried = 0_u64;
    while until.map_or(tried < FEW, |until| Instant::now() < until) {
        let mut input = corpus.pick(&mut rng).to_vec();
        let other = corpus.pick(&mut rng);
        mutate(&mut input, other, words, INPUT_MAX, &mut rng);
        let at = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| target(&input))) {
            Ok(_) if at.elapsed() > TOO_LONG => {
                let path = keep(&dir, &input);
                panic!("{name}: one input took {:?}: {}", at.elapsed(), path.display());
            }
            Ok(signature) => corpus.saw(signature, Some(&input), &mut rng),
            Err(_) => {
                let path = keep(&dir, &small(input, &target));
                panic!(
                    "{name}: the property fails for {} (seed {seed}); mend the cause and commit the file",
                    path.display()
                );
            }
        }
        tried += 1;
    }
    told(&format!(
        "fuzz {name}: {tried} inputs in {:.1} s, {} kinds of behaviour, from {} seeds (random numbers: {seed})",
        begun.elapsed().as_secs_f64(),
        corpus.kinds(),
        corpus.seeds().len()
    ));
}

#[expect(
    clippy::print_stderr,
    reason = "the figures of a run, for whoever watches the tests"
)]
fn told(text: &str) {
    eprintln!("{text}");
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable} is to be a whole number, not {text:?}"),
    }
}

/// Writes a failing input where the next run finds it.
fn keep(dir: &Path, input: &[u8]) -> PathBuf {
    let path = dir.join(format!("failure-{:016x}", crate::signature(input)));
    if let Err(e) = std::fs::write(&path, input) {
        panic!(
            "a failing input can't be kept in {}: {e}: {input:02x?}",
            path.display()
        );
    }
    path
}

/// The input with everything left out that it fails without.
fn small(input: Vec<u8>, target: &impl Fn(&[u8]) -> u64) -> Vec<u8> {
    let until = Instant::now() + SHRINKING;
    let fails = |input: &[u8]| catch_unwind(AssertUnwindSafe(|| target(input))).is_err();
    let mut input = input;
    let mut step = input.len() / 2;
    while step > 0 {
        let mut at = 0;
        while at < input.len() && Instant::now() < until {
            let end = (at + step).min(input.len());
            let less = [&input[..at], &input[end..]].concat();
            match fails(&less) {
                true => input = less,
                false => at = end,
            }
        }
        step /= 2;
    }
    input
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home(seed: &[u8]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("fuzz/x")).unwrap();
        std::fs::write(home.path().join("fuzz/x/seed"), seed).unwrap();
        home
    }

    #[test]
    fn a_failure_is_found_step_by_step_made_small_and_kept() {
        let home = home(b"GET /abc");
        // Only reached over several inputs, each of a kind of its own.
        let target = |input: &[u8]| {
            let deep = input.iter().filter(|b| **b == b'/').count();
            assert!(deep < 6, "found");
            crate::signature(deep)
        };
        let path = home.path().to_str().unwrap().to_owned();
        assert!(catch_unwind(|| run(&path, "x", &[b"/"], target)).is_err());
        let files: Vec<_> = std::fs::read_dir(home.path().join("fuzz/x"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .filter(|p| p.to_str().unwrap().contains("failure-"))
            .collect();
        assert_eq!(files.len(), 1);
        assert_eq!(std::fs::read(&files[0]).unwrap(), b"//////");
        // From now on it is a seed.
        assert!(catch_unwind(|| run(&path, "x", &[], target)).is_err());
    }

    #[test]
    fn a_property_that_holds_is_tried_on_many_inputs() {
        let home = home(b"seed");
        let tried = std::cell::Cell::new(0);
        run(home.path().to_str().unwrap(), "x", &[b"word"], |input| {
            tried.set(tried.get() + 1);
            assert!(input.len() <= INPUT_MAX);
            crate::signature(input.len())
        });
        assert!(tried.get() > FEW);
    }

    #[test]
    #[should_panic(expected = "can't be read")]
    fn a_target_without_seeds_fails() {
        run("/nonexistent", "x", &[], |_| 0);
    }
}
