//! Errors of SQLite as errors of a vector store.

use conversant_core::{BoxError, VectorStoreError};
use rusqlite::{Error, ErrorCode, ffi};

/// Converts an error of SQLite.
///
/// The statements are this crate's and known to be correct. A statement that SQLite rejects, a
/// value of the wrong type and a vector that cannot be compared are therefore faults of the file.
pub(crate) fn sqlite_error(error: Error) -> VectorStoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => VectorStoreError::Busy,
        Some(ErrorCode::DiskFull) => VectorStoreError::Full { source: error.into() },
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            VectorStoreError::ReadOnly { source: Some(error.into()) }
        }
        Some(ErrorCode::NotADatabase) => corrupt("the file is not a SQLite database", error),
        Some(ErrorCode::DatabaseCorrupt) => corrupt("the database is malformed", error),
        Some(ErrorCode::ConstraintViolation) => corrupt("rows contradict each other", error),
        Some(ErrorCode::SystemIoFailure)
            if error.sqlite_extended_error_code() == Some(ffi::SQLITE_IOERR_SHORT_READ) =>
        {
            corrupt("the file is truncated", error)
        }
        Some(ErrorCode::TypeMismatch | ErrorCode::Unknown) => corrupt(FORM, error),
        Some(_) => backend(error),
        None => match error {
            Error::FromSqlConversionFailure(column, kind, source) => {
                match source.downcast::<VectorStoreError>() {
                    Ok(fault) => *fault,
                    Err(source) => {
                        corrupt(INVALID, Error::FromSqlConversionFailure(column, kind, source))
                    }
                }
            }
            Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..) => corrupt(INVALID, error),
            Error::SqlInputError { .. } => corrupt(FORM, error),
            other => backend(other),
        },
    }
}

const FORM: &str = "the tables or the vectors do not have the expected form";

const INVALID: &str = "invalid value in a row";

fn corrupt(what: &str, source: Error) -> VectorStoreError {
    VectorStoreError::Corrupt { what: what.to_owned(), source: Some(source.into()) }
}

/// Returns the error for a failure outside of SQLite.
pub(crate) fn backend(source: impl Into<BoxError>) -> VectorStoreError {
    VectorStoreError::Backend { source: source.into() }
}
