//! Answers that cannot be decoded.

use crate::{BoxError, withheld::Withheld};

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
