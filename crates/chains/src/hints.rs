//! The nearest names in the faults of a chain that is built.

use std::cell::Cell;

use conversant_core::nearest;

/// The most faults of a chain for which the nearest name is searched: 20. A search compares a name
/// with every other one.
const MAX_HINTS: usize = 20;

/// The searches that are left for the faults of a chain.
pub(crate) struct Hints(Cell<usize>);

impl Default for Hints {
    fn default() -> Self {
        Self(Cell::new(MAX_HINTS))
    }
}

impl Hints {
    /// Returns the candidate that a name was probably meant to be, for the first faults of a chain.
    pub(crate) fn nearest<'c>(
        &self,
        name: &str,
        candidates: impl IntoIterator<Item = &'c str>,
    ) -> Option<String> {
        self.0.set(self.0.get().checked_sub(1)?);
        nearest(name, candidates).map(str::to_owned)
    }
}
