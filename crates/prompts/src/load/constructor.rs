//! The form of LangChain's serialised objects: `{"lc": 1, "type": "constructor", "id": […],
//! "kwargs": {…}}`.

use conversant_core::{Message, Role};
use serde_json::{Value as Json, json};

use super::{
    build,
    error::LoadError,
    fields::{Fields, field, text},
    loaded_prompt::LoadedPrompt,
};
use crate::chat::{MessageTemplate, PartTemplate};

/// An object: the name of its class, from the closed list, and its arguments.
struct Object {
    class: String,
    kwargs: Json,
}

impl Object {
    fn read(value: Json) -> Result<Self, LoadError> {
        let mut fields = Fields::of(value, "object")?;
        fields.take("lc");
        let kind = fields.need_text("type")?;
        if kind != "constructor" {
            return Err(LoadError::UnknownType(kind));
        }
        let id: Result<Vec<_>, _> =
            fields.list("id")?.into_iter().map(|part| text(part, "id")).collect();
        let id = id?;
        let kwargs = fields.take("kwargs").unwrap_or_else(|| json!({}));
        fields.take("graph");
        fields.finish()?;
        let unknown = || LoadError::UnknownType(id.join("."));
        let class = match id.as_slice() {
            [package, module, .., class]
                if matches!(package.as_str(), "langchain" | "langchain_core")
                    && matches!(module.as_str(), "prompts" | "schema" | "messages") =>
            {
                class
            }
            _ => return Err(unknown()),
        };
        if !CLASSES.contains(&class.as_str()) {
            return Err(unknown());
        }
        Ok(Self { class: class.clone(), kwargs })
    }
}

/// Everything that can be constructed.
const CLASSES: &[&str] = &[
    "AIMessage",
    "AIMessageChunk",
    "AIMessagePromptTemplate",
    "ChatMessage",
    "ChatMessageChunk",
    "ChatMessagePromptTemplate",
    "ChatPromptTemplate",
    "FewShotPromptTemplate",
    "FunctionMessage",
    "FunctionMessageChunk",
    "HumanMessage",
    "HumanMessageChunk",
    "HumanMessagePromptTemplate",
    "ImagePromptTemplate",
    "MessagesPlaceholder",
    "PromptTemplate",
    "SystemMessage",
    "SystemMessageChunk",
    "SystemMessagePromptTemplate",
    "ToolMessage",
    "ToolMessageChunk",
];

pub(super) fn prompt(value: Json) -> Result<LoadedPrompt, LoadError> {
    let Object { class, kwargs } = Object::read(value)?;
    match class.as_str() {
        "PromptTemplate" => build::string(Fields::of(kwargs, "kwargs")?).map(LoadedPrompt::String),
        "FewShotPromptTemplate" => {
            build::few_shot(Fields::of(kwargs, "kwargs")?).map(LoadedPrompt::FewShot)
        }
        "ChatPromptTemplate" => {
            build::chat(Fields::of(kwargs, "kwargs")?, |value, _| message(value))
                .map(LoadedPrompt::Chat)
        }
        _ => Err(field("id", "it is not a prompt")),
    }
}

/// Reads one element of a chat prompt: a message, a template or a placeholder.
pub(super) fn message(value: Json) -> Result<MessageTemplate, LoadError> {
    let Object { class, kwargs } = Object::read(value)?;
    if class == "MessagesPlaceholder" {
        let mut fields = Fields::of(kwargs, "kwargs")?;
        let name = fields.need_text("variable_name")?;
        return build::placeholder(name, fields).map(MessageTemplate::from);
    }
    let Some(class) = class.strip_suffix("PromptTemplate") else {
        return literal(&class, kwargs);
    };
    let mut fields = Fields::of(kwargs, "kwargs")?;
    let role = match class {
        "HumanMessage" => Role::Human,
        "AIMessage" => Role::Ai,
        "SystemMessage" => Role::System,
        "ChatMessage" => Role::Chat(fields.need_text("role")?),
        _ => return Err(field("messages", "it is not a message")),
    };
    let prompt = fields.need("prompt")?;
    fields.finish()?;
    match prompt {
        Json::Array(items) => {
            let parts: Result<Vec<_>, _> = items.into_iter().map(part).collect();
            Ok(MessageTemplate::parts(role, parts?))
        }
        prompt => Ok(MessageTemplate::from_prompt(role, build::string_value(prompt, "prompt")?)),
    }
}

fn part(value: Json) -> Result<PartTemplate, LoadError> {
    if value.get("id").is_some_and(|id| !names_class(id, "ImagePromptTemplate")) {
        return build::string_value(value, "prompt").map(PartTemplate::from);
    }
    let Object { kwargs, .. } = Object::read(value)?;
    let mut fields = Fields::of(kwargs, "kwargs")?;
    let format = fields.format()?;
    let mut template = Fields::of(fields.need("template")?, "template")?;
    let image = PartTemplate::image_url(template.need_text("url")?).with_format(format);
    let image = match template.text("detail")? {
        Some(detail) => image.with_detail(detail),
        None => image,
    };
    template.finish()?;
    fields.finish()?;
    Ok(image)
}

fn names_class(id: &Json, class: &str) -> bool {
    id.as_array().and_then(|id| id.last()).and_then(Json::as_str) == Some(class)
}

/// Reads a message that is not a template: braces in it are text.
fn literal(class: &str, kwargs: Json) -> Result<MessageTemplate, LoadError> {
    let name = class.strip_suffix("Chunk").unwrap_or(class);
    let kind = match name {
        "HumanMessage" => "human",
        "AIMessage" => "ai",
        "SystemMessage" => "system",
        "ToolMessage" => "tool",
        "FunctionMessage" => "function",
        "ChatMessage" => "chat",
        _ => return Err(field("messages", "it is not a message")),
    };
    let Json::Object(mut data) = kwargs else { return Err(field("kwargs", "it is not an object")) };
    data.remove("type");
    Message::from_stored(json!({"type": kind, "data": data}))
        .map(MessageTemplate::from)
        .map_err(|error| field("messages", &error.to_string()))
}
