//! A response: its output items become a message.

use conversant_core::{
    ApiError, Content, FinishReason, InvalidToolCall, Message, ModelError, Reply, ToolCall,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use super::call_arguments::disputed_call;
use crate::wire::{
    answer::Answer,
    api_error,
    tolerant::{AnyValue, List, Text, Tolerant, tolerant},
    tool_arguments::{CallReader, invalid},
    usage::UsageIn,
};

/// The field of `additional_kwargs` that holds the output items.
pub(super) const OUTPUT: &str = "output";
/// The field of `response_metadata` that says that a response is incomplete.
pub(super) const STATUS: &str = "status";

tolerant! {
    struct ResponseIn<'de> {
        status: Text<'de>,
        error: Box<AnyValue>,
        incomplete_details: Details<'de>,
        model: Text<'de>,
        output: List<AnyValue>,
        usage: Box<UsageIn<'de>>,
    }
    struct Details<'de> {
        reason: Text<'de>,
    }
}

/// Returns the reply of an answer, or the error of a refusal.
pub(super) fn unless_refused(answer: Answer) -> Result<Reply, ModelError> {
    let message = &answer.reply.message;
    let says_nothing = message.content().is_empty()
        && message.tool_calls().is_empty()
        && message.invalid_tool_calls().is_empty();
    match answer.refusal {
        Some(text) if says_nothing => Err(ModelError::Refused { text: text.into() }),
        _ => Ok(answer.reply),
    }
}

/// A response at the end of a stream.
#[derive(Default)]
pub(super) struct Terminal(ResponseIn<'static>);

impl Terminal {
    /// Reads a response, or returns `None` if it is not an object.
    pub(super) fn of(response: Json) -> Option<Self> {
        Tolerant::deserialize(response).ok()?.0.map(Self)
    }

    /// Returns the error of a response that its event says to be whole, if it is none.
    pub(super) fn failure(&self, body: &[u8]) -> Option<ApiError> {
        self.0.failure(body)
    }

    /// Returns the error of a response that failed: its own, or else its status.
    pub(super) fn error_or_status(&self, body: &[u8]) -> ApiError {
        self.0.error_or_status(body)
    }

    /// Makes the answer of output items.
    pub(super) fn into_answer(mut self, output: Output, is_incomplete: bool) -> Answer {
        if is_incomplete {
            self.0.status = Some(Text("incomplete".into()));
        }
        self.0.into_answer(output)
    }

    /// Takes the output items, if there are any.
    pub(super) fn take_output(&mut self) -> Vec<Json> {
        self.0.take_output()
    }
}

/// Output items that were put together.
#[derive(Debug, Default)]
pub(super) struct Output {
    items: Vec<Json>,
    /// The calls whose arguments came twice, and differ.
    disputed: Vec<usize>,
}

impl FromIterator<(Json, bool)> for Output {
    /// Collects items, each with whether its arguments are disputed.
    fn from_iter<I: IntoIterator<Item = (Json, bool)>>(items: I) -> Self {
        let mut output = Self::default();
        for (item, is_disputed) in items {
            if is_disputed {
                output.disputed.push(output.items.len());
            }
            output.items.push(item);
        }
        output
    }
}

impl ResponseIn<'_> {
    /// Returns the error of a response, or `None` if it has an answer or is not finished.
    pub(super) fn failure(&self, body: &[u8]) -> Option<ApiError> {
        let status = self.status.as_ref().map(|status| &*status.0);
        match status {
            None | Some("completed" | "incomplete" | "queued" | "in_progress") => {
                api_error::with_answer(&self.error.as_ref()?.0, body)
            }
            Some(_) => Some(self.error_or_status(body)),
        }
    }

    /// Returns whether the server still works on the response.
    pub(super) fn is_unfinished(&self) -> bool {
        self.status.as_ref().is_some_and(|it| matches!(&*it.0, "queued" | "in_progress"))
    }

    fn error_or_status(&self, body: &[u8]) -> ApiError {
        let error = self.error.as_ref();
        error.and_then(|error| api_error::with_answer(&error.0, body)).unwrap_or_else(|| {
            let status = self.status.as_ref().map_or("failed", |status| &status.0);
            api_error::of_code(status, "", body)
        })
    }

    fn take_output(&mut self) -> Vec<Json> {
        let items = self.output.take().unwrap_or_default().0.into_iter().map(|item| item.0);
        items.filter(|item| !is_question(item)).collect()
    }

    /// Makes the answer of a whole response.
    pub(super) fn into_whole_answer(mut self) -> Answer {
        let items = self.take_output();
        self.into_answer(Output { items, disputed: Vec::new() })
    }

    fn into_answer(self, output: Output) -> Answer {
        let items = &output.items;
        // An item may be cut off in a response that says to be complete.
        let is_incomplete = self.status.is_some_and(|status| status.0 == "incomplete")
            || items.iter().any(|item| item.get("status").is_some_and(|it| it == "incomplete"));
        let reason = self.incomplete_details.and_then(|details| details.reason);
        let reason = reason.filter(|reason| !reason.0.trim().is_empty());
        let has_calls = items.iter().any(|item| item_type(item) == "function_call");
        let finish_reason = match (is_incomplete, reason.as_ref().map(|reason| &*reason.0)) {
            (false, _) if has_calls => FinishReason::ToolCalls,
            (false, _) => FinishReason::Stop,
            (true, Some("max_output_tokens" | "max_tokens")) => FinishReason::Length,
            (true, Some(reason)) if FinishReason::from(reason).is_cut_off() => reason.into(),
            // A new reason is one, too.
            (true, Some(reason)) => format!("incomplete: {reason}").into(),
            (true, None) => "incomplete".into(),
        };
        let mut answer = answer_of(output, is_incomplete);
        answer.reply.finish_reason = Some(finish_reason);
        answer.reply.model = self.model.map(Text::into_string).filter(|model| !model.is_empty());
        answer.reply.usage = self.usage.and_then(|usage| usage.to_usage());
        answer
    }
}

