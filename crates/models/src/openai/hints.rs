//! Hints that are added to a server's error, where a setting here mends it.

use conversant_core::{ApiError, ModelError};

use crate::wire::MAX_EVENT_BYTES;

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
/// The words of a refusal of a parameter, whose name follows them.
const UNSUPPORTED: &[&str] = &["Unsupported parameter: '", "Unsupported value: '"];
/// Parameters that models refuse while they reason, and the hint.
const OF_SAMPLING: &[&str] = &[
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
];
const WITHOUT_REASONING: &str = "models that reason refuse it: leave it out, or set \
                                 `reasoning_effort(\"none\")` if the model allows that";
const STOP: &str = "this model has no stop sequences: leave them out, and cut the answer yourself";

/// Adds the hint for a server's error, if there is one.
pub(super) fn add(mut error: ModelError) -> ModelError {
    match &mut error {
        ModelError::Status { error, .. }
        | ModelError::ApiErrorInBody { error }
        | ModelError::Stream { error, .. } => error.hint = hint(error),
        ModelError::BodyTooLarge { what, limit, hint } => {
            // An event has a limit of its own as well.
            let is_fixed =
                what.ends_with("stream") && usize::try_from(*limit) == Ok(MAX_EVENT_BYTES);
            *hint = (!is_fixed).then_some("set a larger `max_response_bytes`");
        }
        _ => {}
    }
    error
}

/// Adds the hint for an error of an embeddings model, if there is one.
#[cfg(feature = "embeddings")]
pub(super) fn add_to_embeddings(error: ModelError) -> ModelError {
    let mut error = add(error);
    if let ModelError::BodyTooLarge { hint, .. } = &mut error {
        *hint = Some("set a smaller `batch_size`, or a larger `max_response_bytes`");
    }
    error
}

fn hint(error: &ApiError) -> Option<&'static str> {
    let message = error.message.as_str();
    let known = HINTS.iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| *hint);
    known.or_else(|| {
        let refused = UNSUPPORTED.iter().find_map(|words| message.split_once(words));
        match refused?.1.split_once('\'')?.0 {
            "stop" => Some(STOP),
            name => OF_SAMPLING.contains(&name).then_some(WITHOUT_REASONING),
        }
    })
}
