//! Errors of SQLite as errors of a vector store.

use conversant_core::{BoxError, VectorStoreError};
use conversant_history::SqliteErrorClass;
use rusqlite::Error;

/// Converts an error of SQLite.
///
/// The statements are this crate's and known to be correct. A statement that SQLite rejects, a
/// value of the wrong type and a vector that cannot be compared are therefore faults of the file.
pub(crate) fn sqlite_error(error: Error) -> VectorStoreError {
    match error.sqlite_extended_error_code().map(SqliteErrorClass::of_code) {
        Some(SqliteErrorClass::Busy) => VectorStoreError::Busy,
        Some(SqliteErrorClass::Full) => VectorStoreError::Full { source: error.into() },
        Some(SqliteErrorClass::ReadOnly) => {
            VectorStoreError::ReadOnly { source: Some(error.into()) }
        }
        Some(SqliteErrorClass::Corrupt(what)) => corrupt(what, error),
        Some(SqliteErrorClass::UnexpectedTables) => corrupt(UNEXPECTED_TABLES, error),
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
            Error::SqlInputError { .. } => corrupt(UNEXPECTED_TABLES, error),
            other => backend(other),
        },
    }
}

const UNEXPECTED_TABLES: &str = "the tables or the vectors do not have the expected form";

const INVALID: &str = "invalid value in a row";

fn corrupt(what: &str, source: Error) -> VectorStoreError {
    VectorStoreError::Corrupt { what: what.to_owned(), source: Some(source.into()) }
}

/// Returns the error for a failure outside of SQLite.
pub(crate) fn backend(source: impl Into<BoxError>) -> VectorStoreError {
    VectorStoreError::Backend { source: source.into() }
}
