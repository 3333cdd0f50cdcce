//! Hints that are added to a server's error, where a setting here mends it.

use conversant_core::{ApiError, ModelError};

/// Parts of a server's message, and the hint for it.
const HINTS: &[(&str, &str)] = &[
    (
        "use /v1/responses",
        "use `OpenAiResponses` for this model, or set `reasoning_effort(\"none\")` if it allows that",
    ),
    ("v1/responses and not in", "use `OpenAiResponses` for this model"),
    ("'max_completion_tokens' instead", "set `max_completion_tokens` instead of `max_tokens`"),
    ("'max_tokens' instead", "set `max_tokens` instead of `max_completion_tokens`"),
    ("not a chat model", "use `OpenAi` for completion models"),
];

/// Adds the hint for a server's error, if there is one.
pub(super) fn add(mut error: ModelError) -> ModelError {
    match &mut error {
        ModelError::Status { error, .. }
        | ModelError::ApiErrorInBody { error }
        | ModelError::Stream { error, .. } => error.hint = hint(error),
        _ => {}
    }
    error
}

fn hint(error: &ApiError) -> Option<&'static str> {
    let message = error.message.as_str();
    HINTS.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| *hint)
}
