//! Errors of fetching weights.

use std::{fmt, io, path::PathBuf};

use conversant_core::BoxError;

/// An error of fetching weights.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum DownloadError {
    /// The user has no home folder.
    #[error("cannot find the user's cache folder; set `HOME`")]
    NoHome {
        /// The cause.
        source: BoxError,
    },
    /// A file in the folder cannot be read or written.
    #[error("cannot use the file `{}`", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process downloads the same file.
    #[error("cannot download `{}`: another process is downloading it; wait until it has ended", path.display())]
    Busy {
        /// The file.
        path: PathBuf,
    },
    /// No source has given the file.
    #[error("cannot download `{model}`: {}", listed(sources))]
    Sources {
        /// The name of the model.
        model: String,
        /// The sources that were tried, in order.
        sources: Vec<FailedSource>,
    },
}

/// A source that did not give the file.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedSource {
    /// The source: an address, or a package.
    pub source: String,
    /// The reason.
    pub reason: String,
}

impl fmt::Display for FailedSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.source, self.reason)
    }
}

fn listed(sources: &[FailedSource]) -> String {
    sources.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

conversant_core::debug_as_report!(DownloadError);
