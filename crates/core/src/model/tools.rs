//! Tools that a model may call, and the format of its answer.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

/// A tool that a model may call: its name, its description and the JSON Schema of its arguments.
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
    /// A description for the model: what the tool does and when to call it.
    pub description: Option<String>,
    /// The JSON Schema of the arguments, which are an object.
    pub parameters: Json,
    /// Whether the provider must enforce the schema; `None` leaves it to the provider.
    pub strict: Option<bool>,
}

impl ToolDefinition {
    /// Creates a tool from its name and the JSON Schema of its arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ToolDefinition;
    /// use serde_json::json;
    ///
    /// let schema = json!({
    ///     "type": "object",
    ///     "properties": {"city": {"type": "string"}},
    ///     "required": ["city"],
    /// });
    /// let tool = ToolDefinition::new("weather", schema).with_description("The weather of today.");
    /// assert_eq!(tool.name, "weather");
    /// ```
    #[must_use]
    pub fn new(name: impl Into<String>, parameters: impl Into<Json>) -> Self {
        let (name, parameters) = (name.into(), parameters.into());
        Self { name, description: None, parameters, strict: None }
    }

    /// Sets the description.
    #[must_use]
    pub fn with_description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets whether the provider must enforce the schema. By default nothing is sent, and the
    /// provider decides.
    #[must_use]
    pub const fn with_strict(mut self, strict: bool) -> Self {
        self.strict = Some(strict);
        self
    }

    /// Returns whether the schema allows an object, as far as its outermost types say it. Without
    /// one, no call can be right, and most providers refuse the request.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::ToolDefinition;
    /// use serde_json::json;
    ///
    /// assert!(ToolDefinition::new("now", json!({"type": "object"})).allows_object());
    /// assert!(!ToolDefinition::new("now", json!({"type": "null"})).allows_object());
    /// ```
    #[must_use]
    pub fn allows_object(&self) -> bool {
        self.parameters.is_object() && allows_object(&self.parameters, &self.parameters, 4)
    }
}

/// Returns whether an object can match a schema. References are followed in `root`, up to a depth.
fn allows_object(schema: &Json, root: &Json, depth: usize) -> bool {
    let (Json::Object(schema), Some(depth)) = (schema, depth.checked_sub(1)) else {
        return *schema != Json::Bool(false);
    };
    let allows = |schema: &Json| allows_object(schema, root, depth);
    schema.iter().all(|(key, value)| match (key.as_str(), value) {
        ("type", Json::Array(names)) => names.iter().any(|name| name == "object"),
        ("type", name) => name == "object",
        ("const", value) => value.is_object(),
        ("enum", Json::Array(values)) => values.iter().any(Json::is_object),
        ("anyOf" | "oneOf", Json::Array(schemas)) => schemas.iter().any(allows),
        ("allOf", Json::Array(schemas)) => schemas.iter().all(allows),
        ("$ref", Json::String(place)) => {
            place.strip_prefix('#').and_then(|place| root.pointer(place)).is_none_or(allows)
        }
        _ => true,
    })
}

/// A constraint on the tools that a model calls.
///
/// # Examples
///
/// ```
/// use conversant_core::{CallOptions, ToolChoice, ToolDefinition};
/// use serde_json::json;
///
/// let search = ToolDefinition::new("search", json!({"type": "object"}));
/// let options = CallOptions::new().with_tools([search]).with_tool_choice(ToolChoice::Required);
/// # let _ = options;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    Auto,
    /// The model calls no tools.
    None,
    /// The model calls at least one tool.
    Required,
    /// The model calls the tool with this name.
    Tool(String),
}

impl ToolChoice {
    /// Returns whether the model must call a tool.
    #[must_use]
    pub const fn is_forced(&self) -> bool {
        matches!(self, Self::Required | Self::Tool(_))
    }
}

/// The format that an answer must have.
///
/// `Debug` shows a schema's name only.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ResponseFormat {
    /// Any text.
    Text,
    /// A JSON object. Providers require that the prompt asks for JSON as well.
    JsonObject,
    /// JSON that matches a schema.
    #[non_exhaustive]
    JsonSchema {
        /// The name of the schema.
        name: String,
        /// A JSON Schema.
        schema: Json,
        /// Whether the provider must enforce the schema; `None` leaves it to the provider.
        strict: Option<bool>,
    },
}

impl ResponseFormat {
    /// Creates a format from a JSON Schema that the provider must enforce.
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
