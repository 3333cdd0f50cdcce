//! One message as it goes out: the object that langchain-openai 0.1.7 sends for it, straight to
//! bytes.
//!
//! The server that a message came from gets back what it sent: reasoning and other fields of
//! [`provider_fields`](super::provider_fields), parts that only it understands, and the form of
//! empty content. Any other server gets text, images and tool calls only.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hash, Hasher},
    io,
};

use conversant_core::{
    Content, Message, Part, PartKind, Role, fnv1a, json_text::push_text, python::json_dumps,
};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{
    answer::EMPTY_CONTENT,
    body_writer::Encode,
    open_calls::OpenCalls,
    origin::{Origin, OriginMatch},
    provider_fields::{Replay, find},
};
use crate::dialect::{Dialect, EmptyContent, SendBack, ToolCallIds};

/// The settings of an adapter that change how a message is written.
#[derive(Debug, Clone, Default)]
pub(crate) struct Style {
    /// Whether system messages go out with the role `developer`.
    pub(crate) developer_role: bool,
    pub(crate) dialect: Dialect,
    pub(crate) origin: Origin,
    fingerprint: u64,
}

impl Style {
    pub(crate) fn new(developer_role: bool, dialect: Dialect, origin: Origin) -> Self {
        let mut hasher = DefaultHasher::new();
        (developer_role, dialect, origin.hash_of()).hash(&mut hasher);
        Self { developer_role, dialect, origin, fingerprint: hasher.finish() }
    }

    fn try_write(&self, out: &mut Vec<u8>, message: &Message) -> io::Result<()> {
        let calls = Calls::of(message);
        let origin_match = self.origin.compare(message);
        out.push(b'{');
        let start = out.len();
        self.write_content(out, message, origin_match, !matches!(calls, Calls::None))?;
        if out.len() > start {
            out.push(b',');
        }
        out.extend_from_slice(b"\"role\":");
        self.write_role(out, message.role());
        if matches!(message.role(), Role::Tool) {
            if let Some(id) = message.tool_call_id() {
                out.extend_from_slice(b",\"tool_call_id\":");
                push_text(out, &self.tool_call_id(id));
            }
        } else if let Some(name) = name(message)
            && (self.dialect.message_names || matches!(message.role(), Role::Function))
        {
            out.extend_from_slice(b",\"name\":");
            push_text(out, name);
        }
        if matches!(message.role(), Role::Ai) {
            self.write_fields(out, message, origin_match, &calls)?;
        }
        calls.write(out, self, origin_match)?;
        out.push(b'}');
        Ok(())
    }

    fn write_role(&self, out: &mut Vec<u8>, role: &Role) {
        let name: &[u8] = match role {
            Role::System if self.developer_role => b"\"developer\"",
            Role::System => b"\"system\"",
            Role::Human => b"\"user\"",
            Role::Ai => b"\"assistant\"",
            Role::Tool => b"\"tool\"",
            Role::Function => b"\"function\"",
            Role::Chat(role) => return push_text(out, role),
            // A role that this version does not know.
            other => return push_text(out, other.type_name()),
        };
        out.extend_from_slice(name);
    }

    /// Writes the fields that go back to the server of the message.
    fn write_fields(
        &self,
        out: &mut Vec<u8>,
        message: &Message,
        origin_match: OriginMatch,
        calls: &Calls<'_>,
    ) -> io::Result<()> {
        let kwargs = message.extra().get("additional_kwargs").and_then(Json::as_object);
        let mut has_reasoning = false;
        for (name, value) in kwargs.into_iter().flatten() {
            let goes_back = find(name).is_some_and(|field| origin_match.replays(field.replay));
            let is_refused = match self.dialect.reasoning {
                SendBack::Never => is_reasoning(name),
                SendBack::NotAsReasoningContent => name == REASONING_CONTENT,
                SendBack::AsReceived | SendBack::EmptyOnToolCalls => false,
            };
            if goes_back && !is_refused {
                has_reasoning |= name == REASONING_CONTENT;
                write_field(out, name, value)?;
            }
        }
        let wants_reasoning = self.dialect.reasoning == SendBack::EmptyOnToolCalls;
        if wants_reasoning && !has_reasoning && !matches!(calls, Calls::None) {
            write_field(out, REASONING_CONTENT, "")?;
        }
        Ok(())
    }

