//! Decoding of stored messages, without a JSON value for each field.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{
        DeserializeOwned, DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
        value::{MapAccessDeserializer, SeqAccessDeserializer},
    },
};
use serde_json::{Map, Number, Value as Json};

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
    message_type: Option<Field>,
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
    content: Option<Field>,
    name: Option<Field>,
    id: Option<Field>,
    others: Map<String, Json>,
}

/// The value of a field. Nearly all are text, which needs no JSON value.
enum Field {
    Text(String),
    Other(Json),
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
    /// Returns the message.
    pub(super) fn into_message(self) -> Result<Message, StoredMessageError> {
        let (Some(Field::Text(name)), Some(Data::Fields(fields))) = (self.message_type, self.data)
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
        let content = match self.content.take() {
            Some(Field::Text(text)) => Content::Text(text),
            Some(Field::Other(value)) => required(kind, "content", value)?,
            None => required(kind, "content", Json::Null)?,
        };
        let mut message = match kind {
            "human" => Message::human(content),
            "system" => Message::system(content),
            "tool" => Message::tool(content, self.required::<String>(kind, "tool_call_id")?),
            "function" => {
                let name = self.name.take().map_or(Json::Null, Field::into_json);
                Message::function(content, required::<String>(kind, "name", name)?)
            }
            "chat" => Message::chat(self.required::<String>(kind, "role")?, content),
            _ => {
                if message_type.is_chunk {
                    self.others.shift_remove("tool_call_chunks");
                }
                let calls: Option<Vec<ToolCall>> = self.optional(kind, "tool_calls")?;
                let invalid: Option<Vec<InvalidToolCall>> =
                    self.optional(kind, "invalid_tool_calls")?;
                Message::ai(content)
                    .with_tool_calls(calls.unwrap_or_default())
                    .with_invalid_tool_calls(invalid.unwrap_or_default())
            }
        };
        if let Some(name) = text(kind, "name", self.name)? {
            message = message.with_name(name);
        }
        if let Some(id) = text(kind, "id", self.id)? {
            message = message.with_id(id);
        }
        Ok(message.with_extra_fields(self.others))
    }

    fn required<T: DeserializeOwned>(
        &mut self,
        message_type: &'static str,
        field: &'static str,
    ) -> Result<T, StoredMessageError> {
        required(message_type, field, self.others.shift_remove(field).unwrap_or_default())
    }

    fn optional<T: DeserializeOwned>(
        &mut self,
        message_type: &'static str,
        field: &'static str,
    ) -> Result<Option<T>, StoredMessageError> {
        match self.others.shift_remove(field) {
            Some(value) => optional(message_type, field, value),
            None => Ok(None),
        }
    }
}

fn required<T: DeserializeOwned>(
    message_type: &'static str,
    field: &'static str,
    value: Json,
) -> Result<T, StoredMessageError> {
    optional(message_type, field, value)?
        .ok_or(StoredMessageError::MissingField { message_type, field })
}

fn optional<T: DeserializeOwned>(
    message_type: &'static str,
    field: &'static str,
    value: Json,
) -> Result<Option<T>, StoredMessageError> {
    let found = kind(&value);
    serde_json::from_value(value).map_err(|_| StoredMessageError::Field {
        message_type,
        field,
        reason: format!("expected {}, found {found}", expected(field)),
    })
}

fn text(
    message_type: &'static str,
    field: &'static str,
    value: Option<Field>,
) -> Result<Option<String>, StoredMessageError> {
    match value {
        Some(Field::Text(text)) => Ok(Some(text)),
        Some(Field::Other(value)) => optional(message_type, field, value),
        None => Ok(None),
    }
}

/// Returns the expected kind of a field. Serde's errors are not used, since they quote the value.
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

/// Returns whether a field has its default value.
pub(super) fn is_default(name: &str, value: &Json) -> bool {
    match name {
        "additional_kwargs" | "response_metadata" => value.as_object().is_some_and(Map::is_empty),
        "example" => value == &Json::Bool(false),
        _ => false,
    }
}

impl Field {
    fn into_json(self) -> Json {
        match self {
            Self::Text(text) => Json::String(text),
            Self::Other(value) => value,
        }
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

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(FieldVisitor)
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
                    let is_ai = matches!(
                        &parts.message_type,
                        Some(Field::Text(name)) if name == "ai" || name == "AIMessageChunk"
                    );
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
        while let Some(key) = map.next_key::<Key>()? {
            let name = match key {
                Key::Type => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Key::Content => {
                    fields.content = Some(map.next_value()?);
                    continue;
                }
                Key::Name => {
                    fields.name = Some(map.next_value()?);
                    continue;
                }
                Key::Id => {
                    fields.id = Some(map.next_value()?);
                    continue;
                }
                Key::Known(name) => Ok(name),
                Key::Data => Ok("data"),
                Key::Other(name) => Err(name),
            };
            let value: Json = map.next_value()?;
            let known = name.as_ref().copied().unwrap_or_default();
            let is_no_call = self.is_ai
                && matches!(known, "tool_calls" | "invalid_tool_calls")
                && value.as_array().is_some_and(Vec::is_empty);
            if is_no_call || is_default(known, &value) {
                // An earlier value of the same name does not count.
                fields.others.shift_remove(known);
                continue;
            }
            fields.others.insert(name.map_or_else(|name| name, str::to_owned), value);
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
        Ok(match key {
            "type" => Key::Type,
            "data" => Key::Data,
            "content" => Key::Content,
            "name" => Key::Name,
            "id" => Key::Id,
            "additional_kwargs" => Key::Known("additional_kwargs"),
            "response_metadata" => Key::Known("response_metadata"),
            "example" => Key::Known("example"),
            "tool_calls" => Key::Known("tool_calls"),
            "invalid_tool_calls" => Key::Known("invalid_tool_calls"),
            "tool_call_id" => Key::Known("tool_call_id"),
            other => Key::Other(other.to_owned()),
        })
    }
}

struct FieldVisitor;

impl<'de> Visitor<'de> for FieldVisitor {
    type Value = Field;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Field, E> {
        Ok(Field::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Field, E> {
        Ok(Field::Text(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Field, E> {
        Ok(Field::Other(Json::Null))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Field, E> {
        Ok(Field::Other(Json::Bool(value)))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Field, E> {
        Ok(Field::Other(Json::Number(number.into())))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Field, E> {
        Ok(Field::Other(Json::Number(number.into())))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Field, E> {
        Ok(Field::Other(Number::from_f64(number).map_or(Json::Null, Json::Number)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Field, A::Error> {
        Json::deserialize(SeqAccessDeserializer::new(seq)).map(Field::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Field, A::Error> {
        Json::deserialize(MapAccessDeserializer::new(map)).map(Field::Other)
    }
}
