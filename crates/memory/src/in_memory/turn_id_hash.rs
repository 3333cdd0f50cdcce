//! The hash of turn ids in a map. Ids are 16 bytes that are mostly random, so it is a folded
//! multiplication, for a fifth of the instructions of the default hash.

use std::hash::{BuildHasher, Hasher, RandomState};

/// The keys of a map's hashes, from the system's randomness: clients may choose the ids of turns.
#[derive(Clone)]
pub(super) struct TurnIdHash {
    start: u64,
    factor: u64,
}

impl Default for TurnIdHash {
    fn default() -> Self {
        let random = RandomState::new();
        Self { start: random.hash_one(0), factor: random.hash_one(1) | 1 }
    }
}

impl BuildHasher for TurnIdHash {
    type Hasher = TurnIdHasher;

    fn build_hasher(&self) -> TurnIdHasher {
        TurnIdHasher { state: self.start, factor: self.factor }
    }
}

/// The state of a hash.
pub(super) struct TurnIdHasher {
    state: u64,
    factor: u64,
}

impl Hasher for TurnIdHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (chunks, rest) = bytes.as_chunks();
        let chunks = chunks.iter().map(|chunk| u64::from_le_bytes(*chunk));
        for bits in chunks.chain(rest.iter().map(|&byte| u64::from(byte))) {
            let product = u128::from(self.state ^ bits) * u128::from(self.factor);
            self.state = (product as u64) ^ ((product >> 64) as u64);
        }
    }

    /// Ignores the length, which is that of all ids.
    fn write_usize(&mut self, _: usize) {}

    fn finish(&self) -> u64 {
        self.state
    }
}
