//! FNV-1a: a hash that is the same in every version and on every machine.

/// Returns the 64-bit FNV-1a hash of bytes. Hashes are part of stored names and of requests, so it
/// never changes.
pub fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
