//! One message as it goes out: the object that langchain-openai 0.1.7 sends for it, straight to bytes.

use std::{borrow::Cow, io};

use conversant_core::{Content, Message, Part, Role};
use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::{json_text::push_text, python_json};

/// What of an adapter's settings changes how a message is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Style {
    /// Whether system messages go out with the role `developer`.
    pub(crate) developer_role: bool,
}

impl Style {
    /// Returns a number that is the same for settings that write the same.
    pub(crate) const fn fingerprint(self) -> u64 {
        self.developer_role as u64
    }

    /// Writes a message.
    pub(crate) fn write(self, out: &mut Vec<u8>, message: &Message) {
        // Writing to a vector can't fail, nor can writing what has string keys only.
        let _ = self.try_write(out, message);
    }

    fn try_write(self, out: &mut Vec<u8>, message: &Message) -> io::Result<()> {
        let calls = Calls::of(message);
        out.extend_from_slice(b"{\"content\":");
        write_content(out, message.content(), !matches!(calls, Calls::None))?;
        out.extend_from_slice(b",\"role\":");
        self.write_role(out, message.role());
        if matches!(message.role(), Role::Tool) {
            if let Some(id) = message.tool_call_id() {
                out.extend_from_slice(b",\"tool_call_id\":");
                push_text(out, id);
            }
        } else if let Some(name) = name(message) {
            out.extend_from_slice(b",\"name\":");
            push_text(out, name);
        }
        calls.write(out)?;
        out.push(b'}');
        Ok(())
    }

    fn write_role(self, out: &mut Vec<u8>, role: &Role) {
        let name: &[u8] = match role {
            Role::System if self.developer_role => b"\"developer\"",
            Role::System => b"\"system\"",
            Role::Human => b"\"user\"",
            Role::Ai => b"\"assistant\"",
            Role::Tool => b"\"tool\"",
            Role::Function => b"\"function\"",
            Role::Chat(role) => return push_text(out, role),
            // A role that core knows and this version does not.
            other => return push_text(out, other.type_name()),
        };
        out.extend_from_slice(name);
    }
}

fn write_json(out: &mut Vec<u8>, value: &(impl Serialize + ?Sized)) -> io::Result<()> {
    Ok(serde_json::to_writer(out, value)?)
}

/// The name of a participant or function; an empty one is none.
fn name(message: &Message) -> Option<&str> {
    let of_kwargs = || message.extra().get("additional_kwargs")?.get("name")?.as_str();
    message.name().filter(|name| !name.is_empty()).or_else(of_kwargs).filter(|n| !n.is_empty())
}

fn write_content(out: &mut Vec<u8>, content: &Content, has_calls: bool) -> io::Result<()> {
    match content {
        content if has_calls && content.is_empty() => write_json(out, &()),
        Content::Text(text) => {
            push_text(out, text);
            Ok(())
        }
        Content::Parts(parts) => match plain_text(parts) {
            Some(text) => {
                push_text(out, &text);
                Ok(())
            }
            None => {
                let sent: Vec<_> = parts.iter().filter(|part| !is_tool_use(part)).collect();
                if has_calls && sent.is_empty() {
                    return write_json(out, &());
                }
                write_json(out, &sent)
            }
        },
        // A form that core knows and this version does not: its text is what can be said of it.
        other => write_json(out, &other.text()),
    }
}

/// Returns the text of parts that are nothing but text: many servers take only a string.
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

/// Tells another provider's form of a tool call, which stands among the parts as well as in the calls.
fn is_tool_use(part: &Part) -> bool {
    part.as_object().and_then(|object| object.get("type")).is_some_and(|kind| kind == "tool_use")
}

/// The tool calls of a message, where the reference looks for them.
enum Calls<'m> {
    None,
    /// The message's own, the unreadable ones after the others.
    Own(&'m Message),
    /// Raw ones that ride along: `tool_calls` and `function_call` as the provider once sent them.
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

    fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::Own(message) => {
                out.extend_from_slice(b",\"tool_calls\":[");
                for call in message.tool_calls() {
                    let arguments = python_json::dumps(&call.args);
                    write_call(out, call.id.as_deref(), Some(&call.name), Some(&arguments))?;
                }
                for call in message.invalid_tool_calls() {
                    write_call(
                        out,
                        call.id.as_deref(),
                        call.name.as_deref(),
                        call.args.as_deref(),
                    )?;
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
                    let calls: Vec<_> = calls.iter().map(supported).collect();
                    out.extend_from_slice(b",\"tool_calls\":");
                    write_json(out, &calls)?;
                }
                Ok(())
            }
        }
    }
}

/// Writes one call, with a comma after it.
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
    out.extend_from_slice(b"}},");
    Ok(())
}

/// Returns of a raw call what the endpoint takes.
fn supported(call: &Json) -> Map<String, Json> {
    let fields = call.as_object().into_iter().flatten();
    fields
        .filter(|(name, _)| matches!(name.as_str(), "id" | "type" | "function"))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
