//! Lookup of names in a list: a scan while the list is short, a hash map from then on.

use std::{collections::HashMap, sync::Arc};

/// The longest list that is scanned: 16 names. Hashing costs more than a scan of so few.
const MAX_SCANNED: usize = 16;

/// The positions of the names of a list that grows at its end only.
#[derive(Debug, Clone, Default)]
pub(crate) struct NameIndex {
    /// Empty while the list is short.
    positions: HashMap<Arc<str>, usize>,
}

impl NameIndex {
    /// Returns the position of a name in the list.
    pub(crate) fn position<'n>(
        &self,
        name: &str,
        mut names: impl ExactSizeIterator<Item = &'n str>,
    ) -> Option<usize> {
        if names.len() <= MAX_SCANNED {
            names.position(|known| known == name)
        } else {
            self.positions.get(name).copied()
        }
    }

    /// Updates the index after a name was appended to the list.
    pub(crate) fn appended<'n>(
        &mut self,
        names: impl ExactSizeIterator<Item = &'n str> + DoubleEndedIterator,
    ) {
        let length = names.len();
        if length > MAX_SCANNED {
            // From the end: a mapped iterator skips its start one by one.
            let new = names.enumerate().rev().take(length - self.positions.len());
            self.positions.extend(new.map(|(position, name)| (Arc::from(name), position)));
        }
    }
}
