//! LangChain's stored form of messages: `{"type": "human", "data": {"content": …, …}}`.

mod decode;
mod error;
pub(crate) mod plain;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::Error as _,
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value as Json};

use self::decode::{StoredParts, is_default};
pub use self::error::StoredMessageError;
use crate::{message::Message, role::Role};

impl Message {
    /// Decodes a message from LangChain's stored form. Chunk types such as `AIMessageChunk` are
    /// decoded as their base type. Unknown fields are preserved.
    ///
    /// # Errors
    /// [`StoredMessageError`] if the type is unknown, or a field is missing or of the wrong kind.
    ///
    /// # Examples
    ///
    /// ```
    /// use conversant_core::Message;
    /// use serde_json::json;
    ///
    /// let stored = json!({"type": "AIMessageChunk", "data": {"content": "Hello!"}});
    /// assert_eq!(Message::from_stored(stored)?, Message::ai("Hello!"));
    /// let unknown = Message::from_stored(json!({"type": "pickle", "data": {}}));
    /// assert_eq!(unknown.unwrap_err().to_string(), "unknown type `pickle` of a stored message");
    /// # Ok::<(), conversant_core::StoredMessageError>(())
    /// ```
    pub fn from_stored(stored: Json) -> Result<Self, StoredMessageError> {
        StoredParts::from_json(stored).into_message()
    }

    /// Encodes the message in LangChain's stored form, with every field of its type, as LangChain
    /// 0.1.20 `langchain_core/messages/base.py::message_to_dict` does. A result of a tool without
    /// the id of its call, and one of a function without its name, have no such form and are
    /// `null`.
    #[must_use]
    pub fn to_stored(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form { message: self, is_compact: false }.serialize(serializer)
    }
}

/// A message in its stored form without the fields that have their default. It is decoded as the
/// whole form is, by LangChain too.
pub(crate) struct Compact<'m>(pub(crate) &'m Message);

impl Serialize for Compact<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Form { message: self.0, is_compact: true }.serialize(serializer)
    }
}

#[derive(Clone, Copy)]
struct Form<'m> {
    message: &'m Message,
    is_compact: bool,
}

impl Serialize for Form<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.message;
        if matches!(message.role(), Role::Tool) && message.tool_call_id().is_none() {
            return Err(S::Error::custom("a tool message lacks the id of its tool call"));
        }
        if matches!(message.role(), Role::Function) && message.name().is_none() {
            return Err(S::Error::custom("a function message lacks the name of its function"));
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", message.role().type_name())?;
        map.serialize_entry("data", &Data(*self))?;
        map.end()
    }
}

/// A message's `data`: its fields in LangChain's order, then the unknown ones.
struct Data<'m>(Form<'m>);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Form { message, is_compact } = self.0;
        let is_written = |is_default: bool| !(is_compact && is_default);
        let extra = message.extra();
        let empty = Json::Object(Map::new());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("content", message.content())?;
        for field in ["additional_kwargs", "response_metadata"] {
            let value = extra.get(field).unwrap_or(&empty);
            if is_written(is_default(field, value)) {
                map.serialize_entry(field, value)?;
            }
        }
        if is_written(true) {
            map.serialize_entry("type", message.role().type_name())?;
        }
        for (field, value) in [("name", message.name()), ("id", message.id())] {
            if is_written(value.is_none()) {
                map.serialize_entry(field, &value)?;
            }
        }
        if matches!(message.role(), Role::Human | Role::Ai) {
            let example = example(extra);
            if is_written(is_default("example", example)) {
                map.serialize_entry("example", example)?;
            }
        }
        match message.role() {
            Role::Ai => {
                if is_written(message.tool_calls().is_empty()) {
                    map.serialize_entry("tool_calls", message.tool_calls())?;
                }
                if is_written(message.invalid_tool_calls().is_empty()) {
                    map.serialize_entry("invalid_tool_calls", message.invalid_tool_calls())?;
                }
            }
            Role::Tool => map.serialize_entry("tool_call_id", &message.tool_call_id())?,
            Role::Chat(role) => map.serialize_entry("role", role)?,
            Role::Human | Role::System | Role::Function => {}
        }
        for (name, value) in extra {
            if !precedes_unknown(message.role(), name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

fn example(extra: &Map<String, Json>) -> &Json {
    extra.get("example").unwrap_or(&Json::Bool(false))
}

/// Returns whether [`Data`] has written a field before the unknown ones.
fn precedes_unknown(role: &Role, name: &str) -> bool {
    match name {
        "content" | "additional_kwargs" | "response_metadata" | "type" | "name" | "id" => true,
        "example" => matches!(role, Role::Human | Role::Ai),
        "tool_calls" | "invalid_tool_calls" => matches!(role, Role::Ai),
        "tool_call_id" => matches!(role, Role::Tool),
        "role" => matches!(role, Role::Chat(_)),
        _ => false,
    }
}

impl<'de> Deserialize<'de> for Message {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        StoredParts::deserialize(deserializer)?.into_message().map_err(D::Error::custom)
    }
}
