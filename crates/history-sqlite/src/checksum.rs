//! Checksums of rows, and the hash of session ids. Files contain both, so neither may change.

/// The bytes that are summed at once: more than the fields of a row have, without its text.
const AT_ONCE: usize = 128;

/// Computes the checksum of a row, field by field.
pub(crate) struct Checksum {
    sum: crc32fast::Hasher,
    /// The bytes of short fields that are not summed yet. Alone, each would be summed byte by byte.
    waiting: [u8; AT_ONCE],
    /// The number of bytes that wait.
    len: usize,
}

impl Default for Checksum {
    fn default() -> Self {
        Self { sum: crc32fast::Hasher::new(), waiting: [0; AT_ONCE], len: 0 }
    }
}

impl Checksum {
    #[inline]
    pub(crate) fn number(&mut self, number: i64) -> &mut Self {
        let bytes = number.to_le_bytes();
        match self.waiting.get_mut(self.len..).and_then(|free| free.first_chunk_mut()) {
            Some(place) => {
                *place = bytes;
                self.len += bytes.len();
            }
            None => self.sum_after_waiting(&bytes),
        }
        self
    }

    /// Adds a number that may be missing.
    pub(crate) fn option(&mut self, number: Option<i64>) -> &mut Self {
        match number {
            Some(number) => self.bytes(&number.to_le_bytes()),
            None => self.bytes(&[]),
        }
    }

    /// Adds a number that rows of older versions do not have: 0 leaves the checksum as it is.
    #[inline]
    pub(crate) fn added(&mut self, number: u64) -> &mut Self {
        if number == 0 { self } else { self.number(number.cast_signed()) }
    }

    /// Adds bytes, after their length.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.number(i64::try_from(bytes.len()).unwrap_or(i64::MAX));
        match self.waiting.get_mut(self.len..).and_then(|free| free.get_mut(..bytes.len())) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.len += bytes.len();
            }
            None => self.sum_after_waiting(bytes),
        }
        self
    }

    /// Sums the bytes that wait, then others.
    fn sum_after_waiting(&mut self, bytes: &[u8]) {
        self.sum.update(self.waiting.get(..self.len).unwrap_or_default());
        self.sum.update(bytes);
        self.len = 0;
    }

    fn sum(&mut self) -> u32 {
        self.sum_after_waiting(&[]);
        self.sum.clone().finalize()
    }

    pub(crate) fn finish(&mut self) -> i64 {
        i64::from(self.sum())
    }

    /// Returns the checksum as a signed number, which always fits in four bytes of a row.
    pub(crate) fn finish_signed(&mut self) -> i64 {
        i64::from(self.sum().cast_signed())
    }
}

/// Returns the 64-bit FNV-1a hash of an id.
pub(crate) fn hash(id: &str) -> i64 {
    conversant_core::fnv1a(id.bytes()).cast_signed()
}

#[cfg(test)]
mod tests;
