//! What can go wrong in a call of a model.

use std::{fmt, time::Duration};

use super::{
    api_error::{ApiError, seconds},
    decode_error::DecodeError,
    reply::FinishReason,
};
use crate::{BoxError, withheld::Withheld};

/// A call of a model that failed. The kinds say what a caller can do; [`is_retryable`](Self::is_retryable) says whether the same call
/// may succeed later. Adapters have then retried already, as often as they were told to.
///
/// No message holds a key, a header's value or anything that was said; what a server sent is in [`Withheld`] fields.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The adapter's settings can't work. Nothing was sent.
    #[error("{what}")]
    Config {
        /// What is wrong, and how to mend it.
        what: String,
    },
    /// No connection could be made.
    #[error("can't connect to the model's server")]
    Connect {
        /// The cause.
        source: BoxError,
    },
    /// The server's name could not be resolved.
    #[error("can't find the model's server by its name")]
    Dns {
        /// The cause.
        source: BoxError,
    },
    /// The server's identity could not be verified, or it speaks no TLS.
    #[error("can't establish a secure connection to the model's server")]
    Tls {
        /// The cause.
        source: BoxError,
    },
    /// A time limit was reached.
    #[error("the model's server took longer than {} s {phase}", seconds(*after))]
    Timeout {
        /// What took too long.
        phase: TimeoutPhase,
        /// The limit.
        after: Duration,
    },
    /// The connection failed in the middle of a call.
    #[error("the connection to the model's server failed while {phase}")]
    Transport {
        /// What was being done.
        phase: TransportPhase,
        /// The cause.
        source: BoxError,
    },
    /// The server answered with a redirect, which is never followed: it would take the prompt and the key elsewhere.
    #[error(
        "the model's server redirects (status {status}) to `{origin}`, which is not followed; set the base URL to where it should go"
    )]
    Redirect {
        /// The HTTP status.
        status: u16,
        /// Where to: scheme and host, without path or query.
        origin: String,
    },
    /// The server answered with an error status.
    #[error("the model's server answered with status {status}: {error}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// What the server says of it.
        error: Box<ApiError>,
    },
    /// The server answered with a status of success, and its body is an error.
    #[error("the model's server answered with an error: {error}")]
    ApiErrorInBody {
        /// What the server says of it.
        error: Box<ApiError>,
    },
    /// The answer can't be read.
    #[error("the model's answer can't be read: {0}")]
    Decode(Box<DecodeError>),
    /// The answer is empty: neither text nor tool calls.
    #[error("the model's answer is empty{}", reason(finish_reason.as_ref()))]
    EmptyAnswer {
        /// Why the model ended, if it says.
        finish_reason: Option<FinishReason>,
    },
    /// The answer is cut off, and only complete ones are wanted.
    #[error("the model's answer is incomplete ({finish_reason})")]
    Incomplete {
        /// Why the model ended.
        finish_reason: FinishReason,
        /// What it had said.
        partial: PartialReply,
    },
    /// The model refuses to answer.
    #[error("the model refused to answer")]
    Refused {
        /// What it says.
        text: Withheld,
    },
    /// The answer is larger than the limit.
    #[error("the model's answer is larger than {limit} bytes ({what})")]
    BodyTooLarge {
        /// What is too large: the body, an event of a stream, the headers.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A stream ended before the answer did. What had come is no answer.
    #[error("the model's answer was cut off in mid-stream")]
    StreamTruncated {
        /// What had come.
        partial: PartialReply,
        /// The cause, if there is one beside the end itself.
        source: Option<BoxError>,
    },
    /// A stream said that it failed.
    #[error("the model's server failed in mid-stream: {error}")]
    Stream {
        /// What the server says of it.
        error: Box<ApiError>,
        /// What had come.
        partial: PartialReply,
    },
    /// The call was given up by whoever made it.
    #[error("the call of the model was cancelled")]
    Cancelled,
    /// A model of another kind failed: for models of one's own.
    #[error("the model failed: {what}")]
    Custom {
        /// What went wrong, without what was said.
        what: String,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// The cause, if there is one.
        source: Option<BoxError>,
    },
}

impl ModelError {
    /// Creates the error of settings that can't work.
    #[must_use]
    pub fn config(what: impl Into<String>) -> Self {
        Self::Config { what: what.into() }
    }

    /// Creates the error of a model of one's own.
    #[must_use]
    pub fn custom(
        what: impl Into<String>,
        retryable: bool,
        source: impl Into<Option<BoxError>>,
    ) -> Self {
        Self::Custom { what: what.into(), retryable, source: source.into() }
    }

    /// Creates the error of a stream that ended without its end.
    #[must_use]
    pub const fn truncated(partial: PartialReply) -> Self {
        Self::StreamTruncated { partial, source: None }
    }

    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Dns { .. }
            | Self::Transport { .. }
            | Self::Timeout { .. }
            | Self::StreamTruncated { .. }
            | Self::Stream { .. } => true,
            Self::Status { error, .. } | Self::ApiErrorInBody { error } => {
                error.kind.is_retryable()
            }
            Self::Custom { retryable, .. } => *retryable,
            Self::Config { .. }
            | Self::Tls { .. }
            | Self::Redirect { .. }
            | Self::Decode(_)
            | Self::EmptyAnswer { .. }
            | Self::Incomplete { .. }
            | Self::Refused { .. }
            | Self::BodyTooLarge { .. }
            | Self::Cancelled => false,
        }
    }

    /// Returns whether the prompt was too long for the model.
    #[must_use]
    pub fn is_context_length(&self) -> bool {
        self.api_error().is_some_and(ApiError::is_context_length)
    }

    /// Returns what the server says of it, if it says something.
    #[must_use]
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::Status { error, .. }
            | Self::ApiErrorInBody { error }
            | Self::Stream { error, .. } => Some(error),
            _ => None,
        }
    }

    /// Returns the part of an answer that had come, if one had.
    #[must_use]
    pub fn partial(&self) -> Option<&PartialReply> {
        match self {
            Self::StreamTruncated { partial, .. }
            | Self::Stream { partial, .. }
            | Self::Incomplete { partial, .. } => Some(partial),
            _ => None,
        }
    }
}

fn reason(reason: Option<&FinishReason>) -> String {
    reason.map_or_else(String::new, |reason| format!(" (it ended with `{reason}`)"))
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TimeoutPhase {
    /// Making the connection.
    Connect,
    /// Waiting for the head of the response.
    Headers,
    /// Waiting for more of the response.
    Idle,
    /// The whole call, retries included.
    Total,
}

impl fmt::Display for TimeoutPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "to accept a connection",
            Self::Headers => "to begin its answer",
            Self::Idle => "to send more of its answer",
            Self::Total => "in all",
        })
    }
}

/// What was being done when a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TransportPhase {
    /// Sending the request.
    Send,
    /// Reading the head of the response.
    Headers,
    /// Reading the body.
    Body,
}

impl fmt::Display for TransportPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Send => "sending the request",
            Self::Headers => "waiting for the answer",
            Self::Body => "reading the answer",
        })
    }
}

impl From<DecodeError> for ModelError {
    fn from(error: DecodeError) -> Self {
        Self::Decode(Box::new(error))
    }
}

/// The part of an answer that had come when it was cut off. It is no answer; `Debug` withholds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartialReply {
    /// The text.
    pub text: Withheld,
}

impl PartialReply {
    /// Creates it.
    #[must_use]
    pub fn new(text: impl Into<Withheld>) -> Self {
        Self { text: text.into() }
    }
}
