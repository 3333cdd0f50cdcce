//! From a decoded answer to what a call returns.

use conversant_core::{
    Choice, Content, DecodeError, FinishReason, InvalidToolCall, Message, ModelError, Part, Reply,
    ToolCall, Usage,
};
use serde_json::{Map, Value as Json};

use super::{
    lenient::{Text, TextOr, lenient},
    tool_arguments::read_call,
};

lenient! {
    /// A message, or the part of one that a stream brings.
    struct MessageIn<'de> {
        content: TextOr<'de>,
        refusal: Text<'de>,
        tool_calls: Vec<CallIn<'de>>,
        function_call: Box<Json>,
        reasoning_content: Text<'de>,
        reasoning: Box<Json>,
        audio: Box<Json>,
    }
    struct CallIn<'de> {
        index: u64,
        id: Text<'de>,
        function: FunctionIn<'de>,
    }
    struct FunctionIn<'de> {
        name: Text<'de>,
        arguments: TextOr<'de>,
    }
}

/// An answer as it was decoded, before it is judged.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) reply: Reply,
    /// Whether there was no content at all, not even an empty text.
    pub(crate) is_absent: bool,
    pub(crate) refusal: Option<String>,
}

/// One choice of an answer, whichever way it came.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) content: Option<Content>,
    pub(super) refusal: Option<String>,
    pub(super) tool_calls: Vec<ToolCall>,
    pub(super) invalid_tool_calls: Vec<InvalidToolCall>,
    /// What is kept in `additional_kwargs`.
    pub(super) kwargs: Option<Box<Map<String, Json>>>,
    pub(super) finish_reason: Option<FinishReason>,
}

impl Draft {
    /// Reads a choice's message.
    pub(super) fn read(
        message: &mut MessageIn<'_>,
        finish_reason: Option<FinishReason>,
    ) -> Result<Self, ModelError> {
        let mut draft = Self { finish_reason, ..Self::default() };
        draft.content = match message.content.take() {
            None => None,
            Some(TextOr::Text(text)) => Some(Content::Text(text.into_owned())),
            Some(TextOr::Array(parts)) => {
                Some(Content::Parts(parts.into_iter().filter_map(part).collect()))
            }
            Some(TextOr::Object(_)) => {
                return Err(DecodeError::new("`content` is an object, not text").into());
            }
        };
        for call in message.tool_calls.take().unwrap_or_default() {
            let function = call.function.unwrap_or_default();
            let arguments = function.arguments.unwrap_or_default().into_json_text();
            draft.push_call(
                call.id.map(Text::into_string),
                function.name.map(Text::into_string),
                arguments,
            );
        }
        draft.refusal = message.refusal.take().map(Text::into_string);
        draft.keep("function_call", message.function_call.take().map(|call| *call));
        let reasoning = message.reasoning_content.take();
        draft.keep("reasoning_content", reasoning.map(|text| Json::String(text.into_string())));
        draft.keep("reasoning", message.reasoning.take().map(|text| *text));
        draft.keep("audio", message.audio.take().map(|audio| *audio));
        Ok(draft)
    }

    pub(super) fn push_call(
        &mut self,
        id: Option<String>,
        name: Option<String>,
        arguments: String,
    ) {
        match read_call(id, name, arguments) {
            Ok(call) => self.tool_calls.push(call),
            Err(call) => self.invalid_tool_calls.push(*call),
        }
    }

    #[inline]
    pub(super) fn keep(&mut self, name: &str, value: Option<Json>) {
        if let Some(value) = value.filter(|value| value.as_str() != Some("")) {
            self.kwargs.get_or_insert_default().insert(name.to_owned(), value);
        }
    }

    fn is_absent(&self) -> bool {
        self.content.is_none()
            && self.tool_calls.is_empty()
            && self.invalid_tool_calls.is_empty()
            && !self.has("function_call")
            && !self.has("audio")
    }

    /// Returns whether something was kept.
    fn has(&self, name: &str) -> bool {
        self.kwargs.as_ref().is_some_and(|kwargs| kwargs.contains_key(name))
    }

    fn into_choice(mut self) -> Choice {
        let refusal = self.refusal.take();
        self.keep("refusal", refusal.map(Json::String));
        let mut message = Message::ai(self.content.unwrap_or_default());
        if !self.tool_calls.is_empty() {
            message = message.with_tool_calls(self.tool_calls);
        }
        if !self.invalid_tool_calls.is_empty() {
            message = message.with_invalid_tool_calls(self.invalid_tool_calls);
        }
        if let Some(kwargs) = self.kwargs {
            message = message.with_extra("additional_kwargs", *kwargs);
        }
        Choice::new(message, self.finish_reason)
    }
}

fn part(part: Json) -> Option<Part> {
    serde_json::from_value(part).ok()
}

impl Answer {
    /// Makes an answer of its choices, the first of them being the answer.
    ///
    /// # Errors
    /// [`ModelError::EmptyAnswer`], if there is none; the first error of a choice.
    pub(super) fn of(
        choices: impl IntoIterator<Item = Result<Draft, ModelError>>,
        model: Option<String>,
        usage: Option<Usage>,
    ) -> Result<Self, ModelError> {
        let mut choices = choices.into_iter();
        let first = choices.next().ok_or(ModelError::EmptyAnswer { finish_reason: None })??;
        let (is_absent, refusal) = (first.is_absent(), first.refusal.clone());
        let first = first.into_choice();
        let mut reply = Reply::new(first.message);
        reply.finish_reason = first.finish_reason;
        (reply.model, reply.usage) = (model, usage);
        for choice in choices {
            reply.alternatives.push(choice?.into_choice());
        }
        Ok(Self { reply, is_absent, refusal: refusal.filter(|text| !text.is_empty()) })
    }
}

/// Reads why a model ended; an empty reason is none.
pub(super) fn finish_reason(reason: Option<Text<'_>>) -> Option<FinishReason> {
    reason.filter(|reason| !reason.0.is_empty()).map(|reason| FinishReason::from(&*reason.0))
}
