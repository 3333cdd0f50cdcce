//! Conversion of a prompt's values to the arguments of template fields.

use conversant_core::Value;
use conversant_template::Argument;
use serde_json::Value as Json;

/// Converts a value for a field: messages to a transcript, data to JSON, and what Python's `str`
/// shows differently to that form.
pub(crate) fn argument(value: &Value) -> Argument<'_> {
    match value {
        Value::Text(text) => Argument::from(&**text),
        Value::Integer(number) => Argument::from(*number),
        Value::Float(number) => Argument::from(*number),
        Value::Data(data) => json_argument(data),
        other => Argument::from(other.to_text()),
    }
}

pub(crate) fn json_argument(data: &Json) -> Argument<'_> {
    match data {
        Json::String(text) => Argument::from(text),
        Json::Bool(truth) => Argument::from(*truth),
        Json::Null => Argument::None,
        Json::Number(number) => {
            let integer = number.as_i64().map(Argument::from);
            let integer = integer.or_else(|| number.as_u64().map(Argument::from));
            integer.unwrap_or_else(|| Argument::from(number.as_f64().unwrap_or(f64::NAN)))
        }
        Json::Array(_) | Json::Object(_) => Argument::from(data.to_string()),
    }
}
