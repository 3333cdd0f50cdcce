//! Calls of tools that a model asks for.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A call of a tool that the model asks for, on an AI message.
///
/// # Examples
///
/// ```
/// use conversant_core::ToolCall;
/// use serde_json::json;
///
/// let call = ToolCall::new("lookup", json!({"q": "river"})).with_id("call_1");
/// assert_eq!(serde_json::to_string(&call)?, r#"{"name":"lookup","args":{"q":"river"},"id":"call_1"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// Its arguments: a JSON object, as the tool's schema says.
    pub args: Json,
    /// The call's id, which the message with the result repeats.
    #[serde(default)]
    pub id: Option<String>,
    /// Fields that this version does not know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

impl ToolCall {
    /// Creates a call without an id.
    #[must_use]
    pub fn new(name: impl Into<String>, args: impl Into<Json>) -> Self {
        Self { name: name.into(), args: args.into(), id: None, extra: Map::new() }
    }

    /// Sets the id.
    #[must_use]
    pub fn with_id(mut self, id: impl Into<String>) -> Self {
        self.id = Some(id.into());
        self
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// A call of a tool whose arguments could not be read as JSON, kept as the model wrote them.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct InvalidToolCall {
    /// The tool's name.
    pub name: Option<String>,
    /// The arguments, as text.
    pub args: Option<String>,
    /// The call's id.
    pub id: Option<String>,
    /// What is wrong with it.
    pub error: Option<String>,
    /// Fields that this version does not know, kept as they came.
    #[serde(flatten)]
    pub extra: Map<String, Json>,
}

impl fmt::Debug for InvalidToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidToolCall")
            .field("name", &self.name)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
