//! What Redis and its client report, as errors of a history.

use std::{error::Error, fmt};

use conversant_core::HistoryError;
use redis::{ErrorKind, RedisError as ClientError, ServerErrorKind};

/// What Redis reported, or its client: the source of a [`HistoryError`] of this crate.
///
/// It has the server's word for what is wrong. The rest of what the server says is left out, because it may quote what it was sent.
#[derive(Debug)]
#[non_exhaustive]
pub struct RedisError {
    message: String,
    code: Option<String>,
    /// The client's own error, if it is the connection that failed. It says what its source says.
    client: Option<ClientError>,
}

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
    /// Returns the server's word for what is wrong, such as `NOAUTH`, if it is the server that reports.
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
            let message = "the connection to Redis failed".to_owned();
            return Self { message, code: None, client: Some(error) };
        }
        match error.code() {
            Some(code) => Self {
                message: format!("Redis refuses ({code})"),
                code: Some(code.to_owned()),
                client: None,
            },
            None => Self::new(format!("the client of Redis failed ({})", error.category())),
        }
    }
}

/// How an attempt at an operation failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The connection broke, or the server is about to be there, and whether something was done is not known.
    Lost(RedisError),
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
        let kind = error.kind();
        let is_lost = error.is_io_error()
            || matches!(
                kind,
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                        | ServerErrorKind::TryAgain
                        | ServerErrorKind::MasterDown
                )
            );
        // Before version 7, what a command in a script reports is in the script's own report.
        let detail = error.detail().unwrap_or_default();
        let reports =
            |code: &str| error.code() == Some(code) || detail.contains(&format!("-{code} "));
        let meaning = if is_lost {
            None
        } else if reports("OOM") || reports("MISCONF") {
            Some(Meaning::Full)
        } else if reports("READONLY") || reports("NOPERM") {
            Some(Meaning::ReadOnly)
        } else if reports("CORRUPT") {
            Some(Meaning::Missing)
        } else if reports("WRONGTYPE") {
            Some(Meaning::Other)
        } else if reports("BUSY") {
            Some(Meaning::Busy)
        } else {
            Some(Meaning::Backend)
        };
        let error = RedisError::from(error);
        Self::Refused(match meaning {
            None => return Self::Lost(error),
            Some(Meaning::Full) => HistoryError::Full { source: error.into() },
            Some(Meaning::ReadOnly) => HistoryError::ReadOnly { source: Some(error.into()) },
            Some(Meaning::Missing) => HistoryError::Corrupt {
                what: "a part of what the session had is missing or can't be read".to_owned(),
                source: None,
            },
            Some(Meaning::Other) => HistoryError::Corrupt {
                what: "a key of the session holds something else".to_owned(),
                source: Some(error.into()),
            },
            Some(Meaning::Busy) => HistoryError::Busy,
            Some(Meaning::Backend) => backend(error),
        })
    }
}

/// What a refusal of the server's means for a history.
enum Meaning {
    Full,
    ReadOnly,
    /// By a script of ours.
    Missing,
    /// A key is of another kind.
    Other,
    Busy,
    Backend,
}

impl From<Failure> for HistoryError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Lost(error) => backend(error),
            Failure::Refused(error) => error,
        }
    }
}

pub(crate) fn backend(error: RedisError) -> HistoryError {
    HistoryError::Backend { source: error.into() }
}
