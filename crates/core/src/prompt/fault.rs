//! The faults of a prompt that are known before it is formatted.

use crate::{nearest::nearest_hint, value::ValueKind};

/// A fault of a prompt that is known before it is formatted ([`Prompt::faults`]). Its text shows no
/// value.
///
/// [`Prompt::faults`]: crate::Prompt::faults
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PromptFault {
    /// A value of the prompt itself is not of the kind that its placeholder takes.
    #[error("partial variable `{name}` is {found}, and its placeholder takes messages")]
    PartialNotMessages {
        /// The variable.
        name: String,
        /// The kind of the value.
        found: ValueKind,
    },
    /// A variable that is always text is that of a placeholder.
    #[error("variable `{name}` is text, and its placeholder takes messages")]
    TextForMessages {
        /// The variable.
        name: String,
    },
    /// The values of a variable do not fit the format specification of a field.
    #[error("{reason}")]
    Format {
        /// The variable.
        name: String,
        /// The reason, with the variable and the field.
        reason: String,
    },
    /// A part of a pipeline is not used, and a variable with nearly its name is.
    #[error("part `{name}` of the pipeline is not used{}", nearest_hint(Some(nearest)))]
    UnusedPart {
        /// The part.
        name: String,
        /// The nearest of the variables that the parts after it need.
        nearest: String,
    },
    /// A fault in a part of a pipeline.
    #[error("in part `{part}` of the pipeline: {fault}")]
    InPart {
        /// The part.
        part: String,
        /// The fault.
        fault: Box<Self>,
    },
}

impl PromptFault {
    /// Returns the variable or the part that the fault is of.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::PartialNotMessages { name, .. }
            | Self::TextForMessages { name }
            | Self::Format { name, .. }
            | Self::UnusedPart { name, .. } => name,
            Self::InPart { fault, .. } => fault.name(),
        }
    }
}
