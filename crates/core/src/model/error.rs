//! Errors of a call of a model.

use std::{fmt, time::Duration};

use super::{
    api_error::{ApiError, StatusKind, seconds},
    decode_error::DecodeError,
    finish_reason::FinishReason,
};
use crate::{
    box_error::BoxError, messages::Messages, status_text::status_text, withheld::Withheld,
};

/// An error of a call of a model. Each variant corresponds to an action of the caller;
/// [`is_retryable`](Self::is_retryable) returns whether the same call may succeed later. Adapters
/// return it after their configured retries.
///
/// No error text contains a key, a header value or conversation text. Text from the server is in
/// [`Withheld`] fields.
/// # Examples
///
/// ```
/// use conversant_core::ModelError;
///
/// fn advice(error: &ModelError) -> &'static str {
///     match error {
///         ModelError::Config { .. } => "mend the settings",
///         error if error.is_context_length() => "shorten the prompt",
///         ModelError::Refused { .. } => "ask for something else",
///         error if error.is_retryable() => "try again later",
///         _ => "report it",
///     }
/// }
/// assert_eq!(advice(&ModelError::config("missing API key")), "mend the settings");
/// ```
#[derive(thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The adapter's settings are invalid. No request was sent.
    #[error("{what}")]
    Config {
        /// The fault, and how to mend it.
        what: String,
    },
    /// No connection could be made.
    #[error("cannot connect to the model's server `{server}`")]
    Connect {
        /// The server, as `host:port`.
        server: String,
        /// The cause.
        source: BoxError,
    },
    /// The server's name could not be resolved.
    #[error("cannot resolve the name of the model's server `{server}`")]
    Dns {
        /// The server, as `host:port`.
        server: String,
        /// The cause.
        source: BoxError,
    },
    /// The server's certificate could not be verified, or it does not speak TLS.
    #[error("cannot establish a TLS connection to the model's server `{server}`")]
    Tls {
        /// The server, as `host:port`.
        server: String,
        /// The cause.
        source: BoxError,
    },
    /// A time limit was reached.
    #[error("cannot get an answer: {}", limit_reached(*phase, *after))]
    Timeout {
        /// The phase of the call that reached its limit.
        phase: TimeoutPhase,
        /// The limit: zero if the call's deadline had passed before.
        after: Duration,
    },
    /// The connection failed in the middle of a call.
    #[error("cannot get an answer: the connection to the model's server failed while {phase}")]
    Transport {
        /// The phase in which the connection failed.
        phase: TransportPhase,
        /// The cause.
        source: BoxError,
    },
    /// The server answered with a redirect. Redirects are not followed, since they would send the
    /// prompt and the key to another server.
    #[error(
        "cannot follow a redirect (status {status}) to `{origin}`; set the base URL to where it should go"
    )]
    Redirect {
        /// The HTTP status.
        status: u16,
        /// The target: scheme and host, without path or query.
        origin: String,
    },
    /// The server answered with an error status.
    #[error("cannot get an answer: the model's server answered with status {status}: {error}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The server's error.
        error: Box<ApiError>,
    },
    /// The server answered with a success status and an error in the body.
    #[error("cannot get an answer: the model's server answered with an error: {error}")]
    ApiErrorInBody {
        /// The server's error.
        error: Box<ApiError>,
    },
    /// The answer cannot be decoded.
    #[error("cannot decode the model's answer: {0}")]
    Decode(Box<DecodeError>),
    /// The answer has neither text nor tool calls.
    #[error("cannot use the model's answer: it is empty{}", reason(finish_reason.as_ref()))]
    EmptyAnswer {
        /// The finish reason, if the server sent one.
        finish_reason: Option<FinishReason>,
    },
    /// The answer was cut off, and the adapter is set to accept complete answers only.
    #[error("cannot use the model's answer: it is incomplete ({finish_reason})")]
    Incomplete {
        /// The finish reason.
        finish_reason: FinishReason,
        /// The text that was received.
        partial: PartialReply,
    },
    /// The model refused to answer.
    #[error("cannot get an answer: the model refused")]
    Refused {
        /// The model's explanation.
        text: Withheld,
    },
    /// The answer is larger than the limit.
    #[error(
        "cannot read the model's answer: {what} is larger than {limit} bytes{}",
        remedy(*hint)
    )]
    BodyTooLarge {
        /// The part that is too large: the body, an event of a stream, or the headers.
        what: &'static str,
        /// The limit, in bytes.
        limit: u64,
        /// The remedy, if the adapter knows one.
        hint: Option<&'static str>,
    },
    /// A stream ended before the answer was complete. The part that was received is not an answer.
    #[error("cannot read the whole answer: the stream was cut off")]
    StreamTruncated {
        /// The part that was received.
        partial: PartialReply,
        /// The cause, if the stream ended with an error.
        source: Option<BoxError>,
    },
    /// The server reported an error in a stream.
    #[error("cannot read the whole answer: the server failed: {error}")]
    Stream {
        /// The server's error.
        error: Box<ApiError>,
        /// The part that was received.
        partial: PartialReply,
    },
    /// The prompt is too long for the context of a model that runs in the process.
    #[error(
        "cannot send a prompt of {tokens} tokens: the model takes at most {limit}; shorten the conversation, or enlarge the context"
    )]
    PromptTooLong {
        /// The number of tokens of the prompt, or a lower bound of it.
        tokens: u64,
        /// The largest number of tokens that the model accepts.
        limit: u64,
    },
    /// A tool loop failed after tools had run. Its other properties are those of the source.
    #[error("cannot go on after {rounds} rounds of tool calls")]
    AfterTools {
        /// The number of rounds whose tools have run.
        rounds: usize,
        /// The calls and the results of these rounds. A request that has them after its messages
        /// goes on where the loop failed, and does not run the tools again.
        messages: Messages,
        /// The error.
        source: Box<Self>,
    },
    /// The caller cancelled the call.
    #[error("cannot get an answer: the call was cancelled")]
    Cancelled,
    /// An error of a custom model.
    #[error("cannot get an answer: {what}")]
    Custom {
        /// The fault, without conversation text.
        what: String,
        /// Whether the same call may succeed later.
        retryable: bool,
        /// The cause, if there is one.
        source: Option<BoxError>,
    },
}

