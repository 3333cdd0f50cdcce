//! Errors of PostgreSQL and its client, as errors of a history.

use std::time::Duration;

use conversant_core::{HistoryError, TextFault};
use conversant_history::postgres::PostgresError;
use deadpool_postgres::{HookError, PoolError};

/// The SQLSTATE with which a function of this crate refuses a write after its deadline. Its message
/// is the server's time in milliseconds.
const LATE: &str = "CV001";

/// The SQLSTATE with which a function of this crate refuses to write to a damaged session. Its
/// message names the damage.
const DAMAGED: &str = "CV002";

/// The SQLSTATE with which a function of this crate reports a turn that a session does not have.
/// Its message is the turn's id.
const UNKNOWN_TURN: &str = "CV003";

/// The SQLSTATE with which a function of this crate refuses a turn whose id is stored with other
/// bytes. Its message is the turn's id.
const REPEATED: &str = "CV004";

/// The SQLSTATE with which a function of this crate refuses to delete sessions by a word that the
/// search passes over, as a whole or in part.
const PASSED_OVER: &str = "CV005";

/// A failed attempt at an operation.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It took no effect, because another operation conflicted with it.
    Conflict,
    /// It took no effect, because its deadline was over by the server's clock.
    Late { now_millis: i64 },
    /// The connection broke, and its outcome is not known.
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
        if let Some(reported) = error.as_db_error() {
            let message = reported.message();
            match reported.code().code() {
                LATE => return Self::Late { now_millis: message.parse().unwrap_or(0) },
                DAMAGED => {
                    let what = message.to_owned();
                    return Self::Refused(HistoryError::Corrupt { what, source: None });
                }
                UNKNOWN_TURN => {
                    if let Ok(turn) = message.parse() {
                        return Self::Refused(HistoryError::UnknownTurn { turn });
                    }
                }
                REPEATED => {
                    if let Ok(turn) = message.parse() {
                        let error = HistoryError::TurnIdInUse { turn, incomplete: false };
                        return Self::Refused(error);
                    }
                }
                PASSED_OVER => {
                    let (what, fault) = ("text to search for", TextFault::PassedOver);
                    return Self::Refused(HistoryError::InvalidText { what, fault });
                }
                _ => {}
            }
        }
        let error = PostgresError::from(error);
        if error.is_conflict() {
            Self::Conflict
        } else if error.is_lost() {
            Self::Lost(error)
        } else {
            Self::Refused(refusal(error))
        }
    }
}

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Conflict => Self::Busy,
            Failure::Late { .. } => backend(PostgresError::new(
                "cannot keep the deadline: the clock of the server is not steady",
            )),
            Failure::Lost(error) => Self::Backend { source: error.into() },
            Failure::Refused(error) => error,
        }
    }
}

/// Returns the history's error for a refusal by the server.
fn refusal(error: PostgresError) -> HistoryError {
    match error.code() {
        Some("53100") => HistoryError::Full { source: error.into() },
        // Read-only transaction, missing privilege.
        Some("25006" | "42501") => HistoryError::ReadOnly { source: Some(error.into()) },
        Some("XX001" | "XX002") => HistoryError::Corrupt {
            what: "the database reports that its data is damaged".to_owned(),
            source: Some(error.into()),
        },
        // Missing table, column, type or function; a value that is missing, repeated or without its
        // row.
        Some("42P01" | "42703" | "42704" | "42883" | "23502" | "23503" | "23505") => {
            HistoryError::Corrupt {
                what: "the tables do not have the expected form".to_owned(),
                source: Some(error.into()),
            }
        }
        // Lock not available within the server's `lock_timeout`.
        Some("55P03") => HistoryError::Busy,
        _ => backend(error),
    }
}

pub(crate) fn backend(error: PostgresError) -> HistoryError {
    HistoryError::Backend { source: error.into() }
}

/// Returns the failure of a pool that has no connection to offer. `limit` is the time for which it
/// waited for a free one.
pub(crate) fn no_connection(error: PoolError, limit: Duration) -> Failure {
    if let PoolError::Backend(error) | PoolError::PostCreateHook(HookError::Backend(error)) = error
    {
        return Failure::from(error);
    }
    match PostgresError::from(error) {
        error if error.is_exhausted() => HistoryError::TimedOut { limit }.into(),
        // Nothing was sent.
        error if error.is_lost() => Failure::Lost(error),
        error => backend(error).into(),
    }
}
