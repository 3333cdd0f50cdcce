//! The chat endpoint's answer, whole.

use conversant_core::{DecodeError, ModelError, Reply};
use serde_json::Value as Json;

use super::{
    decode::{kept, read},
    lenient::{Text, lenient},
    reply::{Answer, Draft, MessageIn, finish_reason},
    usage::UsageIn,
};
use crate::api_error::error_in_body;

lenient! {
    struct ChatIn<'de> {
        model: Text<'de>,
        choices: Vec<ChoiceIn<'de>>,
        usage: UsageIn,
        error: Box<Json>,
    }
    struct ChoiceIn<'de> {
        index: u64,
        message: MessageIn<'de>,
        finish_reason: Text<'de>,
        error: Box<Json>,
    }
}

/// Reads the chat endpoint's answer: what it holds, whatever a call then makes of it. An answer without text and tool calls is
/// a reply with an empty message here, and [`ModelError::EmptyAnswer`] for a call.
///
/// Unknown fields, reasons and roles are fine; of a field that comes twice, the last counts; one byte order mark is skipped.
///
/// # Errors
/// [`ModelError::Decode`], if it can't be read; [`ModelError::ApiErrorInBody`], if it is an error;
/// [`ModelError::EmptyAnswer`], if it has no choice.
///
/// # Examples
///
/// ```
/// use conversant_models::wire::decode_chat_response;
///
/// let body = br#"{"choices": [{"message": {"role": "assistant", "content": "Hello!"}, "finish_reason": "stop"}]}"#;
/// assert_eq!(decode_chat_response(body)?.text(), "Hello!");
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
pub fn decode_chat_response(body: &[u8]) -> Result<Reply, ModelError> {
    read_chat(body).map(|answer| answer.reply)
}

pub(crate) fn read_chat(body: &[u8]) -> Result<Answer, ModelError> {
    let mut answer: ChatIn<'_> = read(body)?;
    if let Some(error) = &answer.error {
        return Err(error_in_body(error, body));
    }
    let Some(choices) = &mut answer.choices else {
        return Err(no_choices(body, "choices"));
    };
    choices.sort_by_key(|choice| choice.index.unwrap_or(0));
    let drafts = choices.iter_mut().map(|choice| {
        if let Some(error) = &choice.error {
            return Err(error_in_body(error, body));
        }
        let message = choice.message.as_mut().ok_or_else(|| no_choices(body, "message"))?;
        Draft::read(message, finish_reason(choice.finish_reason.take()))
    });
    let usage = answer.usage.and_then(UsageIn::into_usage);
    Answer::of(drafts, answer.model.map(Text::into_string), usage)
}

pub(super) fn no_choices(body: &[u8], field: &str) -> ModelError {
    DecodeError::new(format!("it has no `{field}`")).with_body(kept(body)).into()
}
