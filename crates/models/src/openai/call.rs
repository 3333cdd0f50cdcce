//! What both adapters do in a call.

use std::sync::Arc;

use bytes::Bytes;
use conversant_core::{
    CallOptions, FinishReason, Message, ModelError, PartialReply, Reply, ToolCall,
};
use http::Method;

use super::builder::Settings;
use crate::{
    http::{Connection, Received},
    wire::{Answer, BodyWriter, Origin},
};

/// The length of the made-up part of a tool call's id.
const MADE_UP_ID: usize = 24;

/// The interface that an adapter speaks.
pub(super) trait Protocol: Send + Sync + 'static {
    fn connection(&self) -> &Connection;
    fn settings(&self) -> Settings;
    /// Returns where messages come from, if it is noted on them.
    fn origin(&self) -> Option<&Origin> {
        None
    }
    /// Reads a whole answer, for servers that do not stream.
    fn read(&self, body: &[u8]) -> Result<Answer, ModelError>;
}

/// Appends what makes an answer a streamed one.
pub(super) fn push_stream(body: &mut BodyWriter, settings: Settings) {
    body.push(b"\"stream\":true,");
    if settings.stream_usage {
        body.push(b"\"stream_options\":{\"include_usage\":true},");
    }
}

/// Sends a request and reads a whole answer.
pub(super) async fn generate<S: Protocol>(
    shared: &S,
    path: &str,
    body: &Arc<[Bytes]>,
    options: &CallOptions,
) -> Result<Reply, ModelError> {
    let connection = shared.connection();
    let deadline = connection.deadline(options.deadline);
    let received = connection.call(Method::POST, path, body, deadline).await?;
    read_answer(shared, received).map_err(|error| connection.mask.error(error))
}

/// Reads a whole answer, and decides whether it is one.
pub(super) fn read_answer<S: Protocol>(
    shared: &S,
    received: Received,
) -> Result<Reply, ModelError> {
    match shared.read(&received.body).and_then(|answer| judge(shared, answer)) {
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
pub(super) fn judge<S: Protocol>(shared: &S, answer: Answer) -> Result<Reply, ModelError> {
    let settings = shared.settings();
    let Answer { mut reply, is_absent, refusal } = answer;
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
        _ => {
            name_calls(&mut reply);
            if let Some(origin) = shared.origin() {
                origin.stamp(&mut reply);
            }
            Ok(reply)
        }
    }
}

/// Makes up ids for tool calls that came without, as their results have to name them.
fn name_calls(reply: &mut Reply) {
    let is_unnamed = |call: &ToolCall| call.id.is_none();
    if !reply.message.tool_calls().iter().any(is_unnamed) {
        return;
    }
    let calls = reply.message.tool_calls().iter().cloned().map(|call| match call.id {
        Some(_) => call,
        None => {
            let id: String =
                std::iter::repeat_with(fastrand::alphanumeric).take(MADE_UP_ID).collect();
            call.with_id(format!("call_{id}"))
        }
    });
    let calls: Vec<_> = calls.collect();
    let message = std::mem::replace(&mut reply.message, Message::ai(""));
    reply.message = message.with_tool_calls(calls);
}