/// Makes an answer of output items.
fn answer_of(output: Output, is_incomplete: bool) -> Answer {
    let Output { items, disputed } = output;
    let mut text: Option<String> = None;
    let mut refusal = String::new();
    let (mut calls, mut invalid_calls): (Vec<ToolCall>, Vec<InvalidToolCall>) = Default::default();
    let mut reader = CallReader::new(is_incomplete, items.iter().map(arguments_size).sum());
    for (index, item) in items.iter().enumerate() {
        match item_type(item) {
            "message" => {
                if let Some(piece) = message_text(item) {
                    text.get_or_insert_default().push_str(&piece);
                }
                refusal.push_str(&message_refusal(item));
            }
            "function_call" => {
                let field = |name: &str| item.get(name).and_then(Json::as_str).map(str::to_owned);
                let id = field("call_id").or_else(|| field("id")).filter(|id| !id.is_empty());
                let call = match disputed.contains(&index) {
                    true => Err(disputed_call(id, field("name"), arguments(item))),
                    false => reader.read(id, field("name"), arguments(item)),
                };
                match call {
                    Ok(call) => calls.push(call),
                    Err(call) => invalid_calls.push(*call),
                }
            }
            _ => {
                let id = id_of_other_call(item, &items);
                invalid_calls.extend(id.map(|id| *other_call(item, id)));
            }
        }
    }
    let is_absent = text.is_none()
        && refusal.is_empty()
        && calls.is_empty()
        && invalid_calls.is_empty()
        // An answer without any message may still be one: hosted tools write items of their own.
        && !items.iter().any(|item| !matches!(item_type(item), "message" | "reasoning" | ""));
    let mut kwargs = Map::new();
    if !refusal.is_empty() {
        kwargs.insert("refusal".to_owned(), refusal.as_str().into());
    }
    if !is_plain(&items) {
        kwargs.insert(OUTPUT.to_owned(), items.into());
    }
    let mut message = Message::ai(Content::Text(text.unwrap_or_default()));
    if !calls.is_empty() {
        message = message.with_tool_calls(calls);
    }
    if !invalid_calls.is_empty() {
        message = message.with_invalid_tool_calls(invalid_calls);
    }
    if !kwargs.is_empty() {
        message = message.with_extra("additional_kwargs", kwargs);
    }
    if is_incomplete {
        message = message.with_extra("response_metadata", json!({ STATUS: "incomplete" }));
    }
    let refusal = Some(refusal).filter(|text| !text.is_empty());
    Answer { reply: Reply::new(message), is_absent, refusal }
}

/// Returns whether a message's text and tool calls say all that items do, so that they can be
/// written anew: at most one message, without a phase or annotations, and then function calls.
fn is_plain(items: &[Json]) -> bool {
    let mut before = None;
    items.iter().all(|item| {
        let is_plain = match item_type(item) {
            "message" => before.is_none() && is_plain_message(item),
            "function_call" => item.get("namespace").is_none() && item.get("caller").is_none(),
            _ => false,
        };
        before = Some(item_type(item));
        is_plain
    })
}

