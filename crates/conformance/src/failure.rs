//! The failure of a case: a recorded kind of error, or a fault of the case or the crates.

use std::{error::Error, fmt};

use conversant_core::{MemoryError, PromptError, Report, TurnKeyError};
#[cfg(feature = "prompts")]
use conversant_prompts::TemplateError;
use serde_json::Value as Json;

/// The failure of a case.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Failure {
    /// The crates returned an error of this recorded kind.
    Refused(&'static str),
    /// The crates returned an error that the cases describe by an object.
    Described(Json),
    /// There is no such operation.
    NotBuilt,
    /// The case or the crates have a fault.
    Broken(String),
}

impl Failure {
    /// Returns the failure for an error without a recorded kind.
    pub(crate) fn broken(error: &(dyn Error + 'static)) -> Self {
        Self::Broken(Report::new(error).to_string())
    }

    /// Returns the failure as a case's `err`.
    #[must_use]
    pub fn to_json(&self) -> Json {
        match self {
            Self::Described(json) => json.clone(),
            other => other.to_string().into(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(kind) => f.write_str(kind),
            Self::Described(json) => json.fmt(f),
            Self::NotBuilt => f.write_str("not built yet"),
            Self::Broken(what) => f.write_str(what),
        }
    }
}

#[cfg(feature = "prompts")]
impl From<TemplateError> for Failure {
    fn from(_: TemplateError) -> Self {
        Self::Refused("invalid_template")
    }
}

impl From<PromptError> for Failure {
    fn from(error: PromptError) -> Self {
        match error {
            PromptError::MissingVariables { .. } => Self::Refused("missing_variable"),
            PromptError::NotMessages { .. } => Self::Refused("not_messages"),
            PromptError::Value { .. } => Self::Refused("invalid_template"),
            other => Self::broken(&other),
        }
    }
}

impl From<&TurnKeyError> for Failure {
    fn from(error: &TurnKeyError) -> Self {
        match error {
            TurnKeyError::AmbiguousInput { .. } => Self::Refused("ambiguous_input_key"),
            TurnKeyError::AmbiguousOutput { .. } => Self::Refused("ambiguous_output_key"),
            other => Self::broken(other),
        }
    }
}

impl From<MemoryError> for Failure {
    fn from(error: MemoryError) -> Self {
        match &error {
            MemoryError::Key(key) => Self::from(key),
            other => Self::broken(other),
        }
    }
}
