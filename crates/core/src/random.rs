//! Random bits for ids.

use std::hash::{BuildHasher, Hasher, RandomState};

/// Returns 64 random bits.
pub(crate) fn bits() -> u64 {
    // The standard library has no randomness on this target.
    #[cfg(all(target_family = "wasm", target_os = "unknown"))]
    if let Ok(bits) = getrandom::u64() {
        return bits;
    }
    // A `RandomState` is keyed by the system's randomness, and no two of them are alike.
    RandomState::new().build_hasher().finish()
}
