//! For tests only: feeds a target mutated real traffic until the time is over, on stable Rust.
//!
//! ```text
//!   CRATE/fuzz/NAME/*  recorded traffic, and every input that ever failed
//!        │ corpus ──mutate──> input ──> target: asserts its property, returns a signature of what it saw
//!        └──<── an input whose signature is new
//!   a failure is made small, written to CRATE/fuzz/NAME/failure-HASH, and is a seed from then on
//! ```
//!
//! The signature takes the place of a compiler's coverage: a target returns what makes inputs different in kind (which
//! messages came, which error), so that rare kinds are mutated on. Targets stand beside the code that they test, as a
//! `mod fuzz` of its tests; what is right is theirs to say. `docs/decisions/0006-fuzzing-on-stable.md` has the reasons.
//!
//! | Variable | Meaning |
//! |---|---|
//! | `ROOST_FUZZ_SECONDS` | How long each target runs. Unset: the seeds and 500 inputs that are the same every time |
//! | `ROOST_FUZZ_SEED` | Begins the random numbers; the failing run prints its own |

mod corpus;
mod mutate;
mod run;

pub use mutate::Rng;
pub use run::run;

use std::hash::{Hash, Hasher};

/// A signature out of anything that can be hashed.
pub fn signature(seen: impl Hash) -> u64 {
    // The same in every process, so that a run can be repeated.
    let mut hasher = std::hash::DefaultHasher::new();
    seen.hash(&mut hasher);
    hasher.finish()
}

/// Cuts `bytes` into pieces of 1 to `most` bytes, the same ones for the same `seed`.
pub fn pieces(bytes: &[u8], most: usize, seed: u64) -> Vec<&[u8]> {
    let mut rng = Rng::new(seed);
    let mut rest = bytes;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(rest.len().min(1 + rng.below(most.max(1))));
        out.push(piece);
        rest = later;
    }
    out
}
