//! The result of a save or of maintenance, with warnings.

use crate::box_error::BoxError;

/// The result of a successful save, with warnings for observers.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Saved {
    /// Failures that lost neither the answer nor the turn.
    pub warnings: Vec<Warning>,
}

impl Saved {
    /// Adds a warning.
    #[must_use]
    pub fn with_warning(mut self, warning: Warning) -> Self {
        self.warnings.push(warning);
        self
    }
}

/// A failure in a memory that lost neither the answer nor the turn, such as a failed summary.
#[derive(thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct Warning {
    /// The operation that failed.
    pub what: String,
    /// The cause.
    pub source: Option<BoxError>,
}

impl Warning {
    /// Creates a warning.
    #[must_use]
    pub fn new(what: impl Into<String>, source: impl Into<Option<BoxError>>) -> Self {
        Self { what: what.into(), source: source.into() }
    }
}

crate::debug_as_report!(Warning);
