//! One message as it goes out to the Responses interface: as one input item or several.
//!
//! The output items of an answer go back in order to the server that they came from, without their
//! ids: the server stores nothing, so it would not find them. Encrypted reasoning goes back to the
//! same model only.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
};

use conversant_core::{Content, Message, Part, PartKind, Role, python::json_dumps};
use serde_json::{Map, Value as Json, json};

use super::output::{OUTPUT, STATUS, id_of_other_call, item_type, message_text};
use crate::wire::{
    body_writer::Encode,
    open_calls::OpenCalls,
    origin::{Origin, OriginMatch},
    raw_calls::raw_calls,
};

/// The settings of an adapter that change how a message is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct ResponsesStyle {
    /// Whether system messages go out with the role `developer`.
    developer_role: bool,
    pub(crate) origin: Origin,
    /// Whether reasoning is left out, because the server refused it.
    without_reasoning: bool,
    fingerprint: u64,
}

impl ResponsesStyle {
    pub(crate) fn new(developer_role: bool, origin: Origin) -> Self {
        Self { developer_role, origin, without_reasoning: false, fingerprint: 0 }.with_fingerprint()
    }

    /// Returns the style that leaves reasoning out.
    pub(crate) fn without_reasoning(&self) -> Self {
        Self { without_reasoning: true, ..self.clone() }.with_fingerprint()
    }

    fn with_fingerprint(mut self) -> Self {
        let mut hasher = DefaultHasher::new();
        ("responses", self.developer_role, self.without_reasoning).hash(&mut hasher);
        self.origin.hash_of().hash(&mut hasher);
        self.fingerprint = hasher.finish();
        self
    }

    /// Returns the input items of a message, at least one.
    fn items(&self, message: &Message, calls: &mut OpenCalls) -> Vec<Json> {
        match message.role() {
            Role::System => {
                let role = if self.developer_role { "developer" } else { "system" };
                vec![input_message(role, message.content())]
            }
            Role::Ai => {
                self.add_calls(message, calls);
                self.answer(message)
            }
            Role::Tool => vec![call_output(message, calls)],
            Role::Chat(role) => vec![input_message(role, message.content())],
            // The interface has no messages of functions.
            _ => vec![input_message("user", message.content())],
        }
    }

    /// Returns the output items of an answer, if they go back to where they came from.
    fn returned<'m>(&self, message: &'m Message) -> Option<(&'m Vec<Json>, OriginMatch)> {
        let origin_match = self.origin.compare(message);
        let kwargs = message.extra().get("additional_kwargs")?;
        let output = kwargs.get(OUTPUT)?.as_array()?;
        let goes_back = origin_match.is_same_endpoint() && matches_message(output, message);
        goes_back.then_some((output, origin_match))
    }

    fn answer(&self, message: &Message) -> Vec<Json> {
        if let Some((output, origin_match)) = self.returned(message) {
            let is_incomplete = message
                .extra()
                .get("response_metadata")
                .is_some_and(|metadata| metadata.get(STATUS).is_some());
            let keeps_reasoning = !self.without_reasoning && !is_incomplete;
            let item = |item: &Json| to_input_item(item, origin_match, keeps_reasoning);
            let items: Vec<_> = output.iter().filter_map(item).collect();
            if !items.is_empty() {
                return items;
            }
        }
        let mut items = Vec::new();
        let kwargs = message.extra().get("additional_kwargs");
        let text = answer_text(message.content());
        let refusal = kwargs.and_then(|kwargs| kwargs.get("refusal")?.as_str());
        let calls = message.tool_calls();
        let invalid = message.invalid_tool_calls();
        let mut raw = raw_calls(message).peekable();
        let has_calls = !calls.is_empty() || !invalid.is_empty() || raw.peek().is_some();
        let part = match refusal.filter(|_| text.is_empty()) {
            Some(refusal) => json!({"type": "refusal", "refusal": refusal}),
            None => json!({"type": "output_text", "text": text, "annotations": []}),
        };
        if !text.is_empty() || refusal.is_some() || !has_calls {
            items.push(json!({"type": "message", "role": "assistant", "content": [part]}));
        }
        items.extend(calls.iter().map(|call| {
            let arguments = json_dumps(&call.args);
            function_call(call.id.as_deref(), &call.name, &arguments)
        }));
        items.extend(invalid.iter().map(|call| {
            let arguments = call.args.as_deref().unwrap_or_default();
            function_call(call.id.as_deref(), call.name.as_deref().unwrap_or_default(), arguments)
        }));
        items.extend(raw.map(|call| function_call(call.id, call.name, call.arguments)));
        items
    }
}

