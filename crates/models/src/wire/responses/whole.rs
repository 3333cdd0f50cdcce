//! Reads a whole response.

use conversant_core::{DecodeError, ModelError, PartialReply, Reply};

use super::{
    output::{ResponseIn, unless_refused},
    stream::ResponsesStreamDecoder,
};
use crate::wire::{
    answer::Answer,
    api_error,
    decode::{excerpt, read, repaired, text_of},
    stream_form::{is_events, without_comments},
};

/// Reads a response of the Responses interface. An event stream in its place is read as well.
///
/// Needs the feature `responses`.
///
/// # Errors
/// - [`ModelError::ApiErrorInBody`], if the response failed or was cancelled, or the body is an
///   error.
/// - [`ModelError::StreamTruncated`], if the response is not finished.
/// - [`ModelError::Decode`], if the body can't be read.
/// - [`ModelError::Refused`], if the model refused, and neither wrote text nor called a tool.
///
/// # Examples
///
/// ```
/// use conversant_models::wire::decode_responses_response;
///
/// let body = br#"{"status": "completed", "output": [{"type": "message", "role": "assistant",
///     "content": [{"type": "output_text", "text": "Hello!"}]}]}"#;
/// assert_eq!(decode_responses_response(body)?.text(), "Hello!");
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
pub fn decode_responses_response(body: &[u8]) -> Result<Reply, ModelError> {
    read_response(body).and_then(unless_refused)
}

pub(crate) fn read_response(body: &[u8]) -> Result<Answer, ModelError> {
    let text = text_of(body)?;
    let json = without_comments(text);
    if !json.starts_with(['{', '[']) && is_events(text) {
        let mut decoder = ResponsesStreamDecoder::new();
        decoder.feed(bytes::Bytes::copy_from_slice(body));
        while decoder.read_event()? {}
        decoder.end_input()?;
        return decoder.into_answer();
    }
    let repaired;
    let response = match read::<ResponseIn<'_>>(json) {
        Ok(response) => response,
        Err(error) => {
            repaired = self::repaired(json);
            let again = if *repaired == *json { Err(error) } else { read(&repaired) };
            again.map_err(|error| {
                let found = api_error::instead_of_answer(body);
                found.map_or_else(|| error.into(), api_error::in_body)
            })?
        }
    };
    if let Some(error) = response.failure(body) {
        return Err(api_error::in_body(error));
    }
    if response.is_unfinished() {
        return Err(unfinished(response));
    }
    if response.output.is_none() {
        let found = api_error::instead_of_answer(body).map(api_error::in_body);
        let lacks = || DecodeError::new("it has no `output`").with_body(excerpt(body)).into();
        return Err(found.unwrap_or_else(lacks));
    }
    Ok(response.into_whole_answer())
}

/// Returns the error of a response that was sent before it was finished, with what it has.
fn unfinished(response: ResponseIn<'_>) -> ModelError {
    let text = response.into_whole_answer().reply.text().into_owned();
    let source = "the response was sent before it was finished";
    ModelError::StreamTruncated { partial: PartialReply::new(text), source: Some(source.into()) }
}
