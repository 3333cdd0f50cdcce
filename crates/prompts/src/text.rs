//! One text template, whatever its format: its names, and filling it in.

use conversant_core::{PromptError, Value};
use conversant_template::{Argument, RenderError, Template};
use serde_json::Value as Json;

use crate::{TemplateError, partials::Values};

/// The language that a template is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateFormat {
    /// Python's `str.format` with plain names: `{name}`, `{price:.2f}`, `{{` for a brace.
    #[default]
    FString,
}

impl TemplateFormat {
    /// Tells how a literal brace is written.
    pub(crate) fn literal_braces(self) -> &'static str {
        match self {
            Self::FString => "literal braces are written `{{` and `}}`",
        }
    }
}

/// A parsed text template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextTemplate {
    FString(Template),
}

impl TextTemplate {
    pub(crate) fn parse(source: String, format: TemplateFormat) -> Result<Self, TemplateError> {
        match format {
            TemplateFormat::FString => Ok(Self::FString(Template::parse(source)?)),
        }
    }

    pub(crate) fn source(&self) -> &str {
        match self {
            Self::FString(template) => template.source(),
        }
    }

    pub(crate) fn format(&self) -> TemplateFormat {
        match self {
            Self::FString(_) => TemplateFormat::FString,
        }
    }

    /// Returns each name once, in order of first appearance, and whether it must have a value.
    pub(crate) fn names(&self) -> impl Iterator<Item = (&str, bool)> {
        match self {
            Self::FString(template) => {
                template.variables().iter().map(|name| (name.as_str(), true))
            }
        }
    }

    /// Renders the template. Every required name is known to have a value.
    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, PromptError> {
        match self {
            Self::FString(template) => {
                template.render(|name| values.get(name).map(argument)).map_err(fill_error)
            }
        }
    }
}

/// Turns a value into what a field is filled with: messages become a transcript, data becomes JSON.
fn argument(value: &Value) -> Argument<'_> {
    match value {
        Value::Text(text) => Argument::from(&**text),
        Value::Integer(number) => Argument::from(*number),
        Value::Float(number) => Argument::from(*number),
        Value::Data(data) => match (&**data, data.as_u64()) {
            (Json::Bool(truth), _) => Argument::from(*truth),
            (_, Some(number)) => Argument::from(number),
            (Json::Null, _) => Argument::from("None"),
            _ => Argument::from(data.to_string()),
        },
        other => Argument::from(other.to_text()),
    }
}

fn fill_error(error: RenderError) -> PromptError {
    match error {
        RenderError::Value { ref name, .. } => {
            PromptError::Value { name: name.clone(), source: Box::new(error) }
        }
        other => PromptError::Custom(Box::new(other)),
    }
}
