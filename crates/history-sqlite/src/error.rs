//! Errors of SQLite as errors of a history.

use conversant_core::{BoxError, HistoryError};
use rusqlite::{Error, ErrorCode, ffi};

/// Converts an error of SQLite.
///
/// The statements are this crate's and known to be correct. A statement that SQLite rejects, a
/// value of the wrong type and a row that breaks a constraint are therefore faults of the file.
pub(crate) fn sqlite_error(error: Error) -> HistoryError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => HistoryError::Busy,
        Some(ErrorCode::DiskFull) => HistoryError::Full { source: error.into() },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            HistoryError::ReadOnly { source: Some(error.into()) }
        }
        Some(ErrorCode::NotADatabase) => corrupt("the file is not a SQLite database", error),
        Some(ErrorCode::DatabaseCorrupt) => corrupt("the database is malformed", error),
        Some(ErrorCode::ConstraintViolation) => corrupt("rows contradict each other", error),
        Some(ErrorCode::SystemIoFailure)
            if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHORT_READ) =>
        {
            corrupt("the file is truncated", error)
        }
        Some(ErrorCode::TypeMismatch | ErrorCode::Unknown) => {
            corrupt("the tables do not have the expected columns", error)
        }
        Some(_) => backend(error),
        None => match error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => corrupt("invalid value in a row", error),
            Error::SqlInputError { .. } => {
                corrupt("the tables do not have the expected columns", error)
            }
            other => backend(other),
        },
    }
}

/// Returns the error for stored data that cannot be decoded.
pub(crate) fn corrupt(what: impl Into<String>, source: impl Into<BoxError>) -> HistoryError {
    HistoryError::Corrupt { what: what.into(), source: Some(source.into()) }
}

/// Returns the error for stored data that can be decoded and contradicts itself.
pub(crate) fn inconsistent(what: impl Into<String>) -> HistoryError {
    HistoryError::Corrupt { what: what.into(), source: None }
}

/// Returns the error for a failure outside of SQLite.
pub(crate) fn backend(source: impl Into<BoxError>) -> HistoryError {
    HistoryError::Backend { source: source.into() }
}
