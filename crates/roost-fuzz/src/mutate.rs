//! Makes new inputs out of old ones. Which of them are worth keeping is not its business.

/// Numbers that break things: borders of lengths and signs.
const BORDERS: [u64; 18] = [
    0,
    1,
    2,
    0x7D,
    0x7E,
    0x7F,
    0x80,
    0xFF,
    0x100,
    0x7FFF,
    0x8000,
    0xFFFF,
    0x1_0000,
    0x7FFF_FFFF,
    0xFFFF_FFFF,
    0x1_0000_0000,
    0x7FFF_FFFF_FFFF_FFFF,
    u64::MAX,
];

/// Random numbers that can be repeated (xorshift64*).
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// The numbers of this seed.
    pub fn new(seed: u64) -> Self {
        // Spread, so that seeds that are near each other are not; never zero.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// The next number.
    pub fn next_u64(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            _ => (self.next_u64() % end as u64) as usize,
        }
    }
}

/// Changes `input` in 1 to 8 places. `other` is another input to take from, `words` are what the format is made of.
pub(crate) fn mutate(input: &mut Vec<u8>, other: &[u8], words: &[&[u8]], max: usize, rng: &mut Rng) {
    for _ in 0..=rng.below(8) {
        let at = rng.below(input.len() + 1);
        match rng.below(10) {
            0 if at < input.len() => input[at] ^= 1 << rng.below(8),
            1 if at < input.len() => input[at] = rng.next_u64() as u8,
            2 => border(input, at, rng),
            3 => insert(
                input,
                at,
                &rng.next_u64().to_le_bytes()[..1 + rng.clone().below(8)],
            ),
            4 => drop(input.drain(at..at + stretch(input.len() - at, rng))),
            5 => {
                let again = input[at..at + stretch(input.len() - at, rng)].to_vec();
                let to = rng.below(input.len() + 1);
                insert(input, to, &again);
            }
            6 => {
                let from = rng.below(other.len() + 1);
                let len = stretch(other.len() - from, rng);
                insert(input, at, &other[from..from + len]);
            }
            7 | 8 if !words.is_empty() => insert(input, at, words[rng.below(words.len())]),
            9 => {
                let byte = input.get(at).copied().unwrap_or(rng.next_u64() as u8);
                insert(input, at, &vec![byte; 1 << rng.below(12)]);
            }
            _ => input.truncate(at),
        }
        input.truncate(max);
    }
}

/// A length of at most `len`, mostly short.
fn stretch(len: usize, rng: &mut Rng) -> usize {
    let short = rng.below(4) > 0;
    rng.below(if short { len.min(16) } else { len } + 1)
}

fn insert(input: &mut Vec<u8>, at: usize, what: &[u8]) {
    input.splice(at..at, what.iter().copied());
}

/// Writes one of [`BORDERS`] over what is at `at`, in either byte order.
fn border(input: &mut [u8], at: usize, rng: &mut Rng) {
    let number = BORDERS[rng.below(BORDERS.len())];
    let len = 1 << rng.below(4);
    let bytes = match rng.below(2) {
        0 => number.to_le_bytes(),
        _ => (number << (64 - 8 * len)).to_be_bytes(),
    };
    for (to, from) in input[at..].iter_mut().zip(&bytes[..len]) {
        *to = *from;
    }
}
