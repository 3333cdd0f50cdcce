//! The fields of one object, taken out one by one, so that unknown fields can be reported.

use conversant_core::{Message, Value, Variables, nearest, shortened};
use serde_json::{Map, Value as Json};

use super::error::LoadError;
use crate::template_format::TemplateFormat;

/// Fields that LangChain writes and that say nothing while they are empty.
const EMPTY: &[&str] = &["additional_kwargs", "output_parser"];

/// Fields that LangChain writes and that say nothing here, or nothing more than the template does.
const IGNORED: &[&str] = &[
    "_type",
    "input_types",
    "input_variables",
    "metadata",
    "name",
    "optional_variables",
    "tags",
    "validate_template",
];

/// The fields of an object that are not read yet.
pub(super) struct Fields {
    left: Map<String, Json>,
    /// The names that were read.
    known: Vec<&'static str>,
}

impl Fields {
    /// Reads a value, which must be an object. `what` is its name in an error.
    pub(super) fn of(value: Json, what: &str) -> Result<Self, LoadError> {
        match value {
            Json::Object(left) => Ok(Self { left, known: Vec::new() }),
            _ => Err(field(what, "it is not an object")),
        }
    }

    /// Takes a field out; null counts as missing.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Json> {
        self.known.push(name);
        self.left.remove(name).filter(|value| !value.is_null())
    }

    pub(super) fn need(&mut self, name: &'static str) -> Result<Json, LoadError> {
        self.take(name).ok_or_else(|| LoadError::MissingField(name.to_owned()))
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, LoadError> {
        self.take(name).map(|value| text(value, name)).transpose()
    }

    pub(super) fn need_text(&mut self, name: &'static str) -> Result<String, LoadError> {
        text(self.need(name)?, name)
    }

    pub(super) fn flag(&mut self, name: &'static str) -> Result<bool, LoadError> {
        match self.take(name) {
            None => Ok(false),
            Some(value) => {
                value.as_bool().ok_or_else(|| field(name, "it is not `true` or `false`"))
            }
        }
    }

    pub(super) fn list(&mut self, name: &'static str) -> Result<Vec<Json>, LoadError> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Json::Array(items)) => Ok(items),
            // A list of examples may be given as a file's name.
            Some(Json::String(_)) => Err(LoadError::Refused(name.to_owned())),
            Some(_) => Err(field(name, "it is not a list")),
        }
    }

    pub(super) fn format(&mut self) -> Result<TemplateFormat, LoadError> {
        let Some(name) = self.text("template_format")? else { return Ok(TemplateFormat::FString) };
        TemplateFormat::from_name(&name).ok_or_else(|| {
            field("template_format", &format!("`{}` is not built in", shortened(&name)))
        })
    }

    pub(super) fn partials(&mut self) -> Result<Variables, LoadError> {
        match self.take("partial_variables") {
            None => Ok(Variables::new()),
            Some(value) => variables(value, "partial_variables"),
        }
    }

    /// Refuses what is left: paths first, then unknown fields.
    pub(super) fn finish(mut self) -> Result<(), LoadError> {
        self.left.retain(|name, value| !IGNORED.contains(&name.as_str()) && !value.is_null());
        // LangChain's default parser gives the text as it is.
        let is_default = |(name, value): (&String, &Json)| name == "_type" && value == "default";
        let is_empty =
            |value: &Json| value.as_object().is_some_and(|fields| fields.iter().all(is_default));
        self.left.retain(|name, value| !EMPTY.contains(&name.as_str()) || !is_empty(value));
        if let Some(name) = self.left.keys().find(|name| EMPTY.contains(&name.as_str())) {
            return Err(field(name, "it is not empty; prompts have no such part here"));
        }
        if let Some(name) = self.left.keys().find(|name| name.ends_with("path")) {
            return Err(LoadError::Refused(name.clone()));
        }
        match self.left.keys().next() {
            None => Ok(()),
            Some(name) => {
                let nearest = nearest(name, self.known.iter().copied()).map(str::to_owned);
                Err(LoadError::UnknownField { field: name.clone(), nearest })
            }
        }
    }
}

pub(super) fn field(name: &str, reason: &str) -> LoadError {
    LoadError::Field { field: name.to_owned(), reason: reason.to_owned() }
}

pub(super) fn text(value: Json, name: &str) -> Result<String, LoadError> {
    match value {
        Json::String(text) => Ok(text),
        _ => Err(field(name, "it is not a text")),
    }
}

/// Reads variables: a list of stored messages is messages, all else is what it is in JSON.
pub(crate) fn variables(value: Json, name: &str) -> Result<Variables, LoadError> {
    let Json::Object(entries) = value else { return Err(field(name, "it is not an object")) };
    Ok(entries.into_iter().map(|(name, value)| (name, variable(value))).collect())
}

fn variable(value: Json) -> Value {
    let messages = match &value {
        Json::Array(items) if !items.is_empty() => {
            items.iter().map(|item| Message::from_stored(item.clone()).ok()).collect()
        }
        _ => None,
    };
    messages.map_or_else(|| Value::from(value), |messages: Vec<Message>| Value::from(messages))
}
