//! One text template, whatever its format: its names, and filling it in.

use std::fmt;
#[cfg(feature = "mustache")]
use std::sync::Arc;

use conversant_core::{PromptError, Value};
use conversant_template::{Argument, RenderError, Template};
use serde_json::Value as Json;

#[cfg(feature = "jinja")]
use crate::jinja::Jinja;
#[cfg(feature = "mustache")]
use crate::mustache::Mustache;
use crate::{TemplateError, partials::Values};

/// The language that a template is written in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TemplateFormat {
    /// Python's `str.format` with plain names: `{name}`, `{price:.2f}`, `{{` for a brace.
    #[default]
    FString,
    /// Jinja2: plain data, filters, conditions and loops; no functions, no methods, no other files.
    #[cfg(feature = "jinja")]
    Jinja2,
    /// Mustache: names, sections, inverted sections and comments; no partials, no lambdas.
    #[cfg(feature = "mustache")]
    Mustache,
}

impl fmt::Display for TemplateFormat {
    /// Writes the name that LangChain gives the format: `f-string`, `jinja2`, `mustache`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FString => "f-string",
            #[cfg(feature = "jinja")]
            Self::Jinja2 => "jinja2",
            #[cfg(feature = "mustache")]
            Self::Mustache => "mustache",
        })
    }
}

impl TemplateFormat {
    /// Returns the format that LangChain gives this name, if it is built in.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_prompts::TemplateFormat;
    ///
    /// assert_eq!(TemplateFormat::from_name("f-string"), Some(TemplateFormat::FString));
    /// assert_eq!(TemplateFormat::from_name("perl"), None);
    /// ```
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "f-string" => Some(Self::FString),
            #[cfg(feature = "jinja")]
            "jinja2" => Some(Self::Jinja2),
            #[cfg(feature = "mustache")]
            "mustache" => Some(Self::Mustache),
            _ => None,
        }
    }

    /// Tells how a literal brace is written.
    pub(crate) fn literal_braces(self) -> &'static str {
        match self {
            Self::FString => "literal braces are written `{{` and `}}`",
            #[cfg(feature = "jinja")]
            Self::Jinja2 => "literal braces are written `{{ '{{' }}`",
            #[cfg(feature = "mustache")]
            Self::Mustache => "literal braces need other delimiters: `{{=<% %>=}}`",
        }
    }
}

/// A parsed text template.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TextTemplate {
    FString(Template),
    #[cfg(feature = "jinja")]
    Jinja2(Jinja),
    #[cfg(feature = "mustache")]
    Mustache(Arc<Mustache>),
}

impl TextTemplate {
    pub(crate) fn parse(source: String, format: TemplateFormat) -> Result<Self, TemplateError> {
        match format {
            TemplateFormat::FString => Ok(Self::FString(Template::parse(source)?)),
            #[cfg(feature = "jinja")]
            TemplateFormat::Jinja2 => Ok(Self::Jinja2(Jinja::parse(source)?)),
            #[cfg(feature = "mustache")]
            TemplateFormat::Mustache => Ok(Self::Mustache(Arc::new(Mustache::parse(source)?))),
        }
    }

    pub(crate) fn source(&self) -> &str {
        match self {
            Self::FString(template) => template.source(),
            #[cfg(feature = "jinja")]
            Self::Jinja2(template) => template.source(),
            #[cfg(feature = "mustache")]
            Self::Mustache(template) => template.source(),
        }
    }

    pub(crate) fn format(&self) -> TemplateFormat {
        match self {
            Self::FString(_) => TemplateFormat::FString,
            #[cfg(feature = "jinja")]
            Self::Jinja2(_) => TemplateFormat::Jinja2,
            #[cfg(feature = "mustache")]
            Self::Mustache(_) => TemplateFormat::Mustache,
        }
    }

    /// Returns each name once, in order of first appearance, and whether it must have a value.
    pub(crate) fn names(&self) -> Vec<(&str, bool)> {
        match self {
            Self::FString(template) => {
                template.variables().iter().map(|name| (name.as_str(), true)).collect()
            }
            #[cfg(feature = "jinja")]
            Self::Jinja2(template) => own(template.names()),
            #[cfg(feature = "mustache")]
            Self::Mustache(template) => own(template.names()),
        }
    }

    /// Renders the template. Every required name is known to have a value.
    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, PromptError> {
        match self {
            Self::FString(template) => {
                template.render(|name| values.get(name).map(argument)).map_err(fill_error)
            }
            #[cfg(feature = "jinja")]
            Self::Jinja2(template) => template.render(values),
            #[cfg(feature = "mustache")]
            Self::Mustache(template) => template.render(values),
        }
    }
}

#[cfg(any(feature = "jinja", feature = "mustache"))]
fn own(names: &[(String, bool)]) -> Vec<(&str, bool)> {
    names.iter().map(|(name, required)| (name.as_str(), *required)).collect()
}

/// Turns a value into what a field is filled with: messages become a transcript, data becomes JSON,
/// except for what Python's `str` shows in a way of its own.
pub(crate) fn argument(value: &Value) -> Argument<'_> {
    match value {
        Value::Text(text) => Argument::from(&**text),
        Value::Integer(number) => Argument::from(*number),
        Value::Float(number) => Argument::from(*number),
        Value::Data(data) => json_argument(data),
        other => Argument::from(other.to_text()),
    }
}

pub(crate) fn json_argument(data: &Json) -> Argument<'_> {
    match data {
        Json::String(text) => Argument::from(text),
        Json::Bool(truth) => Argument::from(*truth),
        Json::Null => Argument::from("None"),
        Json::Number(number) => {
            let integer = number.as_i64().map(Argument::from);
            let integer = integer.or_else(|| number.as_u64().map(Argument::from));
            integer.unwrap_or_else(|| Argument::from(number.as_f64().unwrap_or(f64::NAN)))
        }
        Json::Array(_) | Json::Object(_) => Argument::from(data.to_string()),
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
