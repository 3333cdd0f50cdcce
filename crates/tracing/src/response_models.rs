//! The names of models that servers answer with, as labels of metrics.

use std::{
    collections::HashSet,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use crate::names::OTHER;

/// The longest name, in bytes.
const MAX_BYTES: usize = 128;

/// The most names.
const MAX_NAMES: usize = 100;

/// The names that are labels. Each one has series of its own, and a server can send any number of
/// them: a name that is too long, or comes after the last one that is kept, is `_OTHER`. Clones
/// share the names.
#[derive(Clone, Default)]
pub(crate) struct ResponseModels(Arc<Mutex<HashSet<Box<str>>>>);

impl ResponseModels {
    /// Returns the label of a name.
    pub(crate) fn label<'n>(&self, name: &'n str) -> &'n str {
        if name.len() > MAX_BYTES {
            return OTHER;
        }
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if names.contains(name) {
            return name;
        }
        if names.len() >= MAX_NAMES {
            return OTHER;
        }
        names.insert(name.into());
        name
    }
}

impl fmt::Debug for ResponseModels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_struct("ResponseModels").field("names", &names.len()).finish()
    }
}
