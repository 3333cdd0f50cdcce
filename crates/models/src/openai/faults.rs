//! The faults of an adapter's settings: an error of `build` has all of them.

use conversant_core::ModelError;

/// The faults that were found, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults(Vec<String>);

impl Faults {
    pub(crate) fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    /// Returns what was made of settings, or notes why it was not.
    pub(crate) fn take<T>(&mut self, made: Result<T, ModelError>) -> Option<T> {
        made.map_err(|error| self.add(error.to_string())).ok()
    }

    /// Adds those of another part of the settings.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.0.extend_from_slice(&other.0);
    }

    /// # Errors
    /// [`ModelError::Config`], if there are any.
    pub(crate) fn check(self) -> Result<(), ModelError> {
        if self.0.is_empty() { Ok(()) } else { Err(ModelError::config(self.0.join("; "))) }
    }
}
