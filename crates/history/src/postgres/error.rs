//! Errors of PostgreSQL and its client.

use std::{error::Error as _, io};

use deadpool_postgres::{HookError, PoolError, TimeoutType};
use tokio_postgres::error::SqlState;

/// An error of PostgreSQL or its client: the source of the error of a store.
///
/// It has the server's message and code. The detail and the context are left out, since they may
/// quote data.
#[derive(thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct PostgresError {
    message: String,
    code: Option<SqlState>,
    /// The client's own error, if the server did not report one.
    source: Option<tokio_postgres::Error>,
}

conversant_core::debug_as_report!(PostgresError);

impl PostgresError {
    /// Creates an error that the server did not report.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, source: None }
    }

    /// Returns the server's SQLSTATE code, if the server reported the error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(SqlState::code)
    }

    /// Returns whether the connection broke: the outcome of its statement is not known.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self.code() {
            // Connection exception, shutdown by an administrator, crash, not yet up.
            Some(code) => code.starts_with("08") || code.starts_with("57P0"),
            None => self.source.as_ref().is_some_and(|error| {
                error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>())
            }),
        }
    }

    /// Returns whether the statement took no effect because it conflicted with another one: a
    /// serialization failure or a deadlock.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self.code(), Some("40001" | "40P01"))
    }
}

impl From<PoolError> for PostgresError {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) => {
                error.into()
            }
            PoolError::Timeout(TimeoutType::Wait) => {
                Self::new("cannot get a connection in time: all are in use")
            }
            PoolError::Timeout(_) | PoolError::PostCreateHook(_) => {
                Self::new("cannot connect: the server did not accept a connection in time")
            }
            _ => Self::new("cannot get a connection: the pool is closed"),
        }
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
            message: "cannot use the connection to PostgreSQL".to_owned(),
            code: None,
            source: Some(error),
        }
    }
}
