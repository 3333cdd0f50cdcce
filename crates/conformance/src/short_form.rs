//! The short form of messages that the cases use, and the values of variables.

use conversant_core::{Message, Messages, Role};
#[cfg(feature = "prompts")]
use conversant_core::{Value, Variables};
#[cfg(feature = "prompts")]
use serde_json::Map;
use serde_json::{Value as Json, json};

use crate::failure::Failure;

/// Writes messages in the short form.
pub(crate) fn messages<'m>(messages: impl IntoIterator<Item = &'m Message>) -> Json {
    messages.into_iter().map(message).collect()
}

fn message(message: &Message) -> Json {
    let mut data = json!({ "content": message.content() });
    let detail = match message.role() {
        Role::Tool => message.tool_call_id().map(|id| ("tool_call_id", json!(id))),
        Role::Function => message.name().map(|name| ("name", json!(name))),
        Role::Chat(role) => Some(("role", json!(role))),
        Role::Ai if !message.tool_calls().is_empty() => {
            Some(("tool_calls", json!(message.tool_calls())))
        }
        _ => None,
    };
    if let (Some((name, value)), Some(data)) = (detail, data.as_object_mut()) {
        data.insert(name.to_owned(), value);
    }
    json!({"type": message.role().type_name(), "data": data})
}

/// Reads messages in the short form, or in the stored form, which holds it.
pub(crate) fn read_messages(list: &[Json]) -> Result<Messages, Failure> {
    let read = |json: &Json| Message::from_stored(json.clone());
    list.iter()
        .map(read)
        .collect::<Result<Vec<_>, _>>()
        .map(Messages::from)
        .map_err(|error| Failure::broken(&error))
}

/// Reads variables, of which a list of messages becomes messages.
#[cfg(feature = "prompts")]
pub(crate) fn variables(values: &Map<String, Json>) -> Variables {
    values.iter().map(|(name, value)| (name.clone(), read_value(value))).collect()
}

#[cfg(feature = "prompts")]
fn read_value(value: &Json) -> Value {
    if let Json::Array(list) = value
        && !list.is_empty()
        && let Ok(messages) = read_messages(list)
    {
        return messages.into();
    }
    value.clone().into()
}

/// Writes variables: text as a string, messages in the short form.
#[cfg(feature = "memory")]
pub(crate) fn write_variables(variables: &Variables) -> Json {
    variables
        .iter()
        .map(|(name, value)| (name.to_owned(), write_value(value)))
        .collect::<Map<_, _>>()
        .into()
}

#[cfg(feature = "memory")]
fn write_value(value: &Value) -> Json {
    match value {
        Value::Messages(list) => messages(list),
        other => json!(other),
    }
}
