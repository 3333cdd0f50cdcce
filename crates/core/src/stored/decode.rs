//! Decoding of stored messages, without a JSON value for each field.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value as Json};

use super::error::StoredMessageError;
use crate::{
    content::Content,
    message::Message,
    tool_call::{InvalidToolCall, ToolCall},
};

/// The parts of a stored message. Decoding never refuses a part for its kind: the error depends on
/// the message's type, and is the same for text and for values.
#[derive(Default)]
pub(super) struct StoredParts {
    message_type: Option<Json>,
    data: Option<Data>,
}

/// A message's `data`.
enum Data {
    Fields(Box<DataFields>),
    NotAnObject,
}

/// The fields of `data`, without those that all types write and that have their default.
#[derive(Default)]
struct DataFields {
    content: Option<Json>,
    name: Option<Json>,
    id: Option<Json>,
    others: Map<String, Json>,
}

/// A message type, and whether it is that of a chunk.
#[derive(Clone, Copy)]
struct MessageType {
    name: &'static str,
    is_chunk: bool,
}

impl MessageType {
    fn named(name: &str) -> Option<Self> {
        let (name, is_chunk) = match name {
            "human" => ("human", false),
            "ai" => ("ai", false),
            "system" => ("system", false),
            "tool" => ("tool", false),
            "function" => ("function", false),
            "chat" => ("chat", false),
            "HumanMessageChunk" => ("human", true),
            "AIMessageChunk" => ("ai", true),
            "SystemMessageChunk" => ("system", true),
            "ToolMessageChunk" => ("tool", true),
            "FunctionMessageChunk" => ("function", true),
            "ChatMessageChunk" => ("chat", true),
            _ => return None,
        };
        Some(Self { name, is_chunk })
    }
}

impl StoredParts {
    /// Takes the parts of a JSON value.
    pub(super) fn from_json(stored: Json) -> Self {
        let Json::Object(mut stored) = stored else { return Self::default() };
        let (message_type, data) = (stored.shift_remove("type"), stored.shift_remove("data"));
        let is_ai = message_type.as_ref().is_some_and(is_ai);
        let data = data.map(|data| match data {
            Json::Object(data) => {
                let mut fields = DataFields::default();
                data.into_iter().for_each(|(key, value)| fields.add(Key::of(&key), value, is_ai));
                Data::Fields(Box::new(fields))
            }
            _ => Data::NotAnObject,
        });
        Self { message_type, data }
    }

    /// Returns the message.
    pub(super) fn into_message(self) -> Result<Message, StoredMessageError> {
        let (Some(Json::String(name)), Some(Data::Fields(fields))) = (self.message_type, self.data)
        else {
            return Err(StoredMessageError::Shape);
        };
        let Some(message_type) = MessageType::named(&name) else {
            return Err(StoredMessageError::UnknownType { name });
        };
        fields.into_message(message_type)
    }
}

impl DataFields {
    fn into_message(mut self, message_type: MessageType) -> Result<Message, StoredMessageError> {
        let kind = message_type.name;
        let content = self.content.take().unwrap_or_default();
        let content = required(kind, "content", content, Content::from_json)?;
        let mut message = match kind {
            "human" => Message::human(content),
            "system" => Message::system(content),
            "tool" => Message::tool(content, self.required(kind, "tool_call_id")?),
            "function" => {
                let name = self.name.take().unwrap_or_default();
                Message::function(content, required(kind, "name", name, text)?)
            }
            "chat" => Message::chat(self.required(kind, "role")?, content),
            _ => {
                if message_type.is_chunk {
                    self.others.shift_remove("tool_call_chunks");
                }
                let calls = self.calls(kind, "tool_calls", ToolCall::from_json)?;
                let invalid = self.calls(kind, "invalid_tool_calls", InvalidToolCall::from_json)?;
                Message::ai(content).with_tool_calls(calls).with_invalid_tool_calls(invalid)
            }
        };
        if let Some(name) = optional(kind, "name", self.name.unwrap_or_default(), text)? {
            message = message.with_name(name);
        }
        if let Some(id) = optional(kind, "id", self.id.unwrap_or_default(), text)? {
            message = message.with_id(id);
        }
        Ok(message.with_extra_fields(self.others))
    }

    fn required(
        &mut self,
        message_type: &'static str,
        field: &'static str,
    ) -> Result<String, StoredMessageError> {
        let value = self.others.shift_remove(field).unwrap_or_default();
        required(message_type, field, value, text)
    }

    fn calls<T>(
        &mut self,
        message_type: &'static str,
        field: &'static str,
        read: fn(Json) -> Option<T>,
    ) -> Result<Vec<T>, StoredMessageError> {
        let value = self.others.shift_remove(field).unwrap_or_default();
        let list = |value| match value {
            Json::Array(calls) => calls.into_iter().map(read).collect(),
            _ => None,
        };
        Ok(optional(message_type, field, value, list)?.unwrap_or_default())
    }

