//! What a model may call, and what form its answer must have.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A tool that a model may ask to be called: a name, what it does, and the form of its arguments.
///
/// # Examples
///
/// ```
/// use conversant_core::ToolDefinition;
/// use serde_json::json;
///
/// let weather = ToolDefinition::new("weather", json!({
///     "type": "object",
///     "properties": {"city": {"type": "string"}},
///     "required": ["city"],
/// }))
/// .with_description("The weather in a city, now.");
/// assert_eq!(weather.name, "weather");
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolDefinition {
    /// The name that a call repeats.
    pub name: String,
    /// What the tool does and when to call it, for the model.
    pub description: Option<String>,
    /// The form of the arguments: a JSON Schema of an object.
    pub parameters: Json,
    /// Whether the model is held to the schema, where its provider can; `None` leaves it to the provider.
    pub strict: Option<bool>,
}

impl ToolDefinition {
    /// Creates a tool of a name and the JSON Schema of its arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, parameters: impl Into<Json>) -> Self {
        let (name, parameters) = (name.into(), parameters.into());
        Self { name, description: None, parameters, strict: None }
    }

    /// Sets what the tool does and when to call it.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets whether the model is held to the schema.
    #[must_use]
    pub const fn with_strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }
}

/// Whether a model calls tools.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ToolChoice {
    /// As it sees fit.
    Auto,
    /// Not at all.
    None,
    /// At least one, whichever.
    Required,
    /// The one of this name.
    Tool(String),
}

/// The form that an answer must have.
///
/// `Debug` shows a schema's name only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// A JSON object. The prompt must ask for JSON as well.
    JsonObject,
    /// JSON of a schema.
    #[non_exhaustive]
    JsonSchema {
        /// What the schema is called.
        name: String,
        /// A JSON Schema.
        schema: Json,
        /// Whether the model is held to the schema; `None` leaves it to the provider.
        strict: Option<bool>,
    },
}

impl ResponseFormat {
    /// Creates the form of a JSON Schema, to which the model is held.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ResponseFormat;
    /// use serde_json::json;
    ///
    /// let format = ResponseFormat::json_schema("answer", json!({
    ///     "type": "object",
    ///     "properties": {"yes": {"type": "boolean"}},
    ///     "required": ["yes"],
    ///     "additionalProperties": false,
    /// }));
    /// # let _ = format;
    /// ```
    #[must_use]
    pub fn json_schema(name: impl Into<String>, schema: impl Into<Json>) -> Self {
        Self::JsonSchema { name: name.into(), schema: schema.into(), strict: Some(true) }
    }
}

impl fmt::Debug for ResponseFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("Text"),
            Self::JsonObject => f.write_str("JsonObject"),
            Self::JsonSchema { name, .. } => f.debug_tuple("JsonSchema").field(name).finish(),
        }
    }
}
