//! Prompts as text that `LoadedPrompt` and LangChain's `load_prompt` read again.

use conversant_core::{Message, Role, Variables};
use serde::{Serialize, Serializer, ser::Error as _};
use serde_json::{Map, Value as Json, json};

use crate::{
    chat::{ChatPromptTemplate, ParsedPart, Part},
    few_shot::FewShotPromptTemplate,
    load,
    partials::Partials,
    prompt_template::PromptTemplate,
};

/// The reason why a prompt cannot be written.
struct Unwritable(&'static str);

impl Serialize for PromptTemplate {
    /// Writes the form with `_type: prompt`.
    ///
    /// # Errors
    ///
    /// If a partial variable is a function, or would be read as another value: a number that JSON
    /// lacks, an empty list of messages, or data in the form of messages.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        string(self).map_err(|error| S::Error::custom(error.0))?.serialize(serializer)
    }
}

impl Serialize for FewShotPromptTemplate {
    /// Writes the form with `_type: few_shot`.
    ///
    /// # Errors
    ///
    /// If a selector chooses the examples, if a partial variable is a function, or if a value would
    /// be read as another one, as in a [`PromptTemplate`].
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        few_shot(self).map_err(|error| S::Error::custom(error.0))?.serialize(serializer)
    }
}

impl Serialize for ChatPromptTemplate {
    /// Writes the form of LangChain's serialised objects, the only one of its forms that has roles.
    ///
    /// # Errors
    ///
    /// If a selector chooses examples, if a partial variable is a function, or if a value would be
    /// read as another one, as in a [`PromptTemplate`]. LangChain's form has neither chat prompts
    /// inside others, nor literal parts, nor templates of tools' messages.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        chat(self).map_err(|error| S::Error::custom(error.0))?.serialize(serializer)
    }
}

fn string(prompt: &PromptTemplate) -> Result<Json, Unwritable> {
    let mut fields = Map::new();
    fields.insert("_type".to_owned(), json!("prompt"));
    fields.extend(string_fields(prompt)?);
    Ok(Json::Object(fields))
}

fn string_fields(prompt: &PromptTemplate) -> Result<Map<String, Json>, Unwritable> {
    let mut fields = Map::new();
    fields.insert("input_variables".to_owned(), json!(prompt.input_variables()));
    fields.insert("template".to_owned(), json!(prompt.template()));
    fields.insert("template_format".to_owned(), json!(prompt.template_format().to_string()));
    fields.insert("partial_variables".to_owned(), partials(prompt.partials())?);
    Ok(fields)
}

fn few_shot(prompt: &FewShotPromptTemplate) -> Result<Json, Unwritable> {
    let examples =
        prompt.examples().ok_or(Unwritable("a selector's examples cannot be written"))?;
    let mut fields = Map::new();
    fields.insert("_type".to_owned(), json!("few_shot"));
    fields.insert("input_variables".to_owned(), json!(prompt.input_variables()));
    fields.insert("example_prompt".to_owned(), string(prompt.example_prompt())?);
    let examples = examples.iter().map(variables).collect::<Result<Vec<_>, _>>()?;
    fields.insert("examples".to_owned(), Json::Array(examples));
    fields.insert("prefix".to_owned(), json!(prompt.prefix().template()));
    fields.insert("suffix".to_owned(), json!(prompt.suffix().template()));
    fields.insert("example_separator".to_owned(), json!(prompt.example_separator()));
    let format = prompt.suffix().template_format().to_string();
    fields.insert("template_format".to_owned(), json!(format));
    fields.insert("partial_variables".to_owned(), partials(prompt.partials())?);
    Ok(Json::Object(fields))
}