fn is_plain_message(item: &Json) -> bool {
    let is_nothing = |field: Option<&Json>| {
        field.is_none_or(|field| field.is_null() || field.as_array().is_some_and(Vec::is_empty))
    };
    is_nothing(item.get("phase"))
        && parts(item).iter().all(|part| {
            part.get("type").and_then(Json::as_str) == Some("output_text")
                && is_nothing(part.get("annotations"))
        })
}

/// Returns the type of an item. Messages and calls may come without it: requests need none for
/// messages, and some servers answer so.
pub(super) fn item_type(item: &Json) -> &str {
    match item.get("type").and_then(Json::as_str) {
        Some(kind) if !kind.is_empty() => kind,
        _ => type_by_fields(item),
    }
}

fn type_by_fields(item: &Json) -> &'static str {
    let has = |name: &str| item.get(name).is_some_and(|value| !value.is_null());
    let is_text = |part: &Json| part.get("type").is_some_and(|kind| kind == "output_text");
    let is_answer = item.get("role").is_some_and(|role| role == "assistant");
    if (has("content") && is_answer) || parts(item).iter().any(is_text) {
        "message"
    } else if has("name") && has("arguments") {
        "function_call"
    } else {
        ""
    }
}

/// The types of calls that a program answers, other than those of functions.
const OTHER_CALLS: &[&str] = &[
    "custom_tool_call",
    "mcp_approval_request",
    "computer_call",
    "local_shell_call",
    "shell_call",
    "apply_patch_call",
];

/// Returns the id of a call that the adapter cannot make, and that the server does not answer by
/// itself among the items.
pub(super) fn id_of_other_call<'i>(item: &'i Json, items: &[Json]) -> Option<&'i str> {
    if !OTHER_CALLS.contains(&item_type(item)) {
        return None;
    }
    let text = |item: &'i Json, name: &str| item.get(name)?.as_str();
    let id = text(item, "call_id").or_else(|| text(item, "id")).unwrap_or_default();
    let is_answer = |other: &Json| {
        let is_output = item_type(other).ends_with("_output");
        is_output && other.get("call_id").is_some_and(|of| of == id)
    };
    (!items.iter().any(is_answer)).then_some(id)
}

/// Returns a call that the adapter cannot make.
fn other_call(item: &Json, id: &str) -> Box<InvalidToolCall> {
    let kind = item_type(item);
    let name = item.get("name").and_then(Json::as_str).unwrap_or(kind);
    let input = ["input", "arguments", "action", "operation"];
    let input = input.iter().find_map(|name| item.get(*name).filter(|value| !value.is_null()));
    let input = input.map(|input| input.as_str().map_or_else(|| input.to_string(), str::to_owned));
    let id = Some(id).filter(|id| !id.is_empty()).map(str::to_owned);
    let error = format!("it is a `{kind}`, and the adapter makes calls of functions only");
    invalid(id, Some(name.to_owned()), input.unwrap_or_default(), error)
}

/// Returns whether an item is a message that the model did not write: some servers repeat the
/// question.
pub(super) fn is_question(item: &Json) -> bool {
    let role = item.get("role").and_then(Json::as_str);
    role.is_some_and(|role| matches!(role, "user" | "system" | "developer"))
}

pub(super) fn parts(item: &Json) -> &[Json] {
    item.get("content").and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

/// Returns the text of a message item, if it has some: that of all its parts, without a separator.
pub(super) fn message_text(item: &Json) -> Option<String> {
    if let Some(text) = item.get("content").and_then(Json::as_str) {
        return Some(text.to_owned());
    }
    let mut texts = parts(item).iter().filter_map(|part| part.get("text")?.as_str()).peekable();
    texts.peek()?;
    Some(texts.collect())
}

pub(super) fn message_refusal(item: &Json) -> String {
    parts(item).iter().filter_map(|part| part.get("refusal")?.as_str()).collect()
}

/// Returns the size of a call's arguments, if they are text, in bytes.
fn arguments_size(item: &Json) -> usize {
    item.get("arguments").and_then(Json::as_str).map_or(0, str::len)
}

/// Returns the arguments of a call as JSON text.
pub(super) fn arguments(item: &Json) -> String {
    match item.get("arguments") {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}