    /// Returns the id of a tool call as the server accepts it.
    fn tool_call_id<'i>(&self, id: &'i str) -> Cow<'i, str> {
        match self.dialect.tool_call_ids {
            ToolCallIds::Any => Cow::Borrowed(id),
            ToolCallIds::NineAlphanumeric => nine_alphanumeric(id),
        }
    }

    /// Writes `"content":` and the content, or nothing if there is to be no content.
    fn write_content(
        &self,
        out: &mut Vec<u8>,
        message: &Message,
        origin_match: OriginMatch,
        has_calls: bool,
    ) -> io::Result<()> {
        const NAME: &[u8] = b"\"content\":";
        let content = message.content();
        let goes_empty = || {
            let says = |part: &Part| part.as_text() != Some("");
            let goes = |part: &Part| says(part) && self.sends(part, message, origin_match);
            !content.parts().iter().any(goes) && content.as_text().is_none_or(str::is_empty)
        };
        if has_calls && goes_empty() {
            return match self.empty_content(message, origin_match) {
                EmptyContent::Absent => Ok(()),
                EmptyContent::Text => {
                    out.extend_from_slice(b"\"content\":\"\"");
                    Ok(())
                }
                EmptyContent::Null => {
                    out.extend_from_slice(b"\"content\":null");
                    Ok(())
                }
            };
        }
        out.extend_from_slice(NAME);
        match content {
            Content::Text(text) => {
                push_text(out, text);
                Ok(())
            }
            Content::Parts(parts) => self.write_parts(out, message, parts, origin_match),
            // A form that this version does not know is sent as its text.
            other => write_json(out, &other.text()),
        }
    }

    /// Returns the form of empty content: as it came, to the server that it came from.
    fn empty_content(&self, message: &Message, origin_match: OriginMatch) -> EmptyContent {
        if !origin_match.is_same_endpoint() {
            return self.dialect.empty_content;
        }
        let metadata = message.extra().get("response_metadata");
        match metadata.and_then(|metadata| metadata.get(EMPTY_CONTENT)?.as_str()) {
            Some("absent") => EmptyContent::Absent,
            Some("text") => EmptyContent::Text,
            _ => self.dialect.empty_content,
        }
    }

    /// Returns whether a part goes to the server.
    fn sends(&self, part: &Part, message: &Message, origin_match: OriginMatch) -> bool {
        let is_answer = || message.extra().contains_key("response_metadata");
        match part.kind() {
            PartKind::Reasoning if self.dialect.reasoning == SendBack::Never => false,
            PartKind::Reasoning if is_signed(part) => origin_match == OriginMatch::SameModel,
            PartKind::Reasoning => origin_match.is_same_endpoint(),
            PartKind::Other if is_answer() => origin_match.is_same_endpoint() && !is_tool_use(part),
            _ => !is_tool_use(part),
        }
    }

    fn write_parts(
        &self,
        out: &mut Vec<u8>,
        message: &Message,
        parts: &[Part],
        origin_match: OriginMatch,
    ) -> io::Result<()> {
        if let Some(text) = plain_text(parts) {
            push_text(out, &text);
            return Ok(());
        }
        let sent: Vec<_> =
            parts.iter().filter(|part| self.sends(part, message, origin_match)).collect();
        // Without its reasoning, an answer is usually text.
        let had_reasoning = parts.iter().any(|part| part.kind() == PartKind::Reasoning);
        let left_out = had_reasoning && sent.len() < parts.len();
        if left_out && sent.iter().all(|part| part.as_text().is_some()) {
            let text: String = sent.iter().filter_map(|part| part.as_text()).collect();
            push_text(out, &text);
            return Ok(());
        }
        write_json(out, &sent)
    }
}

impl Encode for Style {
    fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    fn write(&self, out: &mut Vec<u8>, message: &Message, _: &mut OpenCalls) {
        // Writing values with string keys to a vector cannot fail.
        let _ = self.try_write(out, message);
    }
}

const REASONING_CONTENT: &str = "reasoning_content";

fn is_reasoning(field: &str) -> bool {
    field.starts_with("reasoning") || field.starts_with("thinking")
}

/// Returns whether a part of reasoning is bound to the model that wrote it.
fn is_signed(part: &Part) -> bool {
    part.as_object().is_some_and(|part| {
        ["signature", "data", "encrypted_content"].iter().any(|name| part.contains_key(*name))
    })
}

fn write_field(out: &mut Vec<u8>, name: &str, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    out.push(b',');
    push_text(out, name);
    out.push(b':');
    write_json(out, value)
}

/// Returns an id of nine letters and digits: the id itself if it is one, or a hash of it.
fn nine_alphanumeric(id: &str) -> Cow<'_, str> {
    const ALPHABET: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    if id.len() == 9 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Cow::Borrowed(id);
    }
    // The same in every version and on every machine, so that caches hit.
    let mut hash = fnv1a(id.bytes());
    let digits = std::iter::repeat_with(|| {
        let digit = usize::try_from(hash % 36).unwrap_or_default();
        hash /= 36;
        ALPHABET.get(digit).map_or('0', |byte| char::from(*byte))
    });
    Cow::Owned(digits.take(9).collect())
}

fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}

/// Returns the name of a participant or function, unless it is empty.
fn name(message: &Message) -> Option<&str> {
    let of_kwargs = || message.extra().get("additional_kwargs")?.get("name")?.as_str();
    message.name().filter(|name| !name.is_empty()).or_else(of_kwargs).filter(|n| !n.is_empty())
}

