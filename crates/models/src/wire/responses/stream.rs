//! A streamed response, from bytes to pieces and the whole.

use std::{collections::VecDeque, mem};

use conversant_core::{ApiError, DecodeError, Delta, ModelError, PartialReply, Reply};
use serde_json::Value as Json;

use super::{
    final_output::{self, Messages},
    item_accumulator::{Field, ItemAccumulator},
    item_kind::ItemKind,
    item_places::ItemPlace,
    output::{Terminal, is_question, unless_refused},
};
use crate::wire::{
    accumulator::{is_error, size},
    answer::Answer,
    answer_decoder::{
        AnswerDecoder, DEFAULT_MAX_ANSWER, Ending, StreamedAnswer, Trial, event_limit,
        is_done_marker, is_keep_alive, take_apart,
    },
    api_error,
    decode::{in_event, read, without_nan},
    message_in::JsonText,
    sse::SseEvent,
    tolerant::{AnyValue, Count, Text, tolerant},
};

/// The maximum number of output items.
const MAX_ITEMS: usize = 1024;

/// The events that have the response as it ended.
const ENDS: &[&str] = &[
    "response.completed",
    "response.done",
    "response.incomplete",
    "response.failed",
    "response.cancelled",
];

/// The events of the answer itself.
const ANSWER_EVENTS: &[&str] = &[
    "response.output_text.",
    "response.refusal.",
    "response.reasoning_",
    "response.content_part.",
    "response.output_item.",
    "response.function_call_arguments.",
];

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
        arguments: JsonText<'de>,
        item: AnyValue,
        part: AnyValue,
        response: AnyValue,
        error: AnyValue,
        // Of a whole response in place of events.
        object: Text<'de>,
    }
}

/// Decodes a streamed response of the Responses interface.
///
/// Needs the feature `responses`.
///
/// A stream is whole if it ended with `response.completed` or `response.incomplete`, and with
/// nothing else: `[DONE]` alone does not make it whole.
///
/// That event has the output once more. It adds what was not streamed, and does not replace what
/// was by less: a text that came stays, and so does a call with its arguments. A call whose
/// arguments came twice and differ is [invalid](conversant_core::InvalidToolCall).
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
pub type ResponsesStreamDecoder = AnswerDecoder<ResponseAccumulator>;

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
        Self::of(ResponseAccumulator { left: answer, limit: answer, ..Default::default() }, event)
    }
}

/// A response, as far as it has come.
#[derive(Debug, Clone, Default)]
pub struct ResponseAccumulator {
    items: Vec<ItemAccumulator>,
    calls: usize,
    /// The pieces of the event that is being read.
    pieces: VecDeque<Delta>,
    answer: Option<Answer>,
    trial: Trial<Self>,
    /// The number of bytes that the event added without a piece.
    held: usize,
    /// The number of bytes of the answer that may still come.
    left: usize,
    limit: usize,
}

impl StreamedAnswer for ResponseAccumulator {
    const ENDS_WITH_DONE: bool = false;

    fn decoder(_choices: usize, max_bytes: usize) -> AnswerDecoder<Self> {
        AnswerDecoder::with_limit(max_bytes)
    }

    fn take(
        &mut self,
        event: SseEvent<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<bool, ModelError> {
        mem::swap(&mut self.pieces, pieces);
        let taken = self.take_data(event);
        mem::swap(&mut self.pieces, pieces);
        taken.map(|()| self.answer.is_some())
    }

    fn trial(&mut self) -> &mut Trial<Self> {
        &mut self.trial
    }

    fn ending(&self) -> Ending {
        if self.answer.is_some() { Ending::Certain } else { Ending::Open }
    }

    fn is_last(data: &str) -> bool {
        let kind = read::<EventIn<'_>>(data).ok().and_then(|event| event.kind);
        kind.is_some_and(|kind| ENDS.contains(&&*kind.0))
    }

    fn partial(&self) -> PartialReply {
        PartialReply::new(self.items.iter().map(ItemAccumulator::text).collect::<String>())
    }

    fn finish(self, _done_marker_seen: bool) -> Result<Answer, ModelError> {
        let partial = self.partial();
        self.answer.ok_or_else(|| ModelError::truncated(partial))
    }

    fn reply(answer: Answer) -> Result<Reply, ModelError> {
        unless_refused(answer)
    }
}

impl ResponseAccumulator {
    fn take_data(&mut self, event: SseEvent<'_>) -> Result<(), ModelError> {
        let data = event.data;
        if is_error(event.event) && !data.trim_start().starts_with('{') {
            return Err(self.stream_error(api_error::of_event(data)));
        }
        self.take_text(data)
    }

