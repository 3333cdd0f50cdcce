//! `chat_stream`: a whole event stream, decoded piece by piece.

use conversant_core::{Delta, ModelError};
use conversant_models::wire::StreamDecoder;
use serde::Deserialize;
use serde_json::{Value as Json, json};

use crate::{case, failure::Failure};

#[derive(Deserialize)]
struct Input {
    sse: String,
}

pub(crate) fn run(input: &Json) -> Result<Json, Failure> {
    let input: Input = case::input(input)?;
    decode(input.sse).map_err(|error| Failure::broken(&error))
}

fn decode(sse: String) -> Result<Json, ModelError> {
    let mut decoder = StreamDecoder::new();
    decoder.feed(sse.into());
    let mut chunks = Vec::new();
    while let Some(delta) = decoder.next_delta()? {
        if let Delta::Text(text) = delta {
            chunks.push(text);
        }
    }
    let reply = decoder.finish()?;
    Ok(json!({
        "content": reply.message.content(),
        "tool_calls": reply.message.tool_calls(),
        "chunks": chunks,
        "finish_reason": reply.finish_reason,
    }))
}
