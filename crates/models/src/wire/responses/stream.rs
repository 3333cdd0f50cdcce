//! A streamed response, from bytes to pieces and the whole.

use std::collections::VecDeque;

use bytes::Bytes;
use conversant_core::{DecodeError, Delta, ModelError, PartialReply, Reply};
use serde_json::Value as Json;

use super::{
    item_accumulator::{Field, ItemAccumulator},
    output::{Terminal, read_event_response, unless_refused},
};
use crate::wire::{
    accumulator::{is_error, is_keep_alive, size},
    answer::Answer,
    api_error,
    decode::{in_event, mended, read},
    sse::SseDecoder,
    stream::{DEFAULT_MAX_ANSWER, event_limit},
    tolerant::{Count, Kept, Text, tolerant},
};

/// The maximum number of output items.
const MAX_ITEMS: usize = 1024;

tolerant! {
    struct EventIn<'de> {
        kind = "type": Text<'de>,
        output_index: Count,
        item_id: Text<'de>,
        content_index: Count,
        summary_index: Count,
        delta: Text<'de>,
        text: Text<'de>,
        refusal: Text<'de>,
        arguments: Text<'de>,
        item: Kept,
        response: Kept,
        error: Kept,
    }
}

/// Decodes a streamed response of the Responses interface.
///
/// A stream is whole if it ended with `response.completed` or `response.incomplete`, and with
/// nothing else: `[DONE]` alone does not make it whole.
///
/// # Examples
///
/// ```
/// use conversant_core::Delta;
/// use conversant_models::wire::ResponsesStreamDecoder;
///
/// let mut decoder = ResponsesStreamDecoder::new();
/// decoder.feed("data: {\"type\": \"response.output_text.delta\", \"delta\": \"Hello\"}\n\n".into());
/// assert_eq!(decoder.next_delta()?, Some(Delta::Text("Hello".into())));
/// decoder.feed("data: {\"type\": \"response.completed\", \"response\": {}}\n\n".into());
/// assert_eq!(decoder.next_delta()?, None);
/// assert_eq!(decoder.finish()?.text(), "Hello");
/// # Ok::<(), conversant_core::ModelError>(())
/// ```
#[derive(Debug)]
pub struct ResponsesStreamDecoder {
    sse: SseDecoder,
    items: Vec<ItemAccumulator>,
    calls: usize,
    pieces: VecDeque<Delta>,
    answer: Option<Answer>,
    has_begun: bool,
    is_done: bool,
    /// The number of bytes of the answer that may still come.
    left: usize,
    limit: usize,
}