    /// Adds a field that was read.
    fn add(&mut self, key: Key, value: Json, is_ai: bool) {
        let name = match key {
            Key::Type => return,
            Key::Content => {
                self.content = Some(value);
                return;
            }
            Key::Name => {
                self.name = Some(value);
                return;
            }
            Key::Id => {
                self.id = Some(value);
                return;
            }
            Key::Known(name) => Ok(name),
            Key::Data => Ok("data"),
            Key::Other(name) => Err(name),
        };
        let known = name.as_ref().copied().unwrap_or_default();
        let is_no_call = is_ai
            && matches!(known, "tool_calls" | "invalid_tool_calls")
            && value.as_array().is_some_and(Vec::is_empty);
        if is_no_call || is_default(known, &value) {
            // An earlier value of the same name does not count.
            self.others.shift_remove(known);
            return;
        }
        self.others.insert(name.map_or_else(|name| name, str::to_owned), value);
    }
}

fn required<T>(
    message_type: &'static str,
    field: &'static str,
    value: Json,
    read: impl Fn(Json) -> Option<T>,
) -> Result<T, StoredMessageError> {
    optional(message_type, field, value, read)?
        .ok_or(StoredMessageError::MissingField { message_type, field })
}

fn optional<T>(
    message_type: &'static str,
    field: &'static str,
    value: Json,
    read: impl Fn(Json) -> Option<T>,
) -> Result<Option<T>, StoredMessageError> {
    if value.is_null() {
        return Ok(None);
    }
    let found = kind(&value);
    read(value).map(Some).ok_or_else(|| StoredMessageError::Field {
        message_type,
        field,
        reason: format!("expected {}, found {found}", expected(field)),
    })
}

fn text(value: Json) -> Option<String> {
    match value {
        Json::String(text) => Some(text),
        _ => None,
    }
}

/// Returns the expected kind of a field. The value is not quoted.
fn expected(field: &str) -> &'static str {
    match field {
        "content" => "text or a list of parts",
        "tool_calls" => "a list of calls, each with a `name` and `args`",
        "invalid_tool_calls" => "a list of calls",
        _ => "text",
    }
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "a boolean",
        Json::Number(_) => "a number",
        Json::String(_) => "text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

/// Returns whether a message's type is the AI's.
fn is_ai(message_type: &Json) -> bool {
    matches!(message_type.as_str(), Some("ai" | "AIMessageChunk"))
}

/// Returns whether a field has its default value.
pub(super) fn is_default(name: &str, value: &Json) -> bool {
    match name {
        "additional_kwargs" | "response_metadata" => value.as_object().is_some_and(Map::is_empty),
        "example" => value == &Json::Bool(false),
        _ => false,
    }
}

impl<'de> Deserialize<'de> for StoredParts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(AnyVisitor(MessageVisitor))? {
            Some(parts) => Ok(parts),
            None => Ok(Self::default()),
        }
    }
}

/// Visits an object.
trait ObjectVisitor<'de>: Sized {
    type Value;
    fn visit<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error>;
}

/// Visits an object, and returns `None` for any other value.
struct AnyVisitor<V>(V);

impl<'de, V: ObjectVisitor<'de>> Visitor<'de> for AnyVisitor<V> {
    type Value = Option<V::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.visit(map).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

struct MessageVisitor;

impl<'de> ObjectVisitor<'de> for MessageVisitor {
    type Value = StoredParts;

    fn visit<A: MapAccess<'de>>(self, mut map: A) -> Result<StoredParts, A::Error> {
        let mut parts = StoredParts::default();
        while let Some(key) = map.next_key::<Key>()? {
            match key {
                Key::Type => parts.message_type = Some(map.next_value()?),
                Key::Data => {
                    let is_ai = parts.message_type.as_ref().is_some_and(is_ai);
                    parts.data = Some(map.next_value_seed(DataSeed { is_ai })?);
                }
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(parts)
    }
}

/// Decodes a `data` object.
struct DataSeed {
    /// Whether the message is known to be the AI's, whose empty lists of calls are defaults.
    is_ai: bool,
}

impl<'de> DeserializeSeed<'de> for DataSeed {
    type Value = Data;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Data, D::Error> {
        let fields = deserializer.deserialize_any(AnyVisitor(self))?;
        Ok(fields.map_or(Data::NotAnObject, |fields| Data::Fields(Box::new(fields))))
    }
}

impl<'de> ObjectVisitor<'de> for DataSeed {
    type Value = DataFields;

    fn visit<A: MapAccess<'de>>(self, mut map: A) -> Result<DataFields, A::Error> {
        let mut fields = DataFields::default();
        while let Some(key) = map.next_key()? {
            fields.add(key, map.next_value()?, self.is_ai);
        }
        Ok(fields)
    }
}

/// A key of a message or of its `data`.
enum Key {
    Type,
    Data,
    Content,
    Name,
    Id,
    /// Another key that LangChain writes.
    Known(&'static str),
    Other(String),
}

impl Key {
    fn of(key: &str) -> Self {
        match key {
            "type" => Self::Type,
            "data" => Self::Data,
            "content" => Self::Content,
            "name" => Self::Name,
            "id" => Self::Id,
            "additional_kwargs" => Self::Known("additional_kwargs"),
            "response_metadata" => Self::Known("response_metadata"),
            "example" => Self::Known("example"),
            "tool_calls" => Self::Known("tool_calls"),
            "invalid_tool_calls" => Self::Known("invalid_tool_calls"),
            "tool_call_id" => Self::Known("tool_call_id"),
            other => Self::Other(other.to_owned()),
        }
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        Ok(Key::of(key))
    }
}