impl Encode for ResponsesStyle {
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn add_calls(&self, message: &Message, calls: &mut OpenCalls) {
        // Calls of other kinds than functions are invalid ones.
        if message.invalid_tool_calls().is_empty() {
            return;
        }
        let Some((output, _)) = self.returned(message) else { return };
        for item in output {
            if let Some(id) = id_of_other_call(item, output) {
                calls.add(id, item_type(item));
            }
        }
    }

    fn write(&self, out: &mut Vec<u8>, message: &Message, calls: &mut OpenCalls) {
        for (index, item) in self.items(message, calls).iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            // Writing values with string keys to a vector cannot fail.
            let _ = serde_json::to_writer(&mut *out, item);
        }
    }
}

fn function_call(id: Option<&str>, name: &str, arguments: &str) -> Json {
    json!({
        "type": "function_call",
        "call_id": id.unwrap_or_default(),
        "name": name,
        "arguments": arguments,
    })
}

/// Returns the result of a call in the form of its kind.
fn call_output(message: &Message, calls: &OpenCalls) -> Json {
    let id = message.tool_call_id().unwrap_or_default();
    let text = || message.text().into_owned();
    let is_failed = || message.is_tool_error();
    match calls.kind(id) {
        Some("custom_tool_call") => json!({
            "type": "custom_tool_call_output",
            "call_id": id,
            "output": input_content(message.content()),
        }),
        Some("apply_patch_call") => json!({
            "type": "apply_patch_call_output",
            "call_id": id,
            "status": if is_failed() { "failed" } else { "completed" },
            "output": text(),
        }),
        Some("shell_call") => {
            let (stdout, stderr) =
                if is_failed() { (String::new(), text()) } else { (text(), String::new()) };
            let outcome = json!({"type": "exit", "exit_code": u8::from(is_failed())});
            let output = json!({"stdout": stdout, "stderr": stderr, "outcome": outcome});
            json!({"type": "shell_call_output", "call_id": id, "output": [output]})
        }
        Some("local_shell_call") => {
            json!({"type": "local_shell_call_output", "call_id": id, "output": text()})
        }
        // What the adapter cannot ask anyone about is not approved.
        Some("mcp_approval_request") => json!({
            "type": "mcp_approval_response",
            "approval_request_id": id,
            "approve": false,
            "reason": text(),
        }),
        // A screenshot, which is the output of a `computer_call`, is not text.
        _ => json!({
            "type": "function_call_output",
            "call_id": id,
            "output": input_content(message.content()),
        }),
    }
}

fn input_message(role: &str, content: &Content) -> Json {
    json!({"type": "message", "role": role, "content": input_content(content)})
}

/// Returns whether items still match their message, which may have been edited.
fn matches_message(output: &[Json], message: &Message) -> bool {
    let of_type = |kind: &'static str| output.iter().filter(move |item| item_type(item) == kind);
    let text: String = of_type("message").filter_map(message_text).collect();
    let of_functions = || of_type("function_call").filter_map(|item| item.get("call_id")?.as_str());
    let others = || output.iter().filter_map(|item| id_of_other_call(item, output));
    let ids = || of_functions().chain(others()).filter(|id| !id.is_empty());
    let calls = message.tool_calls().iter().map(|call| call.id.as_deref());
    let invalid = message.invalid_tool_calls().iter().map(|call| call.id.as_deref());
    let known: Vec<_> = calls.chain(invalid).flatten().collect();
    // A call without an id has got one since.
    let nameless = others().filter(|id| id.is_empty()).count();
    text == answer_text(message.content())
        && (ids().count()..=ids().count() + nameless).contains(&known.len())
        && ids().all(|id| known.contains(&id))
}

