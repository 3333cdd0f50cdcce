//! The error of loading a prompt.

use std::{error::Error, fmt};

use conversant_core::{nearest_hint, shortened};

use crate::error::TemplateError;

/// A prompt that cannot be loaded.
///
/// Needs the feature `json`.
#[non_exhaustive]
pub enum LoadError {
    /// The text is not JSON.
    Json(serde_json::Error),
    /// The text is not YAML.
    #[cfg(feature = "load")]
    Yaml(conversant_core::BoxError),
    /// The file cannot be read.
    #[cfg(feature = "load")]
    File(std::io::Error),
    /// The file's name does not end in `.json`, `.yaml` or `.yml`.
    #[cfg(feature = "load")]
    FileType,
    /// A type that is not on the list.
    UnknownType(String),
    /// A field that is refused, such as a path.
    Refused(String),
    /// A field that its type does not have.
    UnknownField {
        /// The field.
        field: String,
        /// The nearest field that the type has.
        nearest: Option<String>,
    },
    /// A required field is missing.
    MissingField(String),
    /// A field cannot be read.
    Field {
        /// The field.
        field: String,
        /// The reason.
        reason: String,
    },
    /// A template is invalid.
    Template(TemplateError),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(_) => f.write_str("cannot read the prompt: invalid JSON"),
            #[cfg(feature = "load")]
            Self::Yaml(_) => f.write_str("cannot read the prompt: invalid YAML"),
            #[cfg(feature = "load")]
            Self::File(_) => f.write_str("cannot read the prompt's file"),
            #[cfg(feature = "load")]
            Self::FileType => f.write_str(
                "cannot read the prompt's file: unknown type; use `.json`, `.yaml` or `.yml`",
            ),
            Self::UnknownType(name) => {
                write!(f, "cannot load the prompt: unknown type `{}`", shortened(name))
            }
            Self::Refused(field) => write!(
                f,
                "cannot load the prompt: field `{}` names a file; write the content into the prompt",
                shortened(field)
            ),
            Self::UnknownField { field, nearest } => {
                let (field, hint) = (shortened(field), nearest_hint(nearest.as_deref()));
                write!(f, "cannot load the prompt: unknown field `{field}`{hint}")
            }
            Self::MissingField(field) => {
                write!(f, "cannot load the prompt: missing field `{field}`")
            }
            Self::Field { field, reason } => {
                write!(f, "cannot load field `{field}` of the prompt: {reason}")
            }
            Self::Template(_) => f.write_str("cannot load the prompt: invalid template"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Json(error) => Some(error),
            #[cfg(feature = "load")]
            Self::Yaml(error) => Some(&**error),
            #[cfg(feature = "load")]
            Self::File(error) => Some(error),
            Self::Template(error) => Some(error),
            _ => None,
        }
    }
}

impl From<TemplateError> for LoadError {
    fn from(error: TemplateError) -> Self {
        Self::Template(error)
    }
}

conversant_core::debug_as_report!(LoadError);
