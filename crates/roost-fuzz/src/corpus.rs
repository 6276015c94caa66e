//! The inputs that are mutated: recorded ones, earlier failures, and those that showed something new in this run.

use crate::mutate::Rng;
use std::{collections::HashSet, io, path::Path};

/// Inputs kept that were found in a run; a later one takes the place of an earlier one.
const FOUND_MAX: usize = 2_048;

pub(crate) struct Corpus {
    inputs: Vec<Vec<u8>>,
    /// So many of them are files.
    seeds: usize,
    seen: HashSet<u64>,
}

impl Corpus {
    /// All files of a directory, in the order of their names.
    pub(crate) fn read(dir: &Path) -> io::Result<Self> {
        let mut paths: Vec<_> = std::fs::read_dir(dir)?
            .map(|entry| entry.map(|e| e.path()))
            .collect::<io::Result<_>>()?;
        paths.sort_unstable();
        let inputs: Vec<_> = paths.iter().map(std::fs::read).collect::<io::Result<_>>()?;
        Ok(Self {
            seeds: inputs.len(),
            inputs,
            seen: HashSet::new(),
        })
    }

    pub(crate) fn seeds(&self) -> &[Vec<u8>] {
        &self.inputs[..self.seeds]
    }

    /// How many kinds of behaviour were seen.
    pub(crate) fn kinds(&self) -> usize {
        self.seen.len()
    }

    /// Any of the inputs; the recorded ones as often as all that were found.
    pub(crate) fn pick(&self, rng: &mut Rng) -> &[u8] {
        let among = match rng.below(2) {
            0 => self.seeds,
            _ => self.inputs.len(),
        };
        self.inputs.get(rng.below(among)).map_or(&[], Vec::as_slice)
    }

    /// Keeps `input` if it showed something new.
    pub(crate) fn saw(&mut self, signature: u64, input: Option<&[u8]>, rng: &mut Rng) {
        if !self.seen.insert(signature) {
            return;
        }
        let Some(input) = input else { return };
        match self.inputs.len() < self.seeds + FOUND_MAX {
            true => self.inputs.push(input.to_vec()),
            false => {
                let at = self.seeds + rng.below(FOUND_MAX);
                self.inputs[at] = input.to_vec();
            }
        }
    }
}
