//! `responses_response` and `responses_stream`: the Responses interface, decoded. A stream is fed
//! whole and byte by byte, with the same result.

use bytes::Bytes;
use conversant_core::{ModelError, Reply};
use conversant_models::wire::{ResponsesStreamDecoder, decode_responses_response};
use serde::Deserialize;
use serde_json::Value as Json;

use super::adapter::shown;
use crate::{case, failure::Failure};

#[derive(Deserialize)]
struct Whole {
    body: Json,
}

#[derive(Deserialize)]
struct Streamed {
    sse: String,
}

pub(crate) fn run_whole(input: &Json) -> Result<Json, Failure> {
    let input: Whole = case::input(input)?;
    result(decode_responses_response(input.body.to_string().as_bytes()))
}

pub(crate) fn run_stream(input: &Json) -> Result<Json, Failure> {
    let input: Streamed = case::input(input)?;
    let whole = result(decode([Bytes::from(input.sse.clone())]));
    let bytes = input.sse.bytes().map(|byte| Bytes::from(vec![byte]));
    let piecewise = result(decode(bytes));
    if whole != piecewise {
        return Err(Failure::Broken("byte by byte, the result is another".to_owned()));
    }
    whole
}

fn decode(chunks: impl IntoIterator<Item = Bytes>) -> Result<Reply, ModelError> {
    let mut decoder = ResponsesStreamDecoder::new();
    for chunk in chunks {
        decoder.feed(chunk);
        while decoder.next_delta()?.is_some() {}
    }
    decoder.finish()
}

fn result(reply: Result<Reply, ModelError>) -> Result<Json, Failure> {
    let reply = reply.map_err(|error| match error {
        ModelError::Stream { .. } | ModelError::ApiErrorInBody { .. } => Failure::Refused("failed"),
        ModelError::StreamTruncated { .. } => Failure::Refused("truncated"),
        ModelError::Decode(_) => Failure::Refused("decode"),
        ModelError::Refused { .. } => Failure::Refused("refused"),
        error => Failure::broken(&error),
    })?;
    let mut shown = shown(&reply);
    // These cases list the calls that can be read.
    let calls = reply.message.tool_calls().len();
    if let Some(Json::Array(all)) = shown.get_mut("tool_calls") {
        all.truncate(calls);
    }
    Ok(shown)
}
