//! Checksums of rows, and the hash of session ids. Files contain both, so neither may change.

/// Computes the checksum of a row, field by field.
#[derive(Default)]
pub(crate) struct Checksum(crc32fast::Hasher);

impl Checksum {
    pub(crate) fn number(mut self, number: i64) -> Self {
        self.0.update(&number.to_le_bytes());
        self
    }

    /// Adds a number that may be missing.
    pub(crate) fn option(self, number: Option<i64>) -> Self {
        match number {
            Some(number) => self.bytes(&number.to_le_bytes()),
            None => self.bytes(&[]),
        }
    }

    /// Adds a number that rows of older versions do not have: 0 leaves the checksum as it is.
    pub(crate) fn added(self, number: u64) -> Self {
        if number == 0 { self } else { self.number(number.cast_signed()) }
    }

    /// Adds bytes, after their length.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self = self.number(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        self.0.update(bytes);
        self
    }

    pub(crate) fn finish(self) -> i64 {
        i64::from(self.0.finalize())
    }

    /// Returns the checksum as a signed number, which always fits in four bytes of a row.
    pub(crate) fn finish_signed(self) -> i64 {
        i64::from(self.0.finalize().cast_signed())
    }
}

/// Returns the 64-bit FNV-1a hash of an id.
pub(crate) fn hash(id: &str) -> i64 {
    let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash.cast_signed()
}

#[cfg(test)]
mod tests;
