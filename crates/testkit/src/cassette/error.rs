//! Errors of cassettes.

use std::{io, path::PathBuf};

use conversant_core::debug_as_report;

/// A cassette that cannot be read, written or matched.
///
/// Unlike other errors, [`NotRecorded`](Self::NotRecorded) shows message text, since it is for
/// tests.
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum CassetteError {
    /// The file cannot be read or written.
    #[error("cannot use the file `{}`", path.display())]
    File {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a cassette.
    #[error("cannot read the cassette `{}`; delete it to record it anew", path.display())]
    Format {
        /// The path.
        path: PathBuf,
        /// The cause.
        source: serde_json::Error,
    },
    /// A request that was not recorded.
    #[error("cannot find the request in `{}`; delete the file to record it anew\n{diff}", path.display())]
    NotRecorded {
        /// The path.
        path: PathBuf,
        /// The difference to the nearest recorded request (`-`), or the request if the cassette is
        /// empty.
        diff: String,
    },
}

debug_as_report!(CassetteError);
