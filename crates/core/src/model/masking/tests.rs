//! No text of a server leaves unmasked, in any variant.

use std::{error::Error, fmt, time::Duration};

use super::super::{
    api_error::{ApiError, StatusKind},
    decode_error::DecodeError,
    error::{ModelError, PartialReply, TimeoutPhase, TransportPhase},
    finish_reason::FinishReason,
};
use crate::{box_error::BoxError, messages::Messages, report::Report};

const CANARY: &str = "sk-canary-7f3";

/// An error with a cause, both of which quote the key.
#[derive(Debug)]
struct Quoting(Option<Box<Self>>);

impl fmt::Display for Quoting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "said {CANARY}")
    }
}

impl Error for Quoting {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.as_deref().map(|cause| cause as _)
    }
}

fn source() -> BoxError {
    Box::new(Quoting(Some(Box::new(Quoting(None)))))
}

fn text() -> String {
    format!("before {CANARY} after")
}

fn api_error() -> Box<ApiError> {
    let mut error = ApiError::new(StatusKind::Other);
    for field in [&mut error.code, &mut error.error_type, &mut error.param, &mut error.request_id] {
        *field = Some(text());
    }
    error.message = text().into();
    error.body = text().into();
    Box::new(error)
}

/// Returns the next of the variants. A new variant does not compile until it has its place here.
fn after(error: Option<&ModelError>) -> Option<ModelError> {
    let partial = || PartialReply::new(text());
    let finish_reason = || FinishReason::Other(text());
    Some(match error {
        None => ModelError::config(text()),
        Some(ModelError::Config { .. }) => ModelError::Connect { server: text(), source: source() },
        Some(ModelError::Connect { .. }) => ModelError::Dns { server: text(), source: source() },
        Some(ModelError::Dns { .. }) => ModelError::Tls { server: text(), source: source() },
        Some(ModelError::Tls { .. }) => {
            ModelError::Timeout { phase: TimeoutPhase::Idle, after: Duration::ZERO }
        }
        Some(ModelError::Timeout { .. }) => {
            ModelError::Transport { phase: TransportPhase::Body, source: source() }
        }
        Some(ModelError::Transport { .. }) => ModelError::Redirect { status: 307, origin: text() },
        Some(ModelError::Redirect { .. }) => ModelError::Status { status: 500, error: api_error() },
        Some(ModelError::Status { .. }) => ModelError::ApiErrorInBody { error: api_error() },
        Some(ModelError::ApiErrorInBody { .. }) => {
            DecodeError::new(text()).with_content_type(text()).with_body(text()).into()
        }
        Some(ModelError::Decode(_)) => {
            ModelError::EmptyAnswer { finish_reason: Some(finish_reason()) }
        }
        Some(ModelError::EmptyAnswer { .. }) => {
            ModelError::Incomplete { finish_reason: finish_reason(), partial: partial() }
        }
        Some(ModelError::Incomplete { .. }) => ModelError::Refused { text: text().into() },
        Some(ModelError::Refused { .. }) => {
            ModelError::BodyTooLarge { what: "x", limit: 1, hint: None }
        }
        Some(ModelError::BodyTooLarge { .. }) => ModelError::PromptTooLong { tokens: 2, limit: 1 },
        Some(ModelError::PromptTooLong { .. }) => {
            ModelError::StreamTruncated { partial: partial(), source: Some(source()) }
        }
        Some(ModelError::StreamTruncated { .. }) => {
            ModelError::Stream { error: api_error(), partial: partial() }
        }
        Some(ModelError::Stream { .. }) => ModelError::Cancelled,
        Some(ModelError::Cancelled) => ModelError::custom(text(), false, source()),
        Some(ModelError::Custom { .. }) => {
            let source = Box::new(ModelError::config(text()));
            ModelError::AfterTools { rounds: 1, messages: Messages::new(), source }
        }
        Some(ModelError::AfterTools { .. }) => return None,
    })
}

/// Returns all texts of an error, with those that `Debug` withholds.
fn shown(error: &ModelError) -> String {
    let mut shown = Report::new(error).to_string();
    if let Some(api) = error.api_error() {
        shown += &format!("{api:?} {} {}", api.message.as_str(), api.body.as_str());
        shown += &format!("{:?}", [&api.code, &api.error_type, &api.param, &api.request_id]);
    }
    if let Some(partial) = error.partial() {
        shown += partial.text.as_str();
    }
    match error {
        ModelError::Refused { text } => shown += text.as_str(),
        ModelError::EmptyAnswer { finish_reason: Some(reason) }
        | ModelError::Incomplete { finish_reason: reason, .. } => shown += reason.as_str(),
        ModelError::Decode(error) => {
            shown += &format!("{:?} {}", error.content_type, error.body.as_str());
        }
        _ => {}
    }
    shown
}

#[test]
fn every_variant_is_masked() {
    let mut last = None;
    let mut masked = 0;
    while let Some(error) = after(last.as_ref()) {
        let had_key = shown(&error).contains(CANARY);
        let error = error.masked(&|text| text.replace(CANARY, "[key]"));
        let shown = shown(&error);
        assert!(!shown.contains(CANARY), "{shown}");
        assert_eq!(shown.contains("[key]"), had_key, "{shown}");
        masked += usize::from(had_key);
        last = Some(error);
    }
    assert_eq!(masked, 16);
}
