//! Errors of Redis and its client, as errors of a history.

use std::{error::Error, fmt};

use conversant_core::{HistoryError, TurnId};
use redis::{ErrorKind, RedisError as ClientError, ServerErrorKind};

/// An error of Redis or its client: the source of a [`HistoryError`] of this crate.
///
/// It has the server's error code. The rest of the server's message is left out, since it may quote
/// what it was sent.
#[non_exhaustive]
pub struct RedisError {
    message: String,
    code: Option<String>,
    /// The client's own error, if the connection failed. `source` is that error's source, since its
    /// own text repeats it.
    client: Option<ClientError>,
}

conversant_core::debug_as_report!(RedisError);

impl fmt::Display for RedisError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for RedisError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.client.as_ref().and_then(Error::source)
    }
}

impl RedisError {
    /// Returns the server's error code, such as `NOAUTH`, if the server reported the error.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), code: None, client: None }
    }
}

impl From<ClientError> for RedisError {
    fn from(error: ClientError) -> Self {
        if error.is_io_error() {
            let message = "cannot use the connection to Redis".to_owned();
            return Self { message, code: None, client: Some(error) };
        }
        match error.code() {
            Some(code) => {
                let has = |text: &str| error.detail().is_some_and(|detail| detail.contains(text));
                let fault = match code {
                    "NOPERM" => "the user does not have the right; allow it commands and scripts",
                    "ERR" if has("DB index") => "it does not have the database of the URL",
                    _ => "",
                };
                let separator = if fault.is_empty() { "" } else { ": " };
                Self {
                    message: format!(
                        "cannot run the command: Redis refused it ({code}){separator}{fault}"
                    ),
                    code: Some(code.to_owned()),
                    client: None,
                }
            }
            None => Self::new(format!("cannot use the connection to Redis ({})", error.category())),
        }
    }
}

/// A failed attempt at an operation.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It took no effect, because its deadline was over by the server's clock.
    Late { now_millis: i64 },
    /// The connection broke, or the server is starting or being replaced. If it was sent to a
    /// server that may have run it, its outcome is not known.
    Lost { was_sent: bool, error: RedisError },
    /// The server does not accept writes: it is a replica, or has become one.
    Demoted(RedisError),
    /// It was refused.
    Refused(HistoryError),
}

impl From<HistoryError> for Failure {
    fn from(error: HistoryError) -> Self {
        Self::Refused(error)
    }
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        if error.code() == Some("LATE") {
            let now_millis = error.detail().and_then(|now| now.trim().parse().ok());
            return Self::Late { now_millis: now_millis.unwrap_or(0) };
        }
        let kind = error.kind();
        let is_loading = kind == ErrorKind::Server(ServerErrorKind::BusyLoading);
        let was_sent = !error.is_connection_refusal() && !is_loading;
        // A connection that breaks within an answer is reported as an answer that cannot be parsed.
        let is_lost = error.is_io_error()
            || matches!(
                kind,
                ErrorKind::Parse
                    | ErrorKind::ClusterConnectionNotFound
                    | ErrorKind::MasterNameNotFoundBySentinel
                    | ErrorKind::NoValidReplicasFoundBySentinel
                    | ErrorKind::Server(
                        ServerErrorKind::BusyLoading
                            | ServerErrorKind::TryAgain
                            | ServerErrorKind::MasterDown
                            | ServerErrorKind::ClusterDown
                            | ServerErrorKind::Moved
                            | ServerErrorKind::Ask
                    )
            );
        // Before version 7, the error of a command in a script is within the script's own error.
        let detail = error.detail().unwrap_or_default();
        let reports =
            |code: &str| error.code() == Some(code) || detail.contains(&format!("-{code} "));
        if let Some(turn) = unknown_turn(&error) {
            return Self::Refused(HistoryError::UnknownTurn { turn });
        }
        let lacks = reports("CORRUPT");
        let is_full = reports("OOM") || reports("MISCONF");
        let (is_demoted, lacks_right) = (reports("READONLY"), reports("NOPERM"));
        let (is_other_kind, is_busy) = (reports("WRONGTYPE"), reports("BUSY"));
        let error = RedisError::from(error);
        Self::Refused(if is_lost {
            return Self::Lost { was_sent, error };
        } else if is_demoted {
            return Self::Demoted(error);
        } else if is_full {
            HistoryError::Full { source: error.into() }
        } else if lacks_right {
            HistoryError::ReadOnly { source: Some(error.into()) }
        } else if lacks {
            let what = "a part of the session is missing or cannot be decoded".to_owned();
            HistoryError::Corrupt { what, source: None }
        } else if is_other_kind {
            let what = "a key of the session has another type".to_owned();
            HistoryError::Corrupt { what, source: Some(error.into()) }
        } else if is_busy {
            HistoryError::Busy
        } else {
            backend(error)
        })
    }
}

/// Returns the turn that a script has not found: `UNKNOWN id`, within the script's own error.
fn unknown_turn(error: &ClientError) -> Option<TurnId> {
    let (_, id) = error.detail()?.split_once("-UNKNOWN ")?;
    id.split(' ').next()?.parse().ok()
}

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Late { .. } => backend(RedisError::new(
                "cannot keep the deadline: the clock of the server is not steady",
            )),
            Failure::Lost { error, .. } => backend(error),
            Failure::Demoted(error) => Self::ReadOnly { source: Some(error.into()) },
            Failure::Refused(error) => error,
        }
    }
}

pub(crate) fn backend(error: RedisError) -> HistoryError {
    HistoryError::Backend { source: error.into() }
}
