//! The prompts that both forms describe by the same fields.

use conversant_core::Variables;
use serde_json::Value as Json;

use super::{
    error::LoadError,
    fields::{Fields, field, variables},
    loaded_prompt::LoadedPrompt,
};
use crate::{
    chat::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder},
    few_shot::FewShotPromptTemplate,
    prompt_template::PromptTemplate,
};

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
        _ => Err(field(name, "it is not a string prompt")),
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
        let count = count.ok_or_else(|| field("n_messages", "it is not a count"))?;
        placeholder = placeholder.last_n(count);
    }
    fields.finish()?;
    Ok(placeholder)
}

/// Reads the fields of a chat prompt. `message` reads one message, and whether it is the only one.
pub(super) fn chat(
    mut fields: Fields,
    message: impl Fn(Json, bool) -> Result<MessageTemplate, LoadError>,
) -> Result<ChatPromptTemplate, LoadError> {
    let items = fields.list("messages")?;
    let is_only = items.len() == 1;
    let messages: Result<Vec<_>, _> =
        items.into_iter().map(|item| message(item, is_only)).collect();
    let partials = fields.partials()?;
    fields.finish()?;
    let mut prompt = ChatPromptTemplate::from_messages(messages?)?;
    for (name, value) in partials {
        prompt = prompt.with_partial(name, value);
    }
    Ok(prompt)
}
