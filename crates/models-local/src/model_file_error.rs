//! Errors of opening a model.

use std::{io, path::PathBuf};

use conversant_core::BoxError;

/// An error of opening a model.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ModelFileError {
    /// The file cannot be opened.
    #[error("cannot open the model file `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is damaged, or lacks a part of a model.
    #[error("cannot load the model file `{}`: {what}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The fault.
        what: String,
        /// The cause, if there is one.
        source: Option<BoxError>,
    },
    /// The model needs something that this crate does not have.
    #[error(
        "cannot load the model file `{}`: unsupported {part} `{name}`; supported: {supported}",
        path.display()
    )]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// The part of the model: its architecture, its tokenizer, or the like.
        part: &'static str,
        /// The name of what is not supported.
        name: String,
        /// The names of what is.
        supported: &'static str,
    },
    /// A setting of the builder is invalid.
    #[error("cannot load the model: invalid `{setting}`; {what}")]
    Setting {
        /// The method of the builder.
        setting: &'static str,
        /// The fault, and how to mend it.
        what: String,
    },
    /// The model's thread cannot be started.
    #[error("cannot start the model's thread")]
    Thread {
        /// The cause.
        source: BoxError,
    },
}

conversant_core::debug_as_report!(ModelFileError);
