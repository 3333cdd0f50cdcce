//! From a prompt's values to what a Jinja2 template walks.

use std::{fmt, sync::Arc};

use conversant_core::{Content, Message, Messages, Value};
use minijinja::value::{Enumerator, Object, ObjectRepr, Value as JinjaValue};
use serde_json::Value as Json;

/// Converts a variable's value. Text is shared, data copied.
pub(super) fn convert(value: &Value) -> JinjaValue {
    match value {
        Value::Text(text) => JinjaValue::from(Arc::clone(text)),
        Value::Integer(number) => JinjaValue::from(*number),
        Value::Float(number) => JinjaValue::from(*number),
        Value::Data(data) => data_value(data),
        Value::Messages(messages) => JinjaValue::from_object(Conversation(messages.clone())),
        other => JinjaValue::from(other.to_text().into_owned()),
    }
}

fn data_value(data: &Json) -> JinjaValue {
    match data {
        Json::Null => JinjaValue::from(()),
        Json::Bool(truth) => JinjaValue::from(*truth),
        Json::Number(number) => {
            let integer = number.as_i64().map(JinjaValue::from);
            let integer = integer.or_else(|| number.as_u64().map(JinjaValue::from));
            integer.unwrap_or_else(|| JinjaValue::from(number.as_f64().unwrap_or(f64::NAN)))
        }
        Json::String(text) => JinjaValue::from(text.as_str()),
        Json::Array(items) => items.iter().map(data_value).collect(),
        Json::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (name.as_str(), data_value(value)));
            JinjaValue::from_pairs(fields)
        }
    }
}

/// Messages: a list to loop over, a transcript where they are printed.
#[derive(Debug)]
struct Conversation(Messages);

impl Object for Conversation {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        let message = self.0.get(key.as_usize()?)?;
        Some(JinjaValue::from_object(Entry(message.clone())))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.0.len())
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One message: `type`, `content` and `name`; its line of a transcript where it is printed.
#[derive(Debug)]
struct Entry(Message);

impl Object for Entry {
    fn get_value(self: &Arc<Self>, key: &JinjaValue) -> Option<JinjaValue> {
        match key.as_str()? {
            "type" => Some(JinjaValue::from(self.0.role().type_name())),
            "content" => Some(match self.0.content() {
                Content::Text(text) => JinjaValue::from(text.as_str()),
                other => data_value(&serde_json::to_value(other).unwrap_or_default()),
            }),
            "name" => Some(self.0.name().map_or_else(|| ().into(), JinjaValue::from)),
            _ => None,
        }
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["type", "content", "name"])
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
