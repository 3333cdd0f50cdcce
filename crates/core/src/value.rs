//! Values of variables.

use std::{borrow::Cow, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use crate::{message::Message, messages::Messages, python::float_repr};

/// The value of a variable: text, a number, messages, or plain data for templates that walk it.
///
/// Cloning shares text and messages. `Debug` withholds them.
///
/// # Examples
///
/// ```
/// use conversant_core::{Value, ValueKind};
/// use serde_json::json;
///
/// assert_eq!(Value::from("hi").as_text(), Some("hi"));
/// assert_eq!(Value::from(7).kind(), ValueKind::Integer);
/// assert_eq!(Value::from(json!({"first": "Ada"})).kind(), ValueKind::Data);
/// ```
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Text.
    Text(Arc<str>),
    /// A whole number.
    Integer(i64),
    /// A floating point number.
    Float(f64),
    /// Messages.
    Messages(Messages),
    /// Plain data: booleans, lists, maps, null.
    Data(Arc<Json>),
}

/// The kind of a [`Value`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ValueKind {
    /// Text.
    Text,
    /// A whole number.
    Integer,
    /// A floating point number.
    Float,
    /// Messages.
    Messages,
    /// Plain data.
    Data,
}

impl fmt::Display for ValueKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Float => "a float",
            Self::Messages => "messages",
            Self::Data => "data",
        })
    }
}

impl Value {
    /// Returns the kind.
    #[must_use]
    pub const fn kind(&self) -> ValueKind {
        match self {
            Self::Text(_) => ValueKind::Text,
            Self::Integer(_) => ValueKind::Integer,
            Self::Float(_) => ValueKind::Float,
            Self::Messages(_) => ValueKind::Messages,
            Self::Data(_) => ValueKind::Data,
        }
    }

    /// Returns the text if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the messages if these are messages.
    #[must_use]
    pub const fn as_messages(&self) -> Option<&Messages> {
        match self {
            Self::Messages(messages) => Some(messages),
            _ => None,
        }
    }

    /// Returns the value as text: floats as Python shows them, messages as a transcript with the
    /// default prefixes, data as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Value;
    /// use serde_json::json;
    ///
    /// assert_eq!(Value::from(1e16).to_text(), "1e+16");
    /// assert_eq!(Value::from(json!(["a", 1])).to_text(), r#"["a",1]"#);
    /// ```
    #[must_use]
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Integer(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(float_repr(*number)),
            Self::Messages(messages) => Cow::Owned(messages.to_string()),
            Self::Data(data) => Cow::Owned(data.to_string()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text(<{} bytes>)", text.len()),
            Self::Integer(number) => write!(f, "Integer({number})"),
            Self::Float(number) => write!(f, "Float({number:?})"),
            Self::Messages(messages) => write!(f, "Messages(<{}>)", messages.len()),
            Self::Data(_) => f.write_str("Data(…)"),
        }
    }
}

impl Serialize for Value {
    /// Serializes text as a string, numbers as numbers, messages as an array of stored messages,
    /// and data as it is.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Text(text) => serializer.serialize_str(text),
            Self::Integer(number) => serializer.serialize_i64(*number),
            Self::Float(number) => serializer.serialize_f64(*number),
            Self::Messages(messages) => messages.serialize(serializer),
            Self::Data(data) => data.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    /// Converts the JSON value as [`From<serde_json::Value>`](#impl-From<Value>-for-Value) does, so
    /// never into messages.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Json::deserialize(deserializer).map(Self::from)
    }
}

impl From<Json> for Value {
    /// Strings are text, numbers are integers or floats, all else is data. A number above
    /// `i64::MAX` is data.
    fn from(json: Json) -> Self {
        match json {
            Json::String(text) => Self::from(text),
            Json::Number(number) => match (number.as_i64(), number.is_f64()) {
                (Some(integer), _) => Self::Integer(integer),
                (None, true) => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
                (None, false) => Self::Data(Arc::new(Json::Number(number))),
            },
            data => Self::Data(Arc::new(data)),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(Arc::from(text))
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(Arc::from(text))
    }
}

impl From<&String> for Value {
    fn from(text: &String) -> Self {
        Self::from(text.as_str())
    }
}

impl From<Cow<'_, str>> for Value {
    fn from(text: Cow<'_, str>) -> Self {
        Self::Text(Arc::from(text))
    }
}

impl From<Arc<str>> for Value {
    fn from(text: Arc<str>) -> Self {
        Self::Text(text)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Data(Arc::new(Json::Bool(value)))
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::from(Json::from(number))
    }
}

impl From<usize> for Value {
    fn from(number: usize) -> Self {
        Self::from(Json::from(number))
    }
}

macro_rules! from_integer {
    ($($integer:ty),*) => {$(
        impl From<$integer> for Value {
            fn from(number: $integer) -> Self {
                Self::Integer(i64::from(number))
            }
        }
    )*};
}
from_integer!(i8, i16, i32, i64, u8, u16, u32);

impl From<f32> for Value {
    fn from(number: f32) -> Self {
        Self::Float(f64::from(number))
    }
}

impl From<Messages> for Value {
    fn from(messages: Messages) -> Self {
        Self::Messages(messages)
    }
}

impl From<Vec<Message>> for Value {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages.into())
    }
}
