//! Reads a whole answer of the chat or the completion endpoint.

use conversant_core::{ModelError, Reply};
use serde_json::Deserializer;

use super::{
    accumulator::Accumulator,
    answer::Answer,
    answer_decoder::is_keep_alive,
    answer_in::AnswerIn,
    api_error,
    decode::{read, repaired, text_of},
    stream::StreamDecoder,
    stream_form::{is_events, without_comments},
    tolerant::Tolerant,
};

/// Decodes an answer of the chat endpoint. An answer without text and tool calls is a reply with an
/// empty message here; a call returns [`ModelError::EmptyAnswer`] for it.
///
/// An event stream in place of a body is decoded, too.
///
/// # Errors
/// - [`ModelError::ApiErrorInBody`], if the body is an error or has one in it.
/// - [`ModelError::Decode`], if the body can't be read.
/// - [`ModelError::EmptyAnswer`], if it has no choice.
/// - The errors of a [`StreamDecoder`], if it is a stream.
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
    read_answer(body).map(|answer| answer.reply)
}

/// Decodes an answer of the completion endpoint.
///
/// # Errors
/// As for [`decode_chat_response`].
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
    read_answer(body).map(|answer| answer.reply)
}

pub(crate) fn read_answer(body: &[u8]) -> Result<Answer, ModelError> {
    let text = text_of(body)?;
    let json = without_comments(text);
    if !json.starts_with(['{', '[']) && is_events(text) {
        return read_events(text);
    }
    let repaired;
    let answer = match read::<AnswerIn<'_>>(json) {
        Ok(answer) => answer,
        Err(error) => {
            repaired = self::repaired(json);
            match read_first(&repaired) {
                Some(answer) => answer,
                None if has_json_lines(&repaired) => return read_events(json),
                None => {
                    let error_in_body = api_error::instead_of_answer(body);
                    return Err(error_in_body.map_or_else(|| error.into(), api_error::in_body));
                }
            }
        }
    };
    let mut answer = Accumulator::new(usize::MAX, usize::MAX).into_whole(answer, body)?;
    answer.reply.done_marker_seen = true;
    Ok(answer)
}

/// Reads the events that came in place of a whole answer.
fn read_events(text: &str) -> Result<Answer, ModelError> {
    let mut decoder = StreamDecoder::new();
    decoder.feed(bytes::Bytes::copy_from_slice(text.as_bytes()));
    while decoder.read_event()? {}
    decoder.end_input()?;
    decoder.into_answer()
}

/// Returns whether a text is several lines of JSON.
fn has_json_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let is_whole = |line: &str| serde_json::from_str::<Tolerant<AnswerIn<'_>>>(line).is_ok();
    let first = lines.next().is_some_and(|line| line.starts_with('{') && is_whole(line));
    first && lines.next().is_some_and(|line| line.starts_with(['{', '[']))
}

/// Reads JSON that nothing follows but the end of a stream.
fn read_first(text: &str) -> Option<AnswerIn<'_>> {
    let mut values = Deserializer::from_str(text).into_iter::<Tolerant<AnswerIn<'_>>>();
    let answer = values.next()?.ok()?.0?;
    let rest = text.get(values.byte_offset()..)?;
    let says_nothing = |line: &str| {
        let line = line.trim();
        let data = line.strip_prefix("data:").map(str::trim);
        line.is_empty()
            || line.starts_with(':')
            || data.is_some_and(|data| data == "[DONE]" || is_keep_alive(data))
    };
    rest.lines().all(says_nothing).then_some(answer)
}
