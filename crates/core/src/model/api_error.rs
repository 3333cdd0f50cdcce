//! Errors that a server answers with.

use std::{fmt, time::Duration};

use crate::{shortened::shown_name, tool_call::ShownName, withheld::Withheld};

/// The kind of an error that a server answered with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusKind {
    /// The request is invalid (400).
    BadRequest,
    /// The key is wrong or missing (401).
    Auth,
    /// The key may not do this (403).
    Permission,
    /// The model or the path does not exist (404).
    NotFound,
    /// The request conflicts with another (409).
    Conflict,
    /// The server timed out while it waited for the request (408).
    RequestTimeout,
    /// The request is too large (413).
    TooLarge,
    /// The request cannot be processed (422).
    Unprocessable,
    /// Too many requests (429).
    RateLimit,
    /// The account's quota or its money is used up (402, or 429 with a code or type such as
    /// `insufficient_quota`).
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
            Self::BadRequest => "the request is invalid",
            Self::Auth => "the API key is wrong or missing",
            Self::Permission => "the API key may not do this",
            Self::NotFound => "the model or the path does not exist",
            Self::Conflict => "the request conflicts with another",
            Self::RequestTimeout => "the server timed out while it waited for the request",
            Self::TooLarge => "the request is too large",
            Self::Unprocessable => "the request cannot be processed",
            Self::RateLimit => "too many requests",
            Self::QuotaExhausted => "the account's quota is exhausted",
            Self::Overloaded => "the server is overloaded",
            Self::Server => "the server failed",
            Self::Other => "the request was not accepted",
        }
    }
}

/// An error that a server reports.
///
/// `Display` shows its kind, its code and the request's id, and `Debug` all of its names, as
/// [`shown_name`](crate::shown_name) does: of a text that is not a word, the size. The server's
/// message is [`Withheld`], since servers quote prompts in it. Keys are masked.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct ApiError {
    /// The kind of the error.
    pub kind: StatusKind,
    /// The server's code, such as `context_length_exceeded`.
    pub code: Option<String>,
    /// The server's type, such as `invalid_request_error`.
    pub error_type: Option<String>,
    /// The parameter that the error refers to.
    pub param: Option<String>,
    /// The server's message.
    pub message: Withheld,
    /// The server's id of the request.
    pub request_id: Option<String>,
    /// The time that the server asks to wait.
    pub retry_after: Option<Duration>,
    /// Whether the prompt was too long for the model.
    pub context_length: bool,
    /// The body, up to 8 KiB.
    pub body: Withheld,
    /// The remedy, if the adapter knows one.
    pub hint: Option<&'static str>,
}

impl ApiError {
    /// Creates an error from its kind alone.
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
            context_length: false,
            body: Withheld::default(),
            hint: None,
        }
    }

    /// Returns whether the same call may succeed later: by its kind, unless the prompt is too long.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind.is_retryable() && !self.is_context_length()
    }

    /// Returns whether the prompt was too long for the model, by [`context_length`] or by OpenAI's
    /// code for it or llama.cpp's type.
    ///
    /// [`context_length`]: Self::context_length
    #[must_use]
    pub fn is_context_length(&self) -> bool {
        self.context_length
            || self.code.as_deref() == Some("context_length_exceeded")
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
            write!(f, " (`{}`)", shown_name(code))?;
        }
        if let Some(wait) = self.retry_after {
            write!(f, ", retry after {} s", seconds(wait))?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request id `{}`", shown_name(id))?;
        }
        if let Some(hint) = self.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("kind", &self.kind)
            .field("code", &self.code.as_deref().map(ShownName))
            .field("error_type", &self.error_type.as_deref().map(ShownName))
            .field("param", &self.param.as_deref().map(ShownName))
            .field("message", &self.message)
            .field("request_id", &self.request_id.as_deref().map(ShownName))
            .field("retry_after", &self.retry_after)
            .field("context_length", &self.context_length)
            .field("body", &self.body)
            .field("hint", &self.hint)
            .finish()
    }
}

/// Rounds a time to hundredths of a second, so that a limit is shown as it was set.
pub(super) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 100.0).round() / 100.0
}
