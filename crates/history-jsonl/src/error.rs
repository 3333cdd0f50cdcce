//! Errors of the file system as errors of a history.

use std::{
    io::{Error, ErrorKind},
    path::{Path, PathBuf},
};

use conversant_core::{BoxError, HistoryError};

use crate::file_io::NotAFile;

/// Converts an error of the file system.
pub(crate) fn io_error(error: Error) -> HistoryError {
    if let Some(not_a_file) = error.get_ref().and_then(|error| error.downcast_ref::<NotAFile>()) {
        return corrupt(&not_a_file.to_string());
    }
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

/// Converts an error of the file system that a reader met. Without the permission to read a file,
/// it cannot be said whether the history can be written.
pub(crate) fn read_error(path: &Path, error: Error) -> HistoryError {
    match error.kind() {
        ErrorKind::PermissionDenied => backend(Unreadable { path: path.to_owned(), source: error }),
        _ => io_error(error),
    }
}

/// Returns the error for a folder that is not there.
pub(crate) fn no_folder(path: &Path, source: Error) -> HistoryError {
    backend(NoFolder { path: path.to_owned(), source })
}

/// The folder was removed, or the disk with it.
#[derive(thiserror::Error)]
#[error("cannot find the folder `{}`; bring it back, or open the history again", path.display())]
struct NoFolder {
    path: PathBuf,
    source: Error,
}

conversant_core::debug_as_report!(NoFolder);

/// A file or a folder that this process may not read.
#[derive(thiserror::Error)]
#[error("cannot read `{}`; let this process read it, and search its folder", path.display())]
struct Unreadable {
    path: PathBuf,
    source: Error,
}

conversant_core::debug_as_report!(Unreadable);

/// Returns the error for a failure that has no variant of its own.
pub(crate) fn backend(source: impl Into<BoxError>) -> HistoryError {
    HistoryError::Backend { source: source.into() }
}

/// Returns the error for files that do not fit each other.
pub(crate) fn corrupt(what: &str) -> HistoryError {
    HistoryError::Corrupt { what: what.to_owned(), source: None }
}

/// Returns the error for line `line`, counted from 1.
pub(crate) fn corrupt_line(line: u64, what: &str) -> HistoryError {
    corrupt(&format!("line {line} {what}; `repair` keeps the turns that can be read"))
}

/// Adds the name of a file to an error of its first line.
pub(crate) fn in_file(path: &Path, error: HistoryError) -> HistoryError {
    match error {
        HistoryError::Corrupt { what, source } => {
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            let (fault, remedy) = what.split_once("; ").unwrap_or((&what, "repair the session"));
            HistoryError::Corrupt { what: format!("{fault} in `{file}`; {remedy}"), source }
        }
        other => other,
    }
}

/// Returns the error for a line whose JSON is not of the expected form. The JSON error can quote
/// the text, so it is left out.
pub(crate) fn unexpected_line(line: u64, error: &serde_json::Error) -> HistoryError {
    corrupt_line(line, &format!("has an unexpected value at byte {}", error.column()))
}
