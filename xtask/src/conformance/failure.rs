//! Why a case has no result: an error kind, or what keeps the case from being run.

use std::{error::Error, fmt};

use conversant_core::{KeyError, MemoryError, PromptError};
use conversant_prompts::TemplateError;

/// Why a case has no result.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The crates refused, with an error that is of this kind.
    Refused(&'static str),
    /// There is no code for it yet.
    NotBuilt,
    /// Something else went wrong: a fault of the case or of the crates.
    Broken(String),
}

impl Failure {
    /// Creates the failure of an error that no kind of the cases stands for.
    pub(crate) fn broken(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self::Broken(text)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(kind) => f.write_str(kind),
            Self::NotBuilt => f.write_str("not built yet"),
            Self::Broken(what) => f.write_str(what),
        }
    }
}

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

impl From<&KeyError> for Failure {
    fn from(error: &KeyError) -> Self {
        match error {
            KeyError::AmbiguousInput { .. } => Self::Refused("ambiguous_input_key"),
            KeyError::AmbiguousOutput { .. } => Self::Refused("ambiguous_output_key"),
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