/// Returns an output item as an input item, or `None` if it does not go back.
fn to_input_item(item: &Json, origin_match: OriginMatch, keeps_reasoning: bool) -> Option<Json> {
    let fields = item.as_object()?;
    let take = |names: &[&str]| {
        let mut taken = Map::new();
        for name in names {
            if let Some(value) = fields.get(*name).filter(|value| !value.is_null()) {
                taken.insert((*name).to_owned(), value.clone());
            }
        }
        taken
    };
    let mut sent = match item_type(item) {
        "message" => take(&["type", "role", "content", "phase"]),
        "function_call" => take(&["type", "call_id", "name", "arguments", "namespace"]),
        "reasoning" if keeps_reasoning => {
            take(&["type", "summary", "content", "encrypted_content"])
        }
        "reasoning" => return None,
        // It is not known what of it matters.
        _ => return Some(item.clone()),
    };
    sent.entry("type").or_insert_with(|| item_type(item).into());
    if item_type(item) == "reasoning" {
        let is_blank = |value: &Json| value.as_str() == Some("");
        if origin_match != OriginMatch::SameModel
            || sent.get("encrypted_content").is_some_and(is_blank)
        {
            sent.shift_remove("encrypted_content");
        }
        if sent.get("content").and_then(Json::as_array).is_some_and(Vec::is_empty) {
            sent.shift_remove("content");
        }
        if !sent.contains_key("encrypted_content") && !sent.contains_key("content") {
            return None;
        }
        sent.entry("summary").or_insert_with(|| json!([]));
    }
    Some(Json::Object(sent))
}

/// Returns the text of an answer: of parts, the text parts, joined.
fn answer_text(content: &Content) -> Cow<'_, str> {
    match content.as_text() {
        Some(text) => Cow::Borrowed(text),
        None => content.parts().iter().filter_map(Part::as_text).collect::<String>().into(),
    }
}

/// Returns content as the interface takes it: a text, or parts by its own names.
fn input_content(content: &Content) -> Json {
    match content.as_text() {
        Some(text) => text.into(),
        None => content.parts().iter().filter_map(input_part).collect(),
    }
}

fn input_part(part: &Part) -> Option<Json> {
    if let Some(text) = part.as_text() {
        let mut sent = Map::new();
        sent.insert("type".to_owned(), "input_text".into());
        sent.insert("text".to_owned(), text.into());
        // Such as a cache breakpoint.
        let others = part.as_object().into_iter().flatten();
        let others = others.filter(|(name, _)| !matches!(name.as_str(), "type" | "text"));
        sent.extend(others.map(|(name, value)| (name.clone(), value.clone())));
        return Some(sent.into());
    }
    let object = part.as_object()?;
    match part.kind() {
        PartKind::Reasoning => None,
        PartKind::Image => {
            let image = object.get("image_url");
            let url = image.and_then(|image| image.get("url").or(Some(image)));
            let Some(url) = url.filter(|url| url.is_string()) else { return Some(json!(object)) };
            let detail = image.and_then(|image| image.get("detail")).or(object.get("detail"));
            let mut sent = json!({"type": "input_image", "image_url": url});
            if let (Some(detail), Some(sent)) = (detail, sent.as_object_mut()) {
                sent.insert("detail".to_owned(), detail.clone());
            }
            Some(sent)
        }
        PartKind::File => {
            let Some(file) = object.get("file").and_then(Json::as_object) else {
                return Some(json!(object));
            };
            let mut sent = Map::new();
            sent.insert("type".to_owned(), "input_file".into());
            sent.extend(file.iter().map(|(name, value)| (name.clone(), value.clone())));
            Some(sent.into())
        }
        _ => Some(json!(object)),
    }
}
