//! Limits on the work of Jinja2 and mustache templates, whose loops multiply text.

use std::{error::Error, fmt};

use conversant_core::PromptError;

/// The largest output of a Jinja2 or mustache template: 32 MiB. No model takes as much.
pub(crate) const MAX_OUTPUT_BYTES: usize = 32 * 1024 * 1024;

/// A template that exceeds a limit of work, such as nested loops over long lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WorkLimit {
    /// Too many steps or repetitions.
    Steps,
    /// An output of more than [`MAX_OUTPUT_BYTES`].
    Output,
}

impl fmt::Display for WorkLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Steps => f.write_str("the template repeats more often than is allowed"),
            Self::Output => {
                write!(f, "the template's output is larger than {MAX_OUTPUT_BYTES} bytes")
            }
        }
    }
}

impl Error for WorkLimit {}

impl From<WorkLimit> for PromptError {
    fn from(limit: WorkLimit) -> Self {
        Self::Custom(Box::new(limit))
    }
}
