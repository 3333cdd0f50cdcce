//! What the system's errors mean to whoever uses a history.

use std::io::{Error, ErrorKind};

use conversant_core::{BoxError, HistoryError};

/// Tells what an error of the system's means.
pub(crate) fn failure(error: Error) -> HistoryError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            HistoryError::Full { source: error.into() }
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            HistoryError::ReadOnly { source: Some(error.into()) }
        }
        _ => backend(error),
    }
}

/// Makes an error of a failure that is none of the others.
pub(crate) fn backend(source: impl Into<BoxError>) -> HistoryError {
    HistoryError::Backend { source: source.into() }
}

/// Makes an error of a line that can't be right.
pub(crate) fn wrong_line(line: u64, what: &str) -> HistoryError {
    HistoryError::Corrupt { what: format!("line {line} {what}"), source: None }
}
