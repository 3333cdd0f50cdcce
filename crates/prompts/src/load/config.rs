//! The forms of LangChain's `load_prompt`: an object with a `_type`.

use conversant_core::{Message, Variables};
use serde_json::Value as Json;

use super::{
    LoadError, LoadedPrompt, constructor,
    fields::{Fields, field, text, variables},
};
use crate::{
    ChatPromptTemplate, FewShotPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};

pub(super) fn prompt(value: Json) -> Result<LoadedPrompt, LoadError> {
    let mut fields = Fields::of(value, "prompt")?;
    match fields.text("_type")?.as_deref() {
        None | Some("prompt") => string(fields).map(LoadedPrompt::String),
        Some("few_shot") => few_shot(fields).map(LoadedPrompt::FewShot),
        Some("chat") => chat(fields).map(LoadedPrompt::Chat),
        Some(other) => Err(LoadError::UnknownType(other.to_owned())),
    }
}

/// Reads the fields of a string prompt; those of its constructor are the same.
pub(super) fn string(mut fields: Fields) -> Result<PromptTemplate, LoadError> {
    if fields.take("template_path").is_some() {
        return Err(LoadError::Refused("template_path".to_owned()));
    }
    let format = fields.format()?;
    let template = fields.need_text("template")?;
    let partials = fields.partials()?;
    fields.finish()?;
    let mut prompt = PromptTemplate::parse(template, format)?;
    for (name, value) in partials {
        prompt = prompt.with_partial(name, value);
    }
    Ok(prompt)
}

/// Reads a prompt that must be a string prompt, in either form.
pub(super) fn string_value(value: Json, name: &str) -> Result<PromptTemplate, LoadError> {
    match LoadedPrompt::from_value(value)? {
        LoadedPrompt::String(prompt) => Ok(prompt),
        _ => Err(field(name, "it is no string prompt")),
    }
}

/// Reads the fields of a few-shot prompt; those of its constructor are the same.
pub(super) fn few_shot(mut fields: Fields) -> Result<FewShotPromptTemplate, LoadError> {
    for path in ["example_prompt_path", "prefix_path", "suffix_path"] {
        if fields.take(path).is_some() {
            return Err(LoadError::Refused(path.to_owned()));
        }
    }
    let example = string_value(fields.need("example_prompt")?, "example_prompt")?;
    let examples: Result<Vec<Variables>, _> =
        fields.list("examples")?.into_iter().map(|item| variables(item, "examples")).collect();
    let mut builder = FewShotPromptTemplate::builder(example)
        .examples(examples?)
        .template_format(fields.format()?)
        .prefix(fields.text("prefix")?.unwrap_or_default())
        .suffix(fields.need_text("suffix")?);
    if let Some(separator) = fields.text("example_separator")? {
        builder = builder.example_separator(separator);
    }
    let partials = fields.partials()?;
    fields.finish()?;
    let mut prompt = builder.build()?;
    for (name, value) in partials {
        prompt = prompt.with_partial(name, value);
    }
    Ok(prompt)
}

/// Reads a chat prompt. LangChain writes no roles here and reads the first message as a human one; of
/// several messages without a role nobody could tell which is whose.
fn chat(mut fields: Fields) -> Result<ChatPromptTemplate, LoadError> {
    let items = fields.list("messages")?;
    let alone = items.len() == 1;
    let messages: Result<Vec<_>, _> = items.into_iter().map(|item| message(item, alone)).collect();
    let partials = fields.partials()?;
    fields.finish()?;
    let mut prompt = ChatPromptTemplate::from_messages(messages?)?;
    for (name, value) in partials {
        prompt = prompt.with_partial(name, value);
    }
    Ok(prompt)
}

fn message(value: Json, alone: bool) -> Result<MessageTemplate, LoadError> {
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
            None if alone => Ok(MessageTemplate::from(prompt)),
            None => Err(field("messages", "a message without a `role` must be the only one")),
        };
    }
    let kind = text(fields.need("type")?, "type")?;
    let content = fields.need("content")?;
    let stored = serde_json::json!({"type": kind, "data": {"content": content}});
    fields.finish()?;
    Message::from_stored(stored)
        .map(MessageTemplate::from)
        .map_err(|error| field("messages", &error.to_string()))
}

/// Reads the other fields of a placeholder; those of its constructor are the same.
pub(super) fn placeholder(
    name: String,
    mut fields: Fields,
) -> Result<MessagesPlaceholder, LoadError> {
    let mut placeholder = MessagesPlaceholder::new(name);
    if fields.flag("optional")? {
        placeholder = placeholder.optional();
    }
    if let Some(count) = fields.take("n_messages") {
        let count = count.as_u64().and_then(|count| usize::try_from(count).ok());
        let count = count.ok_or_else(|| field("n_messages", "it is no count"))?;
        placeholder = placeholder.last_n(count);
    }
    fields.finish()?;
    Ok(placeholder)
}
