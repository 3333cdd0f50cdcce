//! Tool calls of a model.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// A tool call of the model, on an AI message.
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
    /// The arguments: a JSON object that matches the tool's schema.
    pub args: Json,
    /// The call's id, to which the message with the result refers.
    #[serde(default)]
    pub id: Option<String>,
    /// Unknown fields, preserved as received.
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

/// A tool call whose arguments are not valid JSON, preserved as the model wrote them.
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
    /// The fault.
    pub error: Option<String>,
    /// Unknown fields, preserved as received.
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
