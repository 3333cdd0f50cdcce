//! The forms of LangChain's `load_prompt`: an object with a `_type`.

use conversant_core::Message;
use serde_json::Value as Json;

use super::{
    build::{chat, few_shot, placeholder, string, string_value},
    constructor,
    error::LoadError,
    fields::{Fields, field, text},
    loaded_prompt::LoadedPrompt,
};
use crate::chat::MessageTemplate;

/// The fields of a literal message besides its content.
const MESSAGE_FIELDS: [&str; 9] = [
    "additional_kwargs",
    "example",
    "id",
    "invalid_tool_calls",
    "name",
    "response_metadata",
    "role",
    "tool_call_id",
    "tool_calls",
];

pub(super) fn prompt(value: Json) -> Result<LoadedPrompt, LoadError> {
    let mut fields = Fields::of(value, "prompt")?;
    match fields.text("_type")?.as_deref() {
        None | Some("prompt") => string(fields).map(LoadedPrompt::String),
        Some("few_shot") => few_shot(fields).map(LoadedPrompt::FewShot),
        Some("chat") => chat(fields, message).map(LoadedPrompt::Chat),
        Some(other) => Err(LoadError::UnknownType(other.to_owned())),
    }
}

/// Reads a message of a chat prompt. LangChain writes no roles here and reads the first message as
/// a human one. The texts of several messages without a role cannot be assigned to messages.
fn message(value: Json, is_only: bool) -> Result<MessageTemplate, LoadError> {
    if value.get("lc").is_some() {
        return constructor::message(value);
    }
    let mut fields = Fields::of(value, "messages")?;
    if let Some(name) = fields.text("variable_name")? {
        return placeholder(name, fields).map(MessageTemplate::from);
    }
    if let Some(prompt) = fields.take("prompt") {
        let prompt = string_value(prompt, "prompt")?;
        let role = fields.text("role")?;
        fields.finish()?;
        return match role {
            Some(role) => {
                Ok(MessageTemplate::from_prompt(conversant_core::Role::from_name(&role), prompt))
            }
            None if is_only => Ok(MessageTemplate::from(prompt)),
            None => Err(field("messages", "a message without a `role` must be the only one")),
        };
    }
    let kind = text(fields.need("type")?, "type")?;
    let mut data = serde_json::Map::new();
    data.insert("content".to_owned(), fields.need("content")?);
    for name in MESSAGE_FIELDS {
        data.extend(fields.take(name).map(|value| (name.to_owned(), value)));
    }
    let stored = serde_json::json!({"type": kind, "data": data});
    fields.finish()?;
    Message::from_stored(stored)
        .map(MessageTemplate::from)
        .map_err(|error| field("messages", &error.to_string()))
}
