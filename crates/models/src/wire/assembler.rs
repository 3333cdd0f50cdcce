//! Puts the events of a streamed answer together.

use std::{borrow::Cow, collections::VecDeque};

use conversant_core::{
    Content, DecodeError, Delta, FinishReason, ModelError, PartialReply, ToolCallDelta, Usage,
};
use serde_json::{Map, Value as Json};

use super::{
    decode::{read_event, refuse_event},
    lenient::{Text, TextOr, lenient},
    pattern::Pattern,
    reply::{Answer, CallIn, Draft, MessageIn, finish_reason},
    sse::SseEvent,
    usage::UsageIn,
};
use crate::api_error::of_error;

/// The payload that ends a stream.
const DONE: &str = "[DONE]";
/// The most tool calls of an answer: an index is a server's word, and costs nothing to claim.
const MOST_CALLS: usize = 1024;

lenient! {
    struct ChunkIn<'de> {
        model: Text<'de>,
        choices: Vec<ChoiceIn<'de>>,
        usage: Box<UsageIn>,
        error: Box<Json>,
    }
    struct ChoiceIn<'de> {
        index: u64,
        delta: MessageIn<'de>,
        text: Text<'de>,
        finish_reason: Text<'de>,
    }
}

impl<'de> ChunkIn<'de> {
    /// Returns the text of a chunk that says nothing else, as it stands in the JSON.
    fn only_text(&self) -> Option<&'de str> {
        let Self { choices: Some(choices), usage: None, error: None, .. } = self else {
            return None;
        };
        let [ChoiceIn { index: None | Some(0), delta, text, finish_reason: None, .. }] =
            choices.as_slice()
        else {
            return None;
        };
        match (text, delta) {
            (Some(Text(Cow::Borrowed(text))), None)
            | (
                None,
                Some(MessageIn {
                    content: Some(TextOr::Text(Cow::Borrowed(text))),
                    refusal: None,
                    tool_calls: None,
                    function_call: None,
                    reasoning_content: None,
                    reasoning: None,
                    ..
                }),
            ) => Some(text),
            _ => None,
        }
    }
}

/// A streamed answer, as far as it has come: of the chat or the completion endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Assembler {
    choices: Vec<Growing>,
    /// How many choices were asked for.
    wanted: usize,
    model: Option<String>,
    usage: Option<Usage>,
    pattern: Pattern,
    /// How many bytes of the answer may still come.
    left: usize,
    limit: usize,
}

/// One choice, as far as it has come.
#[derive(Debug, Default, Clone)]
struct Growing {
    text: Option<String>,
    refusal: Option<String>,
    reasoning_content: String,
    /// Reasoning under the name that some gateways use.
    reasoning: String,
    calls: Vec<GrowingCall>,
    function_call: Map<String, Json>,
    finish_reason: Option<FinishReason>,
}

#[derive(Debug, Default, Clone)]
struct GrowingCall {
    index: Option<u64>,
    id: Option<String>,
    name: Option<String>,
    arguments: String,
}

impl Assembler {
    /// Starts an answer of so many choices, of at most so many bytes.
    pub(crate) fn new(wanted: usize, limit: usize) -> Self {
        Self {
            choices: Vec::new(),
            wanted: wanted.max(1),
            model: None,
            usage: None,
            pattern: Pattern::default(),
            left: limit,
            limit,
        }
    }

