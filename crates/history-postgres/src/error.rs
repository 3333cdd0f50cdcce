//! What PostgreSQL and its client report, as errors of a history.

use std::{error::Error as _, io};

use conversant_core::HistoryError;
use deadpool_postgres::PoolError;
use tokio_postgres::error::SqlState;

/// What PostgreSQL reported, or its client: the source of a [`HistoryError`] of this crate.
///
/// It has the server's message and code. What may quote data, such as the detail and the context, is left out.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct PostgresError {
    message: String,
    code: Option<SqlState>,
    /// The client's own error, if it is not the server that reports.
    source: Option<tokio_postgres::Error>,
}

impl PostgresError {
    /// Returns the server's five characters for what is wrong (SQLSTATE), if it is the server that reports.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(SqlState::code)
    }

    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, source: None }
    }
}

impl From<tokio_postgres::Error> for PostgresError {
    fn from(error: tokio_postgres::Error) -> Self {
        if let Some(reported) = error.as_db_error() {
            let code = reported.code();
            let message = format!("{} (SQLSTATE {})", reported.message(), code.code());
            return Self { message, code: Some(code.clone()), source: None };
        }
        Self {
            message: "the client of PostgreSQL failed".to_owned(),
            code: None,
            source: Some(error),
        }
    }
}

/// How an attempt at an operation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing was done, because others did something at the same time.
    Conflict(PostgresError),
    /// The connection broke, and whether something was done is not known.
    Lost(PostgresError),
    /// It was refused.
    Refused(HistoryError),
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::Refused(error)
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let is_broken =
            error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>());
        let error = PostgresError::from(error);
        match error.code() {
            // Serialization failure, deadlock.
            Some("40001" | "40P01") => Self::Conflict(error),
            // Connection exception, shutdown by an administrator, crash, not yet up.
            Some(code) if code.starts_with("08") || code.starts_with("57P0") => Self::Lost(error),
            None if is_broken => Self::Lost(error),
            _ => Self::Refused(refusal(error)),
        }
    }
}

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict(_) => Self::Busy,
            Failure::Lost(error) => Self::Backend { source: error.into() },
            Failure::Refused(error) => error,
        }
    }
}

/// Tells what a refusal of the server's means for a history.
fn refusal(error: PostgresError) -> HistoryError {
    match error.code() {
        Some("53100") => HistoryError::Full { source: error.into() },
        // A read-only transaction, a missing privilege.
        Some("25006" | "42501") => HistoryError::ReadOnly { source: Some(error.into()) },
        Some("XX001" | "XX002") => HistoryError::Corrupt {
            what: "the database reports damage".to_owned(),
            source: Some(error.into()),
        },
        // A lock that was not to be had in the time that the server's settings give.
        Some("55P03") => HistoryError::Busy,
        _ => backend(error),
    }
}

pub(crate) fn backend(error: PostgresError) -> HistoryError {
    HistoryError::Backend { source: error.into() }
}

/// Tells what it means that there is no connection to be had.
pub(crate) fn no_connection(error: PoolError) -> HistoryError {
    match error {
        PoolError::Backend(error) => match Failure::from(error) {
            Failure::Conflict(error) | Failure::Lost(error) => backend(error),
            Failure::Refused(error) => error,
        },
        PoolError::Timeout(_) => {
            backend(PostgresError::new("no connection was free in the time to wait for one"))
        }
        _ => backend(PostgresError::new("the pool of connections is closed")),
    }
}
