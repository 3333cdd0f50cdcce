//! Errors of rendering a template.

use std::{error::Error, fmt};

use crate::{location::Location, spec::SpecError};

/// The longest text that a template makes of shorter values: 32 MiB. No model takes as much. A text
/// that is as long as its values together may be longer.
pub const MAX_OUTPUT_BYTES: usize = 32 * 1024 * 1024;

/// A template that cannot be rendered with the given values.
///
/// `Display` is one line and never shows a value; the alternate form, `{:#}`, adds the template's
/// line with a caret under the field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenderError {
    /// A variable has no value.
    MissingVariable {
        /// The variable.
        name: String,
        /// The place of its first use.
        location: Box<Location>,
    },
    /// A value cannot be written with its field's format spec.
    Value {
        /// The variable.
        name: String,
        /// The format spec, without the colon.
        spec: String,
        /// The reason.
        reason: SpecError,
        /// The place of the field.
        location: Box<Location>,
    },
    /// The text is too long: longer than [`MAX_OUTPUT_BYTES`] and than the template and its values
    /// together.
    TooLong {
        /// The variable of the field at which the text became too long.
        name: String,
        /// The place of the field.
        location: Box<Location>,
    },
}

impl RenderError {
    /// Returns the name of the faulty variable.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::MissingVariable { name, .. }
            | Self::Value { name, .. }
            | Self::TooLong { name, .. } => name,
        }
    }

    /// Returns the place of the faulty field.
    #[must_use]
    pub fn location(&self) -> &Location {
        match self {
            Self::MissingVariable { location, .. }
            | Self::Value { location, .. }
            | Self::TooLong { location, .. } => location,
        }
    }
}

impl fmt::Display for RenderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingVariable { name, location } => {
                write!(f, "variable `{name}` has no value, at {location}")?;
            }
            Self::Value { name, spec, reason, location } => {
                let spec = spec.escape_debug();
                write!(
                    f,
                    "value of `{name}` does not fit `{{{name}:{spec}}}`: {reason}, at {location}"
                )?;
            }
            Self::TooLong { name, location } => {
                let limit = MAX_OUTPUT_BYTES;
                write!(f, "the text is larger than {limit} bytes with `{name}`, at {location}")?;
            }
        }
        if f.alternate() {
            write!(f, "\n{}", self.location().excerpt())?;
        }
        Ok(())
    }
}

impl Error for RenderError {}
