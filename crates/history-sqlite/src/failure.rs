//! What SQLite's errors mean to whoever uses a history.

use conversant_core::{BoxError, HistoryError};
use rusqlite::{Error, ErrorCode, ffi};

/// Tells what an error of SQLite's means.
///
/// The statements are our own and known to be right, so a statement that SQLite does not understand, a value that has the wrong
/// type and a row that breaks a rule are faults of the file.
pub(crate) fn failure(error: Error) -> HistoryError {
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
            corrupt("the file was cut off", error)
        }
        Some(ErrorCode::TypeMismatch | ErrorCode::Unknown) => {
            corrupt("the tables are not as they should be", error)
        }
        Some(_) => HistoryError::Backend { source: error.into() },
        None => match error {
            Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => corrupt("a value can't be read", error),
            Error::SqlInputError { .. } => corrupt("the tables are not as they should be", error),
            other => HistoryError::Backend { source: other.into() },
        },
    }
}

/// Makes an error of what is stored and can't be read.
pub(crate) fn corrupt(what: impl Into<String>, source: impl Into<BoxError>) -> HistoryError {
    HistoryError::Corrupt { what: what.into(), source: Some(source.into()) }
}

/// Makes an error of rows that are there, can be read, and can't be right.
pub(crate) fn wrong(what: impl Into<String>) -> HistoryError {
    HistoryError::Corrupt { what: what.into(), source: None }
}

/// Makes an error of a failure outside of SQLite.
pub(crate) fn backend(source: impl Into<BoxError>) -> HistoryError {
    HistoryError::Backend { source: source.into() }
}