impl ModelError {
    /// Creates the error of invalid settings.
    #[must_use]
    pub fn config(what: impl Into<String>) -> Self {
        Self::Config { what: what.into() }
    }

    /// Creates an error of a custom model.
    #[must_use]
    pub fn custom(
        what: impl Into<String>,
        retryable: bool,
        source: impl Into<Option<BoxError>>,
    ) -> Self {
        Self::Custom { what: what.into(), retryable, source: source.into() }
    }

    /// Creates the error of a stream that was cut off.
    #[must_use]
    pub const fn truncated(partial: PartialReply) -> Self {
        Self::StreamTruncated { partial, source: None }
    }

    /// Returns whether the same call may succeed later. An error that a stream ended with counts by
    /// its kind, and may be retried if that is not known; a prompt that is too long stays so.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{ApiError, ModelError, StatusKind};
    ///
    /// let status = |status, kind| ModelError::Status { status, error: ApiError::new(kind).into() };
    /// assert!(status(429, StatusKind::RateLimit).is_retryable());
    /// assert!(!status(429, StatusKind::QuotaExhausted).is_retryable());
    /// ```
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Dns { .. }
            | Self::Transport { .. }
            | Self::Timeout { .. }
            | Self::StreamTruncated { .. } => true,
            Self::Status { error, .. } | Self::ApiErrorInBody { error } => error.is_retryable(),
            Self::Stream { error, .. } => {
                error.is_retryable()
                    || error.kind == StatusKind::Other && !error.is_context_length()
            }
            Self::Custom { retryable, .. } => *retryable,
            Self::AfterTools { source, .. } => source.is_retryable(),
            Self::Config { .. }
            | Self::Tls { .. }
            | Self::Redirect { .. }
            | Self::Decode(_)
            | Self::EmptyAnswer { .. }
            | Self::Incomplete { .. }
            | Self::Refused { .. }
            | Self::BodyTooLarge { .. }
            | Self::PromptTooLong { .. }
            | Self::Cancelled => false,
        }
    }

    /// Returns whether the prompt was too long for the model.
    #[must_use]
    pub fn is_context_length(&self) -> bool {
        matches!(self.without_exchange(), Self::PromptTooLong { .. })
            || self.api_error().is_some_and(ApiError::is_context_length)
    }

    /// Returns whether the call's deadline passed, or the limit of its whole time.
    #[must_use]
    pub fn is_deadline(&self) -> bool {
        matches!(self.without_exchange(), Self::Timeout { phase: TimeoutPhase::Total, .. })
    }

    /// Returns the class of the error, for metrics and fields of `tracing`: the HTTP status, or a
    /// name such as `timeout`.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{ApiError, ModelError, StatusKind};
    ///
    /// assert_eq!(ModelError::Cancelled.class(), "cancelled");
    /// let error = ApiError::new(StatusKind::Overloaded).into();
    /// let overloaded = ModelError::Status { status: 529, error };
    /// assert_eq!(overloaded.class(), "529");
    /// ```
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::Status { status, .. } | Self::Redirect { status, .. } => status_text(*status),
            Self::Config { .. } => "config",
            Self::Connect { .. } => "connect",
            Self::Dns { .. } => "dns",
            Self::Tls { .. } => "tls",
            Self::Timeout { .. } => "timeout",
            Self::Transport { .. } => "transport",
            Self::ApiErrorInBody { .. } | Self::Stream { .. } => "api_error",
            Self::Decode(_) => "decode",
            Self::EmptyAnswer { .. } => "empty_answer",
            Self::Incomplete { .. } => "incomplete",
            Self::Refused { .. } => "refused",
            Self::BodyTooLarge { .. } => "too_large",
            Self::PromptTooLong { .. } => "prompt_too_long",
            Self::StreamTruncated { .. } => "truncated",
            Self::Cancelled => "cancelled",
            Self::AfterTools { source, .. } => source.class(),
            Self::Custom { .. } => "custom",
        }
    }

    /// Returns the server's error, if there is one.
    #[must_use]
    pub fn api_error(&self) -> Option<&ApiError> {
        match self {
            Self::Status { error, .. }
            | Self::ApiErrorInBody { error }
            | Self::Stream { error, .. } => Some(error),
            Self::AfterTools { source, .. } => source.api_error(),
            _ => None,
        }
    }

    /// Returns the tool calls and results of the rounds before a tool loop failed, if there are
    /// any.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{ChatModel, ChatRequest, ModelError, Reply};
    ///
    /// /// Goes on where a tool loop failed, so that no tool runs twice.
    /// async fn go_on(
    ///     model: &dyn ChatModel,
    ///     mut request: ChatRequest,
    ///     error: &ModelError,
    /// ) -> Result<Reply, ModelError> {
    ///     if let Some(exchange) = error.exchange() {
    ///         request.messages.append(exchange);
    ///     }
    ///     model.generate(&request).await
    /// }
    /// # let _ = go_on;
    /// ```
    #[must_use]
    pub const fn exchange(&self) -> Option<&Messages> {
        match self {
            Self::AfterTools { messages, .. } => Some(messages),
            _ => None,
        }
    }

    /// Adds rounds of tool calls that had ended before the error: their calls and results. Without
    /// any, the error stays as it is.
    #[must_use]
    pub fn after_tools(self, before: &Messages) -> Self {
        if before.is_empty() {
            return self;
        }
        let mut messages = before.clone();
        let source = match self {
            Self::AfterTools { messages: own, source, .. } => {
                messages.append(&own);
                source
            }
            error => Box::new(error),
        };
        let rounds = messages.iter().filter(|message| message.tool_call_id().is_none()).count();
        Self::AfterTools { rounds, messages, source }
    }

    /// Returns the error itself, or that of the round in which a tool loop failed.
    #[must_use]
    pub fn without_exchange(&self) -> &Self {
        match self {
            Self::AfterTools { source, .. } => source.without_exchange(),
            error => error,
        }
    }

    /// Returns the part of the answer that was received, if there is one.
    #[must_use]
    pub fn partial(&self) -> Option<&PartialReply> {
        match self {
            Self::StreamTruncated { partial, .. }
            | Self::Stream { partial, .. }
            | Self::Incomplete { partial, .. } => Some(partial),
            Self::AfterTools { source, .. } => source.partial(),
            _ => None,
        }
    }
}

fn limit_reached(phase: TimeoutPhase, after: Duration) -> String {
    if after.is_zero() {
        return "the call's deadline passed before it began".to_owned();
    }
    format!("the model's server took longer than {} s {phase}", seconds(after))
}

fn reason(reason: Option<&FinishReason>) -> String {
    reason.map_or_else(String::new, |reason| format!(" (it ended with `{reason}`)"))
}

fn remedy(hint: Option<&'static str>) -> String {
    hint.map_or_else(String::new, |hint| format!("; {hint}"))
}

/// The phase of the call that reached its limit.
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

/// The phase of a call in which the connection failed.
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

/// The part of an answer that was received before it was cut off. It is not an answer; `Debug`
/// withholds it.
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

crate::debug_as_report!(ModelError);