    fn take_text(&mut self, data: &str) -> Result<(), ModelError> {
        let trimmed = data.trim();
        if trimmed.is_empty() || is_done_marker(trimmed) || is_keep_alive(trimmed) {
            return Ok(());
        }
        let error = match read::<EventIn<'_>>(data) {
            Ok(event) => return self.take_read(event, data),
            Err(error) => error,
        };
        if let Some(taken) = take_apart(self, data) {
            let (_, mut pieces) = taken?;
            self.pieces.append(&mut pieces);
            return Ok(());
        }
        if let Some(error) = api_error::instead_of_answer(data.as_bytes()) {
            return Err(self.stream_error(error));
        }
        let Some(text) = without_nan(data) else { return Err(in_event(error)) };
        let event = read::<EventIn<'_>>(&text).map_err(in_event)?;
        self.take_read(event, data)
    }

    /// Takes an event, and lets the copy take it.
    fn take_read(&mut self, event: EventIn<'_>, data: &str) -> Result<(), ModelError> {
        let taken = self.take_event(event, data);
        if let Trial::Copy(copy) = &mut self.trial {
            // It fails as the response does.
            let _ = copy.take_text(data);
            copy.pieces.clear();
        }
        taken
    }

    fn take_event(&mut self, mut event: EventIn<'_>, data: &str) -> Result<(), ModelError> {
        let before = self.pieces.len();
        let kind = event.kind.as_ref().map(|kind| kind.0.to_string()).unwrap_or_default();
        // A whole response in place of events.
        let is_response =
            kind.is_empty() && event.object.as_ref().is_some_and(|object| object.0 == "response");
        let response = match kind.as_str() {
            _ if is_response => read(data).ok(),
            kind if ENDS.contains(&kind) => event.response.take(),
            _ => None,
        };
        let is_absent = response.is_none() && !is_response;
        let terminal = response.and_then(|AnyValue(response)| Terminal::of(response));
        if let Some(error) = error_of(&event, &kind, terminal.as_ref(), data) {
            return Err(self.stream_error(error));
        }
        match kind.as_str() {
            "" if is_response => return self.end(terminal, false),
            "response.completed" | "response.done" | "response.incomplete" => {
                let terminal = if is_absent { Some(Terminal::default()) } else { terminal };
                return self.end(terminal, kind.ends_with("incomplete"));
            }
            "response.output_item.added" | "response.output_item.done" => {
                let done = kind.ends_with("done");
                if let Some(AnyValue(item)) = event.item.as_ref().filter(|it| !is_question(&it.0)) {
                    let index = self.whole_item(&event, item, done)?;
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
                    let index = self.item(&event, ItemKind::FunctionCall)?;
                    self.with(index, |item, pieces| item.push_arguments(piece, pieces));
                }
            }
            "response.function_call_arguments.done" => {
                if let Some(JsonText(whole)) = &event.arguments {
                    let index = self.item(&event, ItemKind::FunctionCall)?;
                    self.with(index, |item, pieces| item.complete_arguments(whole, pieces));
                }
            }
            "response.content_part.done" => self.take_part(&event)?,
            // Unknown events are skipped.
            _ => {}
        }
        self.count(before)
    }

    /// Ends the response.
    fn end(&mut self, terminal: Option<Terminal>, is_incomplete: bool) -> Result<(), ModelError> {
        let refuse = || in_event(DecodeError::new("the response is not an object"));
        let mut terminal = terminal.ok_or_else(refuse)?;
        let output = terminal.take_output();
        if output.len() > MAX_ITEMS {
            return Err(too_many_items());
        }
        // What was not streamed is in the response.
        let before = self.pieces.len();
        let found = final_output::matches(&output, &self.items);
        let messages = final_output::messages(&output, &self.items, &found);
        let mut positions = Vec::with_capacity(output.len());
        for (item, found) in output.iter().zip(found) {
            let position = match found {
                _ if messages != Messages::Each && final_output::is_message(item) => None,
                Some(position) => Some(position),
                None => Some(self.add(None, None)?),
            };
            if let Some(position) = position {
                self.take_item(position, item, true);
            }
            positions.push(position);
        }
        if let Messages::AtEnd(rest) = &messages
            && !rest.is_empty()
        {
            self.pieces.push_back(Delta::Text(rest.clone()));
        }
        // It is in the limit of the event.
        self.held = 0;
        self.count(before)?;
        let items = mem::take(&mut self.items);
        let output = final_output::merge(output, items, &positions, &messages);
        self.answer = Some(terminal.into_answer(output, is_incomplete));
        Ok(())
    }

    fn take_item(&mut self, index: usize, item: &Json, done: bool) {
        let is_call = ItemKind::of(item) == Some(ItemKind::FunctionCall);
        let calls = self.calls;
        let is_new = self.items.get(index).is_some_and(|known| known.kind().is_none());
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
        let index = self.item(event, field.kind())?;
        let part = part_index(event, field);
        self.with(index, |item, pieces| item.push(field, part, piece, pieces));
        Ok(())
    }