/// Returns the text of parts that are all plain text: many servers take a string only.
fn plain_text(parts: &[Part]) -> Option<Cow<'_, str>> {
    let plain = |part: &Part| match part.as_object() {
        None => true,
        Some(object) => part.as_text().is_some() && object.len() == 2,
    };
    if parts.is_empty() || !parts.iter().all(plain) {
        return None;
    }
    match parts {
        [part] => part.as_text().map(Cow::Borrowed),
        parts => {
            let lines: Vec<_> = parts.iter().filter_map(Part::as_text).collect();
            Some(Cow::Owned(lines.join("\n")))
        }
    }
}

/// Returns whether a part is another provider's form of a tool call, which is among the tool calls,
/// too.
fn is_tool_use(part: &Part) -> bool {
    part.as_object().and_then(|object| object.get("type")).is_some_and(|kind| kind == "tool_use")
}

/// The tool calls of a message, from where langchain-openai takes them.
enum Calls<'m> {
    None,
    /// The message's own, with the invalid ones last.
    Own(&'m Message),
    /// Raw ones: `tool_calls` and `function_call` as the provider sent them.
    Raw {
        tool_calls: Option<&'m Vec<Json>>,
        function_call: Option<&'m Json>,
    },
}

impl<'m> Calls<'m> {
    fn of(message: &'m Message) -> Self {
        if !matches!(message.role(), Role::Ai) {
            return Self::None;
        }
        if !message.tool_calls().is_empty() || !message.invalid_tool_calls().is_empty() {
            return Self::Own(message);
        }
        let Some(kwargs) = message.extra().get("additional_kwargs") else { return Self::None };
        let tool_calls = kwargs.get("tool_calls").and_then(Json::as_array);
        let function_call = kwargs.get("function_call").filter(|call| !call.is_null());
        if tool_calls.is_none() && function_call.is_none() {
            return Self::None;
        }
        Self::Raw { tool_calls, function_call }
    }

    fn write(&self, out: &mut Vec<u8>, style: &Style, origin_match: OriginMatch) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Own(message) => {
                out.extend_from_slice(b",\"tool_calls\":[");
                for call in message.tool_calls() {
                    let arguments = json_dumps(&call.args);
                    let id = call.id.as_deref().map(|id| style.tool_call_id(id));
                    write_call(out, id.as_deref(), Some(&call.name), Some(&arguments))?;
                    write_call_fields(out, &call.extra, origin_match)?;
                }
                for call in message.invalid_tool_calls() {
                    let id = call.id.as_deref().map(|id| style.tool_call_id(id));
                    let (name, arguments) = (call.name.as_deref(), call.args.as_deref());
                    write_call(out, id.as_deref(), name, arguments)?;
                    write_call_fields(out, &call.extra, origin_match)?;
                }
                if out.last() == Some(&b',') {
                    out.pop();
                }
                out.push(b']');
                Ok(())
            }
            Self::Raw { tool_calls, function_call } => {
                if let Some(call) = function_call {
                    out.extend_from_slice(b",\"function_call\":");
                    write_json(out, call)?;
                }
                if let Some(calls) = tool_calls {
                    let calls: Vec<_> = calls.iter().map(|call| supported(call, style)).collect();
                    out.extend_from_slice(b",\"tool_calls\":");
                    write_json(out, &calls)?;
                }
                Ok(())
            }
        }
    }
}

/// Writes one call, without its last brace.
fn write_call(
    out: &mut Vec<u8>,
    id: Option<&str>,
    name: Option<&str>,
    arguments: Option<&str>,
) -> io::Result<()> {
    out.extend_from_slice(b"{\"type\":\"function\",\"id\":");
    write_json(out, &id)?;
    out.extend_from_slice(b",\"function\":{\"name\":");
    write_json(out, &name)?;
    out.extend_from_slice(b",\"arguments\":");
    write_json(out, &arguments)?;
    out.push(b'}');
    Ok(())
}

/// Writes the fields of a call that go back to its server, and ends the call with a comma.
fn write_call_fields(
    out: &mut Vec<u8>,
    extra: &Map<String, Json>,
    origin_match: OriginMatch,
) -> io::Result<()> {
    for (name, value) in extra {
        let field = find(name).filter(|field| field.replay != Replay::Never);
        if field.is_some_and(|field| origin_match.replays(field.replay)) {
            write_field(out, name, value)?;
        }
    }
    out.extend_from_slice(b"},");
    Ok(())
}

/// Returns the fields of a raw call that the endpoint takes, with its id as that of its result.
fn supported(call: &Json, style: &Style) -> Map<String, Json> {
    let fields = call.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| matches!(name.as_str(), "id" | "type" | "function"))
        .map(|(name, value)| match value.as_str().filter(|_| name == "id") {
            Some(id) => (name.clone(), Json::from(style.tool_call_id(id))),
            None => (name.clone(), value.clone()),
        })
        .collect()
}
