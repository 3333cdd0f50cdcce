//! Tool calls of a model.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value as Json};

use crate::shortened::shown_name;

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
#[derive(Clone, PartialEq, Deserialize)]
#[serde(try_from = "Fields")]
#[non_exhaustive]
pub struct ToolCall {
    /// The tool's name.
    pub name: String,
    /// The arguments: a JSON object that matches the tool's schema.
    pub args: Json,
    /// The call's id, to which the message with the result refers.
    pub id: Option<String>,
    /// Unknown fields, preserved as received.
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

    /// Reads a call, or returns `None` if the value is none.
    pub(crate) fn from_json(value: Json) -> Option<Self> {
        Self::try_from(Fields::from_json(value)?).ok()
    }
}

// What `flatten` derives is compiled again for each kind of serializer that it wraps.
impl Serialize for ToolCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("args", &self.args)?;
        map.serialize_entry("id", &self.id)?;
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl TryFrom<Fields> for ToolCall {
    type Error = InvalidField;

    fn try_from(mut fields: Fields) -> Result<Self, InvalidField> {
        Ok(Self {
            name: fields.text("name")?.ok_or(InvalidField::Missing("name"))?,
            args: fields.0.shift_remove("args").ok_or(InvalidField::Missing("args"))?,
            id: fields.text("id")?,
            extra: fields.0,
        })
    }
}

impl fmt::Debug for ToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolCall")
            .field("name", &ShownName(&self.name))
            .field("id", &self.id.as_deref().map(ShownName))
            .finish_non_exhaustive()
    }
}

/// A tool call whose arguments are not valid JSON, preserved as the model wrote them.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "Fields")]
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
    pub extra: Map<String, Json>,
}

impl InvalidToolCall {
    /// Reads a call, or returns `None` if the value is none.
    pub(crate) fn from_json(value: Json) -> Option<Self> {
        Self::try_from(Fields::from_json(value)?).ok()
    }
}

impl Serialize for InvalidToolCall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &self.name)?;
        map.serialize_entry("args", &self.args)?;
        map.serialize_entry("id", &self.id)?;
        map.serialize_entry("error", &self.error)?;
        for (name, value) in &self.extra {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl TryFrom<Fields> for InvalidToolCall {
    type Error = InvalidField;

    fn try_from(mut fields: Fields) -> Result<Self, InvalidField> {
        Ok(Self {
            name: fields.text("name")?,
            args: fields.text("args")?,
            id: fields.text("id")?,
            error: fields.text("error")?,
            extra: fields.0,
        })
    }
}

impl fmt::Debug for InvalidToolCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InvalidToolCall")
            .field("name", &self.name.as_deref().map(ShownName))
            .field("id", &self.id.as_deref().map(ShownName))
            .finish_non_exhaustive()
    }
}

/// A name or an id in `Debug`. A model can write any text there: only words that providers accept
/// as names are shown.
pub(crate) struct ShownName<'n>(pub(crate) &'n str);

impl fmt::Debug for ShownName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match shown_name(self.0) {
            Cow::Borrowed(name) => fmt::Debug::fmt(name, f),
            Cow::Owned(size) => f.write_str(&size),
        }
    }
}

/// The fields of a call that is read. The code that `flatten` derives for this is four times as
/// large, and buffers the fields as well.
#[derive(Deserialize)]
struct Fields(Map<String, Json>);

impl Fields {
    fn from_json(value: Json) -> Option<Self> {
        match value {
            Json::Object(fields) => Some(Self(fields)),
            _ => None,
        }
    }

    /// Takes a field of text. `null` is absent.
    fn text(&mut self, name: &'static str) -> Result<Option<String>, InvalidField> {
        match self.0.shift_remove(name) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text)),
            Some(_) => Err(InvalidField::NotText(name)),
        }
    }
}

/// The reason why a call cannot be read. It does not quote the value.
#[derive(Debug, thiserror::Error)]
enum InvalidField {
    #[error("missing field `{0}`")]
    Missing(&'static str),
    #[error("invalid field `{0}`: expected text")]
    NotText(&'static str),
}