    /// Takes an event, and appends the pieces that it brings. Returns whether it ends the stream.
    ///
    /// # Errors
    /// [`ModelError`], if it is an error or can't be read.
    pub(crate) fn take(
        &mut self,
        event: SseEvent<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<bool, ModelError> {
        if event.event == "error" {
            return Err(self.stream_error(event.data));
        }
        if event.data == DONE {
            return Ok(true);
        }
        if event.data.is_empty() {
            return Ok(false);
        }
        if let Some(growing) = self.choices.first_mut()
            && let Some(text) = self.pattern.text_of(event.data)
        {
            growing.take_text(text, pieces);
            return self.count(text.len()).map(|()| false);
        }
        let chunk: ChunkIn<'_> = read_event(event.data)?;
        if let Some(text) = chunk.only_text() {
            self.pattern.learn(event.data, text);
        }
        if chunk.error.is_some() {
            return Err(self.stream_error(event.data));
        }
        if self.model.is_none() {
            self.model = chunk.model.map(Text::into_string).filter(|model| !model.is_empty());
        }
        if let Some(usage) = chunk.usage.and_then(|usage| usage.into_usage()) {
            self.usage = Some(usage);
        }
        for choice in chunk.choices.unwrap_or_default() {
            self.take_choice(choice, pieces)?;
        }
        Ok(false)
    }

    fn take_choice(
        &mut self,
        choice: ChoiceIn<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        let index = usize::try_from(choice.index.unwrap_or(0)).unwrap_or(usize::MAX);
        if index >= self.wanted {
            return Err(refuse_event("a choice has an index that was not asked for"));
        }
        if self.choices.len() <= index {
            self.choices.resize_with(index + 1, Growing::default);
        }
        let Some(growing) = self.choices.get_mut(index) else { return Ok(()) };
        let before = pieces.len();
        if let Some(text) = choice.text {
            growing.take_text(&text.0, pieces);
        }
        if let Some(delta) = choice.delta {
            growing.take_delta(delta, pieces)?;
        }
        if let Some(reason) = finish_reason(choice.finish_reason) {
            growing.finish_reason = Some(reason);
        }
        let came: usize = pieces.iter().skip(before).map(size).sum();
        if index > 0 {
            // Further choices are the reply's; their pieces are nobody's.
            pieces.truncate(before);
        }
        self.count(came)
    }

    /// Counts bytes of the answer.
    fn count(&mut self, bytes: usize) -> Result<(), ModelError> {
        self.left = self.left.checked_sub(bytes).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn too_large(&self) -> ModelError {
        let limit = u64::try_from(self.limit).unwrap_or(u64::MAX);
        ModelError::BodyTooLarge { what: "the answer", limit }
    }

    fn stream_error(&self, data: &str) -> ModelError {
        let json: Json = serde_json::from_str(data).unwrap_or_else(|_| data.into());
        let mut error = of_error(json.get("error").unwrap_or(&json));
        error.body = super::decode::kept(data.as_bytes());
        ModelError::Stream { error: Box::new(error), partial: self.partial() }
    }

    /// Returns whether every choice has said why it ended.
    pub(crate) fn is_finished(&self) -> bool {
        self.choices.len() == self.wanted
            && self.choices.iter().all(|choice| choice.finish_reason.is_some())
    }

    /// Returns the text that has come.
    pub(crate) fn partial(&self) -> PartialReply {
        let text = self.choices.first().and_then(|choice| choice.text.as_deref());
        PartialReply::new(text.unwrap_or_default())
    }

    /// Returns the answer, put together.
    ///
    /// # Errors
    /// [`ModelError::EmptyAnswer`], if nothing has come.
    pub(crate) fn finish(self, done_marker_seen: bool) -> Result<Answer, ModelError> {
        let drafts = self.choices.into_iter().map(|choice| Ok(choice.finish()));
        let mut answer = Answer::of(drafts, self.model, self.usage)?;
        answer.reply.done_marker_seen = done_marker_seen;
        Ok(answer)
    }
}

/// Returns how much a piece adds to the answer.
fn size(piece: &Delta) -> usize {
    match piece {
        Delta::Text(text) | Delta::Reasoning(text) | Delta::Refusal(text) => text.len(),
        Delta::ToolCall(call) => call.arguments.len() + call.name.as_ref().map_or(0, String::len),
        _ => 0,
    }
}

impl Growing {
    fn take_text(&mut self, text: &str, pieces: &mut VecDeque<Delta>) {
        self.text.get_or_insert_default().push_str(text);
        if !text.is_empty() {
            pieces.push_back(Delta::Text(text.to_owned()));
        }
    }

    fn take_delta(
        &mut self,
        delta: MessageIn<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        match delta.content {
            None => {}
            Some(TextOr::Text(text)) => self.take_text(&text, pieces),
            Some(TextOr::Array(parts)) => {
                for text in parts.iter().filter_map(|part| part.get("text")?.as_str()) {
                    self.take_text(text, pieces);
                }
            }
            Some(TextOr::Object(_)) => {
                return Err(refuse_event("`content` is an object, not text"));
            }
        }
        if let Some(text) = delta.refusal.filter(|text| !text.0.is_empty()) {
            self.refusal.get_or_insert_default().push_str(&text.0);
            pieces.push_back(Delta::Refusal(text.into_string()));
        }
        if let Some(text) = delta.reasoning_content.filter(|text| !text.0.is_empty()) {
            self.reasoning_content.push_str(&text.0);
            pieces.push_back(Delta::Reasoning(text.into_string()));
        } else if let Some(Json::String(text)) =
            delta.reasoning.map(|text| *text).filter(|text| text != "")
        {
            self.reasoning.push_str(&text);
            pieces.push_back(Delta::Reasoning(text));
        }
        for call in delta.tool_calls.unwrap_or_default() {
            self.take_call(call, pieces)?;
        }
        if let Some(Json::Object(call)) = delta.function_call.map(|call| *call) {
            for (name, value) in call {
                match (self.function_call.get_mut(&name), value) {
                    (Some(Json::String(text)), Json::String(more)) => text.push_str(&more),
                    (Some(_), _) | (None, Json::Null) => {}
                    (None, value) => {
                        self.function_call.insert(name, value);
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes a piece of a tool call. Servers differ: an index may be missing, an id or a name may come again with each piece, and
    /// calls of different ids may have one index.
    fn take_call(
        &mut self,
        call: CallIn<'_>,
        pieces: &mut VecDeque<Delta>,
    ) -> Result<(), ModelError> {
        let id = call.id.map(Text::into_string).filter(|id| !id.is_empty());
        let known = self.calls.iter().rposition(|known| {
            let same_index = call.index.is_none() || known.index == call.index;
            let same_id = match (&known.id, &id) {
                (Some(known), Some(id)) => known == id,
                (None, Some(_)) => call.index.is_some(),
                (_, None) => true,
            };
            same_index && same_id
        });
        let position = known.unwrap_or(self.calls.len());
        let beyond = call.index.is_some_and(|index| index >= MOST_CALLS as u64);
        if beyond || position >= MOST_CALLS {
            return Err(refuse_event("a tool call has an index beyond all measure"));
        }
        if known.is_none() {
            self.calls.push(GrowingCall { index: call.index, ..GrowingCall::default() });
        }
        let Some(growing) = self.calls.get_mut(position) else { return Ok(()) };
        let mut piece = ToolCallDelta::new(position);
        if growing.id.is_none() && id.is_some() {
            growing.id.clone_from(&id);
            piece.id = id;
        }
        let function = call.function.unwrap_or_default();
        if let Some(name) = function.name.map(Text::into_string).filter(|name| !name.is_empty())
            && growing.name.as_ref() != Some(&name)
        {
            growing.name.get_or_insert_default().push_str(&name);
            piece.name = Some(name);
        }
        piece.arguments = function.arguments.unwrap_or_default().into_json_text();
        growing.arguments.push_str(&piece.arguments);
        pieces.push_back(Delta::ToolCall(piece));
        Ok(())
    }

    fn finish(self) -> Draft {
        let mut draft = Draft {
            content: self.text.map(Content::Text),
            refusal: self.refusal,
            finish_reason: self.finish_reason,
            ..Draft::default()
        };
        for call in self.calls {
            draft.push_call(call.id, call.name, call.arguments);
        }
        let function_call = (!self.function_call.is_empty()).then_some(self.function_call);
        draft.keep("function_call", function_call.map(Json::Object));
        draft.keep("reasoning_content", Some(Json::String(self.reasoning_content)));
        draft.keep("reasoning", Some(Json::String(self.reasoning)));
        draft
    }
}

impl From<super::sse::SseError> for ModelError {
    fn from(error: super::sse::SseError) -> Self {
        match error {
            super::sse::SseError::TooLarge { what, limit } => {
                Self::BodyTooLarge { what, limit: u64::try_from(limit).unwrap_or(u64::MAX) }
            }
            error @ super::sse::SseError::Utf8 { .. } => DecodeError::new(error.to_string()).into(),
        }
    }
}
