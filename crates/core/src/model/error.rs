//! What can go wrong in a call of a model.

use std::{fmt, time::Duration};

use crate::{BoxError, FinishReason, Withheld};

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

/// Writes a time to the hundredth of a second: a limit is told as it was meant, not as it was measured.
fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100.0).round() / 100.0
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

/// What kind of error a server answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusKind {
    /// The request is wrong (400).
    BadRequest,
    /// The key is wrong or missing (401).
    Auth,
    /// The key may not do this (403).
    Permission,
    /// There is no such model or path (404).
    NotFound,
    /// The request conflicts with another (409).
    Conflict,
    /// The server gave up waiting for the request (408).
    RequestTimeout,
    /// The request is too large (413).
    TooLarge,
    /// The request can't be processed (422).
    Unprocessable,
    /// Too many requests (429).
    RateLimit,
    /// The account has nothing left to spend (429 with `insufficient_quota`).
    QuotaExhausted,
    /// The server is overloaded (503, 529).
    Overloaded,
    /// The server failed (other 5xx).
    Server,
    /// Another status.
    Other,
}

impl StatusKind {
    /// Returns whether the same call may succeed later.
    #[must_use]
    pub const fn is_retryable(self) -> bool {
        matches!(
            self,
            Self::Conflict
                | Self::RequestTimeout
                | Self::RateLimit
                | Self::Overloaded
                | Self::Server
        )
    }

    const fn describe(self) -> &'static str {
        match self {
            Self::BadRequest => "the request is wrong",
            Self::Auth => "the API key is wrong or missing",
            Self::Permission => "the API key may not do this",
            Self::NotFound => "there is no such model or path",
            Self::Conflict => "the request conflicts with another",
            Self::RequestTimeout => "the server gave up waiting for the request",
            Self::TooLarge => "the request is too large",
            Self::Unprocessable => "the request can't be processed",
            Self::RateLimit => "too many requests",
            Self::QuotaExhausted => "the account has nothing left to spend",
            Self::Overloaded => "the server is overloaded",
            Self::Server => "the server failed",
            Self::Other => "the request was not accepted",
        }
    }
}

/// What a server says of an error.
///
/// `Display` is its kind and code. The server's own message is [`Withheld`]: servers echo prompts in it. Keys are masked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ApiError {
    /// What kind of error it is.
    pub kind: StatusKind,
    /// The server's code, such as `context_length_exceeded`.
    pub code: Option<String>,
    /// The server's type, such as `invalid_request_error`.
    pub error_type: Option<String>,
    /// The parameter that it is about.
    pub param: Option<String>,
    /// The server's message.
    pub message: Withheld,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
    /// The body, up to 8 KiB.
    pub body: Withheld,
}

impl ApiError {
    /// Creates an error of a kind, of which nothing more is known.
    #[must_use]
    pub fn new(kind: StatusKind) -> Self {
        Self {
            kind,
            code: None,
            error_type: None,
            param: None,
            message: Withheld::default(),
            request_id: None,
            retry_after: None,
            body: Withheld::default(),
        }
    }

    /// Returns whether the prompt was too long for the model: OpenAI's code for it, and llama.cpp's type.
    #[must_use]
    pub fn is_context_length(&self) -> bool {
        self.code.as_deref() == Some("context_length_exceeded")
            || self.error_type.as_deref() == Some("exceed_context_size_error")
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_context_length() {
            true => "the prompt is too long for the model",
            false => self.kind.describe(),
        })?;
        // A number is the status once more, with llama.cpp.
        let says = |name: &&str| !name.bytes().all(|byte| byte.is_ascii_digit());
        let names = [self.code.as_deref(), self.error_type.as_deref()];
        if let Some(code) = names.into_iter().flatten().find(says) {
            write!(f, " (`{code}`)")?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", retry after {} s", seconds(wait))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request id `{id}`")?;
        }
        Ok(())
    }
}

/// What is wrong with an answer that can't be read, and what there is of it.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct DecodeError {
    /// What is wrong and where, without anything that was said.
    pub what: String,
    /// The content type that the server gave it.
    pub content_type: Option<String>,
    /// The body, up to 8 KiB.
    pub body: Withheld,
    /// The cause, if there is one.
    pub source: Option<BoxError>,
}

impl DecodeError {
    /// Creates it.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), content_type: None, body: Withheld::default(), source: None }
    }

    /// Sets the content type.
    #[must_use]
    pub fn with_content_type(mut self, content_type: impl Into<Option<String>>) -> Self {
        self.content_type = content_type.into();
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn with_body(mut self, body: impl Into<Withheld>) -> Self {
        self.body = body.into();
        self
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
