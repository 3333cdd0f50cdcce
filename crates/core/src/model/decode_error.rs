//! Answers that cannot be decoded.

use crate::withheld::Withheld;

/// An answer that cannot be decoded, with the part of its body that was received.
#[derive(thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The fault and its place, without quoting the answer.
    pub what: String,
    /// The content type of the response.
    pub content_type: Option<String>,
    /// The body: up to 8 KiB of a response, and the whole text of an answer that is read as JSON
    /// ([`Reply::json`](crate::Reply::json)).
    pub body: Withheld,
}

impl DecodeError {
    /// Creates the error with a description of the fault.
    #[must_use]
    pub fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), content_type: None, body: Withheld::default() }
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

crate::debug_as_report!(DecodeError);
