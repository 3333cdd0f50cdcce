//! The completion endpoint's answer, whole.

use conversant_core::{Content, ModelError, Reply};
use serde_json::Value as Json;

use super::{
    chat_response::no_choices,
    decode::read,
    lenient::{Text, lenient},
    reply::{Answer, Draft, finish_reason},
    usage::UsageIn,
};
use crate::api_error::error_in_body;

lenient! {
    struct CompletionIn<'de> {
        model: Text<'de>,
        choices: Vec<ChoiceIn<'de>>,
        usage: UsageIn,
        error: Box<Json>,
    }
    struct ChoiceIn<'de> {
        index: u64,
        text: Text<'de>,
        finish_reason: Text<'de>,
    }
}

/// Reads the completion endpoint's answer, as [`decode_chat_response`](super::decode_chat_response) reads the other's.
///
/// # Errors
/// As there.
///
/// # Examples
///
/// ```
/// use conversant_models::wire::decode_completion_response;
///
/// let body = br#"{"choices": [{"text": " upon a time", "finish_reason": "length"}]}"#;
/// assert_eq!(decode_completion_response(body)?.text(), " upon a time");
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
pub fn decode_completion_response(body: &[u8]) -> Result<Reply, ModelError> {
    read_completion(body).map(|answer| answer.reply)
}

pub(crate) fn read_completion(body: &[u8]) -> Result<Answer, ModelError> {
    let answer: CompletionIn<'_> = read(body)?;
    if let Some(error) = answer.error {
        return Err(error_in_body(&error, body));
    }
    let Some(mut choices) = answer.choices else {
        return Err(no_choices(body, "choices"));
    };
    choices.sort_by_key(|choice| choice.index.unwrap_or(0));
    let drafts = choices.into_iter().map(|choice| {
        Ok(Draft {
            content: choice.text.map(|text| Content::Text(text.into_string())),
            finish_reason: finish_reason(choice.finish_reason),
            ..Draft::default()
        })
    });
    let usage = answer.usage.and_then(UsageIn::into_usage);
    Answer::of(drafts, answer.model.map(Text::into_string), usage)
}
