//! Calls that were written in a form of their own, so that their results have one, too.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The calls before a message whose results are not those of functions. Few conversations have any.
#[derive(Debug, Clone, Default, Hash)]
pub(crate) struct OpenCalls(Vec<(String, String)>);

impl OpenCalls {
    /// Adds a call of a kind.
    #[cfg(feature = "responses")]
    pub(super) fn add(&mut self, id: &str, kind: &str) {
        self.0.push((id.to_owned(), kind.to_owned()));
    }

    /// Returns the kind of the last call with an id.
    #[cfg(feature = "responses")]
    pub(super) fn kind(&self, id: &str) -> Option<&str> {
        self.0.iter().rev().find(|(known, _)| known == id).map(|(_, kind)| kind.as_str())
    }

    pub(super) fn extend(&mut self, later: &Self) {
        self.0.extend(later.0.iter().cloned());
    }

    /// Returns the calls after those that are at the start.
    pub(super) fn without(mut self, start: &Self) -> Self {
        self.0.drain(..start.0.len().min(self.0.len()));
        self
    }

    /// Returns the fingerprint of a form after these calls.
    pub(super) fn fingerprint(&self, form: u64) -> u64 {
        if self.0.is_empty() {
            return form;
        }
        let mut hasher = DefaultHasher::new();
        (form, self).hash(&mut hasher);
        hasher.finish()
    }
}
