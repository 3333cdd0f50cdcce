//! Errors of SQLite as errors of a history.

use conversant_core::{BoxError, HistoryError, SessionId};
use conversant_history::SqliteErrorClass;
use rusqlite::Error;

/// Converts an error of SQLite.
///
/// The statements are this crate's and known to be correct. A statement that SQLite rejects, a
/// value of the wrong type and a row that breaks a constraint are therefore faults of the file.
pub(crate) fn sqlite_error(error: Error) -> HistoryError {
    match error.sqlite_extended_error_code().map(SqliteErrorClass::of_code) {
        Some(SqliteErrorClass::Busy) => HistoryError::Busy,
        Some(SqliteErrorClass::Full) => HistoryError::Full { source: error.into() },
        Some(SqliteErrorClass::ReadOnly) => HistoryError::ReadOnly { source: Some(error.into()) },
        Some(SqliteErrorClass::Corrupt(what)) => corrupt(what, error),
        Some(SqliteErrorClass::UnexpectedTables) => corrupt(UNEXPECTED_TABLES, error),
        Some(_) => backend(error),
        None => match error {
            error if is_invalid_value(&error) => corrupt("invalid value in a row", error),
            Error::SqlInputError { .. } => corrupt(UNEXPECTED_TABLES, error),
            other => backend(other),
        },
    }
}

const UNEXPECTED_TABLES: &str = "the tables do not have the expected columns";

/// Returns whether a row has a value that is none of its column.
const fn is_invalid_value(error: &Error) -> bool {
    matches!(
        error,
        Error::FromSqlConversionFailure(..)
            | Error::IntegralValueOutOfRange(..)
            | Error::InvalidColumnType(..)
            | Error::Utf8Error(..)
    )
}

/// Converts an error of SQLite while a row was read. A value that is none of its column is damage,
/// and `what` names the row.
pub(crate) fn row_error(error: Error, what: impl FnOnce() -> String) -> HistoryError {
    if is_invalid_value(&error) { corrupt(what(), error) } else { sqlite_error(error) }
}

/// Names the session whose stored data is damaged, unless the fault has a session's name or is one
/// of the whole file.
pub(crate) fn in_session(error: HistoryError, session: Option<&SessionId>) -> HistoryError {
    match (error, session) {
        (HistoryError::Corrupt { what, source }, Some(session))
            if !source.as_ref().is_some_and(is_of_file) =>
        {
            let is_named = what.contains("session `");
            let what = if is_named { what } else { format!("session `{session}`: {what}") };
            HistoryError::Corrupt { what, source }
        }
        (error, _) => error,
    }
}

/// Returns whether SQLite itself has found the fault.
fn is_of_file(source: &BoxError) -> bool {
    let error = source.downcast_ref::<Error>();
    error.is_some_and(|error| {
        error.sqlite_error_code().is_some() || matches!(error, Error::SqlInputError { .. })
    })
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
