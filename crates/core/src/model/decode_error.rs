//! Answers that cannot be decoded.

use crate::{box_error::BoxError, withheld::Withheld};

/// An answer that cannot be decoded, with the part of its body that was received.
#[derive(thiserror::Error)]
#[error("{what}")]
#[non_exhaustive]
pub struct DecodeError {
    /// The fault and its place, without quoting the answer.
    pub what: String,
    /// The content type of the response.
    pub content_type: Option<String>,
    /// The body, up to 8 KiB.
    pub body: Withheld,
    /// The cause, if there is one.
    pub source: Option<BoxError>,
}

impl DecodeError {
    /// Creates the error with a description of the fault.
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

crate::debug_as_report!(DecodeError);
