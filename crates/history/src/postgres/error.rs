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
    /// The fault of the pool, if it had no connection to offer.
    pool: Option<PoolFault>,
    /// The client's own error, if the server did not report one.
    source: Option<tokio_postgres::Error>,
}

conversant_core::debug_as_report!(PostgresError);

/// Why a pool has no connection to offer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PoolFault {
    /// All are in use.
    Exhausted,
    /// The server did not answer in time.
    Silent,
}

impl PostgresError {
    /// Creates an error that the server did not report.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, pool: None, source: None }
    }

    /// Returns the server's SQLSTATE code, if the server reported the error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_ref().map(SqlState::code)
    }

    /// Returns whether the connection broke, so that the outcome of its statement is not known, or
    /// none could be made.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        match self.code() {
            // Connection exception, shutdown by an administrator, crash, not yet up.
            Some(code) => code.starts_with("08") || code.starts_with("57P0"),
            None if self.pool == Some(PoolFault::Silent) => true,
            None => self.source.as_ref().is_some_and(|error| {
                error.is_closed() || error.source().is_some_and(|source| source.is::<io::Error>())
            }),
        }
    }

    /// Returns whether all connections of the pool were in use for the whole time to wait for one.
    #[must_use]
    pub fn is_exhausted(&self) -> bool {
        self.pool == Some(PoolFault::Exhausted)
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
                let message = "cannot get a connection in time: all are in use";
                Self { pool: Some(PoolFault::Exhausted), ..Self::new(message) }
            }
            PoolError::Timeout(_) | PoolError::PostCreateHook(_) => {
                let message = "cannot connect: the server did not accept a connection in time";
                Self { pool: Some(PoolFault::Silent), ..Self::new(message) }
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
            return Self { code: Some(code.clone()), ..Self::new(message) };
        }
        Self { source: Some(error), ..Self::new("cannot use the connection to PostgreSQL") }
    }
}
