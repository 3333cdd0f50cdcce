//! Masks secrets in errors.

use super::{
    api_error::ApiError,
    decode_error::DecodeError,
    error::{ModelError, PartialReply},
    finish_reason::FinishReason,
};
use crate::{box_error::BoxError, report::Report, withheld::Withheld};

impl ModelError {
    /// Replaces every text that may come from a server by `mask(text)`: servers quote keys.
    ///
    /// Causes cannot be changed: one whose text the mask changes is replaced by its masked text.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::{ApiError, ModelError, StatusKind};
    ///
    /// let mut api = ApiError::new(StatusKind::Auth);
    /// api.message = "Incorrect API key: sk-123".into();
    /// let error = ModelError::Status { status: 401, error: Box::new(api) };
    /// let error = error.masked(&|text| text.replace("sk-123", "[key]"));
    /// assert_eq!(error.api_error().unwrap().message.as_str(), "Incorrect API key: [key]");
    /// ```
    #[must_use]
    pub fn masked(mut self, mask: &dyn Fn(&str) -> String) -> Self {
        // No wildcard: a new variant does not compile until its texts are masked.
        match &mut self {
            Self::Config { what } => text(what, mask),
            Self::Connect { server, source }
            | Self::Dns { server, source }
            | Self::Tls { server, source } => {
                text(server, mask);
                cause(source, mask);
            }
            Self::Transport { source, phase: _ } => cause(source, mask),
            Self::Redirect { origin, status: _ } => text(origin, mask),
            Self::Status { error, status: _ } | Self::ApiErrorInBody { error } => {
                api_error(error, mask);
            }
            Self::Decode(error) => decode_error(error, mask),
            Self::EmptyAnswer { finish_reason: reason } => {
                if let Some(reason) = reason {
                    finish_reason(reason, mask);
                }
            }
            Self::Incomplete { finish_reason: reason, partial: received } => {
                finish_reason(reason, mask);
                partial(received, mask);
            }
            Self::Refused { text } => withheld(text, mask),
            Self::StreamTruncated { partial: received, source } => {
                partial(received, mask);
                if let Some(source) = source {
                    cause(source, mask);
                }
            }
            Self::Stream { error, partial: received } => {
                api_error(error, mask);
                partial(received, mask);
            }
            Self::Custom { what, source, retryable: _ } => {
                text(what, mask);
                if let Some(source) = source {
                    cause(source, mask);
                }
            }
            Self::AfterTools { source, rounds: _, messages: _ } => {
                let error = std::mem::replace(&mut **source, Self::Cancelled);
                **source = error.masked(mask);
            }
            Self::Timeout { phase: _, after: _ }
            | Self::BodyTooLarge { what: _, limit: _, hint: _ }
            | Self::PromptTooLong { tokens: _, limit: _ }
            | Self::Cancelled => {}
        }
        self
    }
}

fn text(text: &mut String, mask: &dyn Fn(&str) -> String) {
    *text = mask(text);
}

fn withheld(text: &mut Withheld, mask: &dyn Fn(&str) -> String) {
    *text = Withheld::from(mask(text.as_str()));
}

fn cause(source: &mut BoxError, mask: &dyn Fn(&str) -> String) {
    let shown = Report::new(&**source).to_string();
    let masked = mask(&shown);
    if masked != shown {
        *source = masked.into();
    }
}

fn finish_reason(reason: &mut FinishReason, mask: &dyn Fn(&str) -> String) {
    if let FinishReason::Other(name) = reason {
        text(name, mask);
    }
}

fn partial(partial: &mut PartialReply, mask: &dyn Fn(&str) -> String) {
    let PartialReply { text } = partial;
    withheld(text, mask);
}

fn api_error(error: &mut ApiError, mask: &dyn Fn(&str) -> String) {
    let ApiError {
        kind: _,
        code,
        error_type,
        param,
        message,
        request_id,
        retry_after: _,
        body,
        context_length: _,
        hint: _,
    } = error;
    for field in [code, error_type, param, request_id].into_iter().flatten() {
        text(field, mask);
    }
    withheld(message, mask);
    withheld(body, mask);
}

fn decode_error(error: &mut DecodeError, mask: &dyn Fn(&str) -> String) {
    let DecodeError { what, content_type, body } = error;
    text(what, mask);
    if let Some(content_type) = content_type {
        text(content_type, mask);
    }
    withheld(body, mask);
}

#[cfg(test)]
mod tests;
