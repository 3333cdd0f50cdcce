//! LangChain's stored form of messages: `{"type": "human", "data": {"content": …, …}}`.

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{DeserializeOwned, Error as _},
    ser::{Error as _, SerializeMap},
};
use serde_json::{Map, Value as Json};

use crate::{
    content::Content,
    message::Message,
    role::Role,
    tool_call::{InvalidToolCall, ToolCall},
};

/// A stored message that cannot be decoded.
///
/// Stored messages are input like any other: the type chooses from a closed list, and nothing in
/// them runs code or reads the environment.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoredMessageError {
    /// The value is not an object with a `type` and a `data` object.
    #[error("invalid stored message: expected an object with a `type` and a `data` object")]
    Shape,
    /// The message's type is unknown.
    #[error("unknown type `{name}` of a stored message")]
    UnknownType {
        /// The type.
        name: String,
    },
    /// A required field is missing.
    #[error("invalid stored message of type `{message_type}`: missing `{field}`")]
    MissingField {
        /// The message's type.
        message_type: &'static str,
        /// The field.
        field: &'static str,
    },
    /// A field cannot be decoded.
    #[error("cannot decode field `{field}` of a stored message of type `{message_type}`: {reason}")]
    Field {
        /// The message's type.
        message_type: &'static str,
        /// The field.
        field: &'static str,
        /// The reason.
        reason: String,
    },
}

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
        let Json::Object(mut stored) = stored else { return Err(StoredMessageError::Shape) };
        let (Some(Json::String(name)), Some(Json::Object(data))) =
            (stored.remove("type"), stored.remove("data"))
        else {
            return Err(StoredMessageError::Shape);
        };
        Fields::new(&name, data)?.read()
    }

    /// Encodes the message in LangChain's stored form, with every field of its type, as LangChain
    /// 0.1.20 `langchain_core/messages/base.py::message_to_dict` does.
    #[must_use]
    pub fn to_stored(&self) -> Json {
        serde_json::to_value(self).unwrap_or_default()
    }
}

/// The fields of a stored message's data that are not decoded yet.
struct Fields {
    message_type: &'static str,
    is_chunk: bool,
    data: Map<String, Json>,
}

impl Fields {
    fn new(name: &str, data: Map<String, Json>) -> Result<Self, StoredMessageError> {
        let (message_type, is_chunk) = match name {
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
            _ => return Err(StoredMessageError::UnknownType { name: name.to_owned() }),
        };
        Ok(Self { message_type, is_chunk, data })
    }

    fn read(mut self) -> Result<Message, StoredMessageError> {
        self.data.remove("type");
        let content: Content = self.required("content")?;
        let mut message = match self.message_type {
            "human" => Message::human(content),
            "system" => Message::system(content),
            "tool" => Message::tool(content, self.required::<String>("tool_call_id")?),
            "function" => Message::function(content, self.required::<String>("name")?),
            "chat" => Message::chat(self.required::<String>("role")?, content),
            _ => {
                if self.is_chunk {
                    self.data.remove("tool_call_chunks");
                }
                let calls: Option<Vec<ToolCall>> = self.optional("tool_calls")?;
                let invalid: Option<Vec<InvalidToolCall>> = self.optional("invalid_tool_calls")?;
                Message::ai(content)
                    .with_tool_calls(calls.unwrap_or_default())
                    .with_invalid_tool_calls(invalid.unwrap_or_default())
            }
        };
        if let Some(name) = self.optional::<String>("name")? {
            message = message.with_name(name);
        }
        if let Some(id) = self.optional::<String>("id")? {
            message = message.with_id(id);
        }
        for (name, value) in self.data {
            if !is_default(&name, &value) {
                message = message.with_extra(name, value);
            }
        }
        Ok(message)
    }

    fn required<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
    ) -> Result<T, StoredMessageError> {
        let message_type = self.message_type;
        self.optional(field)?.ok_or(StoredMessageError::MissingField { message_type, field })
    }

    fn optional<T: DeserializeOwned>(
        &mut self,
        field: &'static str,
    ) -> Result<Option<T>, StoredMessageError> {
        let message_type = self.message_type;
        let value = self.data.remove(field).unwrap_or_default();
        let found = kind(&value);
        serde_json::from_value(value).map_err(|_| StoredMessageError::Field {
            message_type,
            field,
            reason: format!("expected {}, found {found}", expected(field)),
        })
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

/// Returns whether a field has its default value, which is written anyway.
fn is_default(name: &str, value: &Json) -> bool {
    match name {
        "additional_kwargs" | "response_metadata" => value.as_object().is_some_and(Map::is_empty),
        "example" => value == &Json::Bool(false),
        _ => false,
    }
}

impl Serialize for Message {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if matches!(self.role(), Role::Tool) && self.tool_call_id().is_none() {
            return Err(S::Error::custom("a tool message lacks the id of its tool call"));
        }
        if matches!(self.role(), Role::Function) && self.name().is_none() {
            return Err(S::Error::custom("a function message lacks the name of its function"));
        }
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("type", self.role().type_name())?;
        map.serialize_entry("data", &Data(self))?;
        map.end()
    }
}

/// A message's `data`: its fields in LangChain's order, then the unknown ones.
struct Data<'m>(&'m Message);

impl Serialize for Data<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let message = self.0;
        let extra = message.extra();
        let empty = Json::Object(Map::new());
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("content", message.content())?;
        for field in ["additional_kwargs", "response_metadata"] {
            map.serialize_entry(field, extra.get(field).unwrap_or(&empty))?;
        }
        map.serialize_entry("type", message.role().type_name())?;
        map.serialize_entry("name", &message.name())?;
        map.serialize_entry("id", &message.id())?;
        match message.role() {
            Role::Human => map.serialize_entry("example", example(extra))?,
            Role::Ai => {
                map.serialize_entry("example", example(extra))?;
                map.serialize_entry("tool_calls", message.tool_calls())?;
                map.serialize_entry("invalid_tool_calls", message.invalid_tool_calls())?;
            }
            Role::Tool => map.serialize_entry("tool_call_id", &message.tool_call_id())?,
            Role::Chat(role) => map.serialize_entry("role", role)?,
            Role::System | Role::Function => {}
        }
        for (name, value) in extra {
            if !is_written(message.role(), name) {
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
fn is_written(role: &Role, name: &str) -> bool {
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
        Self::from_stored(Json::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

crate::debug_as_report!(StoredMessageError);