    fn complete(&mut self, event: &EventIn<'_>, field: Field) -> Result<(), ModelError> {
        let text = if field == Field::Refusal { &event.refusal } else { &event.text };
        let Some(Text(whole)) = text else { return Ok(()) };
        let index = self.item(event, field.kind())?;
        let part = part_index(event, field);
        self.with(index, |item, pieces| item.complete(field, part, whole, pieces));
        Ok(())
    }

    /// Takes a part that is whole.
    fn take_part(&mut self, event: &EventIn<'_>) -> Result<(), ModelError> {
        let Some(AnyValue(part)) = &event.part else { return Ok(()) };
        let (name, field) = match part.get("type").and_then(Json::as_str) {
            Some("refusal") => ("refusal", Field::Refusal),
            Some("reasoning_text") => ("text", Field::Reasoning),
            _ => ("text", Field::Text),
        };
        let Some(whole) = part.get(name).and_then(Json::as_str) else { return Ok(()) };
        let index = self.item(event, field.kind())?;
        let part = part_index(event, field);
        self.with(index, |item, pieces| item.complete(field, part, whole, pieces));
        Ok(())
    }

    fn with(&mut self, index: usize, act: impl FnOnce(&mut ItemAccumulator, &mut VecDeque<Delta>)) {
        if let Some(item) = self.items.get_mut(index) {
            let before = item.held();
            act(item, &mut self.pieces);
            self.held += item.held() - before;
        }
    }

    /// Returns the position of the item that an event with a piece of a kind is about. A new item
    /// is added.
    fn item(&mut self, event: &EventIn<'_>, kind: ItemKind) -> Result<usize, ModelError> {
        let place = place(event);
        match place.of_piece(&self.items, kind) {
            Some(index) => Ok(index),
            None => self.add(place.output_index, place.id),
        }
    }

    /// Returns the position of the item that an event has. A new item is added.
    fn whole_item(
        &mut self,
        event: &EventIn<'_>,
        item: &Json,
        done: bool,
    ) -> Result<usize, ModelError> {
        let mut place = place(event);
        let id = item.get("id").and_then(Json::as_str).filter(|id| !id.is_empty());
        place.id = place.id.or(id);
        let known = match done {
            true => place.of_done(&self.items, item),
            false => place.of_added(&self.items, item),
        };
        known.map_or_else(|| self.add(place.output_index, place.id), Ok)
    }

    fn add(&mut self, output_index: Option<u64>, id: Option<&str>) -> Result<usize, ModelError> {
        if self.items.len() >= MAX_ITEMS {
            return Err(too_many_items());
        }
        self.held += id.map_or(0, str::len);
        self.items.push(ItemAccumulator::new(output_index, id.map(str::to_owned)));
        Ok(self.items.len() - 1)
    }

    /// Counts the bytes of the pieces after the first `before`, and those that were kept.
    fn count(&mut self, before: usize) -> Result<(), ModelError> {
        let pieces: usize = self.pieces.iter().skip(before).map(size).sum();
        let came = pieces.saturating_add(mem::take(&mut self.held));
        self.left = self.left.checked_sub(came).ok_or_else(|| {
            let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
            ModelError::BodyTooLarge { what: "the answer", limit, hint: None }
        })?;
        Ok(())
    }
}

/// Returns the error that an event is or has, or that its response has.
fn error_of(
    event: &EventIn<'_>,
    kind: &str,
    response: Option<&Terminal>,
    data: &str,
) -> Option<ApiError> {
    let body = data.as_bytes();
    let beside = || api_error::with_answer(&event.error.as_ref()?.0, body);
    match kind {
        "error" => Some(api_error::of_event(data)),
        "response.failed" | "response.cancelled" => {
            Some(response.map_or_else(|| api_error::of_event(data), |it| it.error_or_status(body)))
        }
        "response.completed" | "response.incomplete" | "response.done" => {
            beside().or_else(|| response?.failure(body))
        }
        "" => beside().or_else(|| match event.object.as_ref().map(|object| &*object.0) {
            Some("response") => response?.failure(body),
            _ => api_error::instead_of_piece(body),
        }),
        // Of the tools that the server runs, the model learns by itself.
        kind if kind.starts_with("response.")
            && !ANSWER_EVENTS.iter().any(|it| kind.starts_with(it)) =>
        {
            None
        }
        _ => beside(),
    }
}

fn too_many_items() -> ModelError {
    DecodeError::new(format!("it has more than {MAX_ITEMS} output items")).into()
}

/// Returns the place of an event's item.
fn place<'e>(event: &'e EventIn<'_>) -> ItemPlace<'e> {
    let id = event.item_id.as_ref().map(|id| &*id.0).filter(|id| !id.is_empty());
    ItemPlace { output_index: event.output_index.map(|Count(index)| index), id }
}

/// Returns which part of its item an event is about.
fn part_index(event: &EventIn<'_>, field: Field) -> Option<usize> {
    let index = if field == Field::Summary { event.summary_index } else { event.content_index };
    index.and_then(|Count(index)| usize::try_from(index).ok())
}