fn chat(prompt: &ChatPromptTemplate) -> Result<Json, Unwritable> {
    let mut messages = Vec::new();
    for part in prompt.parts() {
        match part {
            Part::Literal(literal) => {
                for literal in literal {
                    messages.push(message(literal)?);
                }
            }
            Part::Template { role, template } => {
                messages.push(template_of(role, &string_object(template)?)?);
            }
            Part::Parts { role, parts } => {
                let parts: Result<Vec<_>, _> = parts.iter().map(part_object).collect();
                messages.push(template_of(role, &Json::Array(parts?))?);
            }
            Part::Placeholder(placeholder) => {
                let mut kwargs = json!({
                    "variable_name": placeholder.name(),
                    "optional": placeholder.is_optional(),
                });
                if let (Some(n), Json::Object(kwargs)) = (placeholder.limit(), &mut kwargs) {
                    kwargs.insert("n_messages".to_owned(), json!(n));
                }
                messages.push(object(&["prompts", "chat", "MessagesPlaceholder"], &kwargs));
            }
            Part::Selected(_) => return Err(Unwritable("a selector's examples cannot be written")),
            Part::Nested(_) => {
                return Err(Unwritable("a chat prompt inside another cannot be written"));
            }
        }
    }
    let kwargs = json!({
        "input_variables": prompt.input_variables(),
        "messages": messages,
        "partial_variables": partials(prompt.partials())?,
    });
    Ok(object(&["prompts", "chat", "ChatPromptTemplate"], &kwargs))
}

fn template_of(role: &Role, prompt: &Json) -> Result<Json, Unwritable> {
    let mut kwargs = json!({"prompt": prompt});
    let class = match role {
        Role::System => "SystemMessagePromptTemplate",
        Role::Human => "HumanMessagePromptTemplate",
        Role::Ai => "AIMessagePromptTemplate",
        Role::Chat(name) => {
            if let Json::Object(kwargs) = &mut kwargs {
                kwargs.insert("role".to_owned(), json!(name));
            }
            "ChatMessagePromptTemplate"
        }
        _ => return Err(Unwritable("a template of a tool's message cannot be written")),
    };
    Ok(object(&["prompts", "chat", class], &kwargs))
}

fn string_object(prompt: &PromptTemplate) -> Result<Json, Unwritable> {
    let kwargs = Json::Object(string_fields(prompt)?);
    Ok(object(&["prompts", "prompt", "PromptTemplate"], &kwargs))
}

fn part_object(part: &ParsedPart) -> Result<Json, Unwritable> {
    if let Some(text) = part.as_text() {
        return string_object(text);
    }
    let (url, detail) = part.as_image().ok_or(Unwritable("a literal part cannot be written"))?;
    // LangChain fills an image from the variables that are listed, and finds none itself.
    let mut variables = url.input_variables();
    variables.extend(detail.map(PromptTemplate::input_variables).unwrap_or_default());
    variables.sort_unstable();
    variables.dedup();
    let mut template = json!({"url": url.template()});
    if let (Some(detail), Json::Object(template)) = (detail, &mut template) {
        template.insert("detail".to_owned(), json!(detail.template()));
    }
    let kwargs = json!({
        "input_variables": variables,
        "template": template,
        "template_format": url.template_format().to_string(),
    });
    Ok(object(&["prompts", "image", "ImagePromptTemplate"], &kwargs))
}

fn message(message: &Message) -> Result<Json, Unwritable> {
    let class = match message.role() {
        Role::System => "SystemMessage",
        Role::Human => "HumanMessage",
        Role::Ai => "AIMessage",
        Role::Tool => "ToolMessage",
        Role::Function => "FunctionMessage",
        _ => "ChatMessage",
    };
    match message.to_stored().get_mut("data").map(Json::take) {
        Some(data) => Ok(object(&["schema", "messages", class], &data)),
        None => Err(Unwritable(
            "the result of a tool or function cannot be written without the id or name of its call",
        )),
    }
}

fn object(id: &[&str], kwargs: &Json) -> Json {
    let id: Vec<_> = std::iter::once("langchain").chain(id.iter().copied()).collect();
    json!({"lc": 1, "type": "constructor", "id": id, "kwargs": kwargs})
}

fn partials(partials: &Partials) -> Result<Json, Unwritable> {
    variables(&partials.values().ok_or(Unwritable("a partial function cannot be written"))?)
}

/// Returns the form from which the same variables are read again.
fn variables(values: &Variables) -> Result<Json, Unwritable> {
    let written = serde_json::to_value(values)
        .ok()
        .filter(|written| load::variables(written.clone(), "").is_ok_and(|read| read == *values));
    written.ok_or(Unwritable(
        "a value cannot be written: a number that JSON lacks, messages of which there are none, or \
         data in the form of messages",
    ))
}
