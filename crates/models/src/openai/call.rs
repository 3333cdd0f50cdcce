//! What both adapters do in a call.

use std::sync::Arc;

use bytes::Bytes;
use conversant_core::{CallOptions, FinishReason, ModelError, PartialReply, Reply};
use http::Method;

use super::builder::Settings;
use crate::{
    http::{Connection, Received},
    wire::{Answer, BodyWriter},
};

/// Appends what makes an answer a streamed one.
pub(super) fn push_stream(body: &mut BodyWriter, settings: Settings) {
    body.push(b"\"stream\":true,");
    if settings.stream_usage {
        body.push(b"\"stream_options\":{\"include_usage\":true},");
    }
}

/// Sends a request and reads a whole answer.
pub(super) async fn generate(
    connection: &Connection,
    settings: Settings,
    path: &str,
    body: &Arc<[Bytes]>,
    options: &CallOptions,
    read: fn(&[u8]) -> Result<Answer, ModelError>,
) -> Result<Reply, ModelError> {
    let deadline = connection.deadline(options.deadline);
    let received = connection.call(Method::POST, path, body, deadline).await?;
    read_answer(received, read, settings).map_err(|error| connection.mask.error(error))
}

/// Reads a whole answer, and decides whether it is one.
pub(super) fn read_answer(
    received: Received,
    read: impl FnOnce(&[u8]) -> Result<Answer, ModelError>,
    settings: Settings,
) -> Result<Reply, ModelError> {
    match read(&received.body).and_then(|answer| judge(answer, settings)) {
        Ok(mut reply) => {
            reply.request_id = received.request_id;
            Ok(reply)
        }
        Err(mut error) => {
            match &mut error {
                ModelError::Decode(error) => error.content_type = received.content_type.to_text(),
                ModelError::ApiErrorInBody { error } => error.request_id = received.request_id,
                _ => {}
            }
            Err(error)
        }
    }
}

/// Decides whether an answer is one.
pub(super) fn judge(answer: Answer, settings: Settings) -> Result<Reply, ModelError> {
    let Answer { reply, is_absent, refusal } = answer;
    let is_empty = reply.message.content().is_empty() && reply.message.tool_calls().is_empty();
    if let Some(text) = refusal.filter(|_| is_empty) {
        return Err(ModelError::Refused { text: text.into() });
    }
    if is_absent || (settings.refuse_empty && is_empty) {
        return Err(ModelError::EmptyAnswer { finish_reason: reply.finish_reason });
    }
    let cut = [FinishReason::Length, FinishReason::ContentFilter];
    match &reply.finish_reason {
        Some(reason) if settings.require_complete && cut.contains(reason) => {
            let partial = PartialReply::new(reply.text().into_owned());
            Err(ModelError::Incomplete { finish_reason: reason.clone(), partial })
        }
        _ => Ok(reply),
    }
}