impl Default for ResponsesStreamDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ResponsesStreamDecoder {
    /// Creates a decoder with a limit of 32 MiB for the answer.
    #[must_use]
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_MAX_ANSWER)
    }

    /// Creates a decoder with a limit for the answer, in bytes.
    #[must_use]
    pub fn with_limit(answer: usize) -> Self {
        // The last event has the whole response once more, with the request's settings.
        let event = event_limit(answer).saturating_add(answer);
        Self {
            sse: SseDecoder::with_limits(event, event),
            items: Vec::new(),
            calls: 0,
            pieces: VecDeque::new(),
            answer: None,
            has_begun: false,
            is_done: false,
            left: answer,
            limit: answer,
        }
    }

    /// Takes more bytes. Bytes after the end are ignored.
    pub fn feed(&mut self, chunk: Bytes) {
        if !self.is_done {
            self.sse.feed(chunk);
        }
    }

    /// Returns the next piece, or `None` if more bytes are needed. It is never [`Delta::Done`].
    ///
    /// # Errors
    /// [`ModelError`], if the response failed, or can't be read.
    pub fn next_delta(&mut self) -> Result<Option<Delta>, ModelError> {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return Ok(Some(piece));
            }
            if !self.read_event()? {
                return Ok(None);
            }
        }
    }

    /// Reads one event, and returns whether there was one.
    pub(crate) fn read_event(&mut self) -> Result<bool, ModelError> {
        if self.is_done {
            return Ok(false);
        }
        let Some(event) = self.sse.next_event()? else { return Ok(false) };
        self.has_begun |= !event.data.is_empty();
        if is_error(event.event) && !event.data.trim_start().starts_with('{') {
            let error = api_error::of_event(event.data);
            return Err(self.stream_error(error));
        }
        let data = event.data.to_owned();
        self.take(&data)?;
        Ok(true)
    }

    /// Returns whether the response is finished. Nothing after that counts.
    #[must_use]
    pub const fn is_done(&self) -> bool {
        self.is_done
    }

    /// Returns whether the answer is whole: whether the stream may end here.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.answer.is_some()
    }

    /// Returns the answer, at the end of the stream.
    ///
    /// # Errors
    /// - [`ModelError::StreamTruncated`], if the stream ended before the response did.
    /// - [`ModelError::Refused`], if the model refused, and neither wrote text nor called a tool.
    pub fn finish(self) -> Result<Reply, ModelError> {
        self.into_answer().and_then(unless_refused)
    }

    pub(crate) fn into_answer(self) -> Result<Answer, ModelError> {
        let partial = self.partial();
        self.answer.ok_or_else(|| ModelError::truncated(partial))
    }

    /// Returns whether an event has come.
    pub(crate) const fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// Returns whether anything but comments has come since this was last asked.
    pub(crate) fn take_progress(&mut self) -> bool {
        self.sse.take_progress()
    }

    pub(crate) fn partial(&self) -> PartialReply {
        PartialReply::new(self.items.iter().map(ItemAccumulator::text).collect::<String>())
    }

    fn stream_error(&self, error: conversant_core::ApiError) -> ModelError {
        ModelError::Stream { error: Box::new(error), partial: self.partial() }
    }

    fn take(&mut self, data: &str) -> Result<(), ModelError> {
        let trimmed = data.trim();
        if trimmed.is_empty() || trimmed == "[DONE]" || is_keep_alive(trimmed) {
            return Ok(());
        }
        let text = match read::<EventIn<'_>>(data) {
            Ok(event) => return self.take_event(event, data),
            Err(error) => {
                if let Some(error) = api_error::in_place_of_answer(data.as_bytes()) {
                    return Err(self.stream_error(error));
                }
                let text = mended(data);
                if text == data {
                    return Err(in_event(error));
                }
                text
            }
        };
        let event = read::<EventIn<'_>>(&text).map_err(in_event)?;
        self.take_event(event, data)
    }

    fn take_event(&mut self, event: EventIn<'_>, data: &str) -> Result<(), ModelError> {
        let before = self.pieces.len();
        let kind = event.kind.as_ref().map(|kind| kind.0.to_string()).unwrap_or_default();
        match kind.as_str() {
            "response.completed" => return self.end(event, data, false),
            "response.incomplete" => return self.end(event, data, true),
            "response.failed" | "response.cancelled" => {
                let terminal = event.response.and_then(|it| read_event_response(&it.0, data));
                let error =
                    terminal.map_or_else(|| api_error::of_event(data), |terminal| terminal.failure);
                return Err(self.stream_error(error));
            }
            "error" => return Err(self.stream_error(api_error::of_event(data))),
            "response.output_item.added" | "response.output_item.done" => {
                let done = kind.ends_with("done");
                if let Some(Kept(item)) = &event.item {
                    let index = self.item(&event, Some(item), !done)?;
                    self.take_item(index, item, done);
                }
            }
            "response.output_text.delta" => self.push(&event, Field::Text)?,
            "response.refusal.delta" => self.push(&event, Field::Refusal)?,
            "response.reasoning_summary_text.delta" => self.push(&event, Field::Summary)?,
            "response.reasoning_text.delta" => self.push(&event, Field::Reasoning)?,
            "response.output_text.done" => self.complete(&event, Field::Text)?,
            "response.refusal.done" => self.complete(&event, Field::Refusal)?,
            "response.reasoning_summary_text.done" => self.complete(&event, Field::Summary)?,
            "response.reasoning_text.done" => self.complete(&event, Field::Reasoning)?,
            "response.function_call_arguments.delta" => {
                if let Some(Text(piece)) = &event.delta {
                    let index = self.item(&event, None, false)?;
                    self.with(index, |item, pieces| item.push_arguments(piece, pieces));
                }
            }
            "response.function_call_arguments.done" => {
                if let Some(Text(whole)) = &event.arguments {
                    let index = self.item(&event, None, false)?;
                    self.with(index, |item, pieces| item.complete_arguments(whole, pieces));
                }
            }
            _ => {
                // Unknown events are skipped, unless they are errors.
                let error = event.error.filter(|_| !kind.starts_with("response."));
                let beside = error.and_then(|it| api_error::beside_answer(&it.0, data.as_bytes()));
                let flat = || {
                    kind.is_empty()
                        .then(|| api_error::in_place_of_answer(data.as_bytes()))
                        .flatten()
                };
                if let Some(error) = beside.or_else(flat) {
                    return Err(self.stream_error(error));
                }
            }
        }
        self.count(before)
    }

    /// Ends the response.
    fn end(
        &mut self,
        event: EventIn<'_>,
        data: &str,
        is_incomplete: bool,
    ) -> Result<(), ModelError> {
        let refuse = || in_event(DecodeError::new("the response is not an object"));
        let response = event.response.unwrap_or_default().0;
        let terminal: Terminal = read_event_response(&response, data).ok_or_else(refuse)?;
        // What was not streamed is in the response.
        let before = self.pieces.len();
        for (index, item) in terminal.output().iter().enumerate() {
            let known = self.position_of(item, index);
            let position = match known {
                Some(position) => position,
                None if self.items.len() <= index => self.add(None, None)?,
                None => continue,
            };
            self.take_item(position, item, true);
        }
        self.count(before)?;
        let mut items = self.items.clone();
        items.sort_by_key(|item| item.output_index.unwrap_or(u64::MAX));
        let streamed: Vec<_> = items.into_iter().filter_map(ItemAccumulator::finish).collect();
        let answer = terminal.into_answer(streamed, is_incomplete).ok_or_else(refuse)?;
        self.answer = Some(answer);
        self.is_done = true;
        Ok(())
    }

    fn take_item(&mut self, index: usize, item: &Json, done: bool) {
        let is_call = item.get("type").and_then(Json::as_str) == Some("function_call");
        let calls = self.calls;
        let is_new = self.items.get(index).is_some_and(|known| known.kind().is_empty());
        if is_call && is_new {
            self.calls += 1;
        }
        self.with(index, |known, pieces| {
            if is_call && is_new {
                known.set_call(calls);
            }
            known.take(item, done, pieces);
        });
    }

    fn push(&mut self, event: &EventIn<'_>, field: Field) -> Result<(), ModelError> {
        let Some(Text(piece)) = &event.delta else { return Ok(()) };
        let index = self.item(event, None, false)?;
        let part = part_index(event, field);
        self.with(index, |item, pieces| item.push(field, part, piece, pieces));
        Ok(())
    }

    fn complete(&mut self, event: &EventIn<'_>, field: Field) -> Result<(), ModelError> {
        let text = if field == Field::Refusal { &event.refusal } else { &event.text };
        let Some(Text(whole)) = text else { return Ok(()) };
        let index = self.item(event, None, false)?;
        let part = part_index(event, field);
        self.with(index, |item, pieces| item.complete(field, part, whole, pieces));
        Ok(())
    }

    fn with(&mut self, index: usize, act: impl FnOnce(&mut ItemAccumulator, &mut VecDeque<Delta>)) {
        if let Some(item) = self.items.get_mut(index) {
            act(item, &mut self.pieces);
        }
    }

    /// Returns the position of the item that an event is about: by its index, else by its id, else
    /// the last one that is open. A new item is added.
    fn item(
        &mut self,
        event: &EventIn<'_>,
        item: Option<&Json>,
        adds: bool,
    ) -> Result<usize, ModelError> {
        let output_index = event.output_index.map(|Count(index)| index);
        let id = event.item_id.as_ref().map(|id| id.0.to_string());
        let id = id.or_else(|| Some(item?.get("id")?.as_str()?.to_owned()));
        let id = id.filter(|id| !id.is_empty());
        let by_index = output_index
            .and_then(|index| self.items.iter().rposition(|item| item.output_index == Some(index)));
        let by_id = || {
            id.as_ref().and_then(|id| self.items.iter().rposition(|it| it.id.as_ref() == Some(id)))
        };
        let open = || {
            let is_last = output_index.is_none() && !adds;
            let last = || self.items.iter().rposition(|item| !item.is_done());
            is_last.then(last).flatten()
        };
        match by_index.or_else(by_id).or_else(open) {
            Some(index) => Ok(index),
            None => self.add(output_index, id),
        }
    }

    /// Returns the position of an item of the whole response.
    fn position_of(&self, item: &Json, index: usize) -> Option<usize> {
        let id = item.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
        let by_id = id.and_then(|id| self.items.iter().position(|it| it.id.as_deref() == Some(id)));
        let same = |known: &&ItemAccumulator| {
            known.kind().is_empty() || Some(known.kind()) == item.get("type").and_then(Json::as_str)
        };
        by_id.or_else(|| self.items.get(index).filter(same).map(|_| index))
    }

    fn add(&mut self, output_index: Option<u64>, id: Option<String>) -> Result<usize, ModelError> {
        if self.items.len() >= MAX_ITEMS {
            let what = format!("it has more than {MAX_ITEMS} output items");
            return Err(DecodeError::new(what).into());
        }
        self.items.push(ItemAccumulator::new(output_index, id));
        Ok(self.items.len() - 1)
    }

    /// Counts the bytes of the pieces after the first `before`.
    fn count(&mut self, before: usize) -> Result<(), ModelError> {
        let came: usize = self.pieces.iter().skip(before).map(size).sum();
        self.left = self.left.checked_sub(came).ok_or_else(|| {
            let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
            ModelError::BodyTooLarge { what: "the answer", limit }
        })?;
        Ok(())
    }
}

/// Returns which part of its item an event is about.
fn part_index(event: &EventIn<'_>, field: Field) -> Option<usize> {
    let index = if field == Field::Summary { event.summary_index } else { event.content_index };
    index.and_then(|Count(index)| usize::try_from(index).ok())
}
