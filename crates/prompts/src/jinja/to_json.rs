//! The filter `tojson`, which minijinja writes in another form than Jinja2.

use conversant_core::python::push_json_string;
use conversant_template::{Argument, jinja::shown};
use minijinja::{Error, ErrorKind, Value, value::ValueKind};

use crate::work_limit::MAX_OUTPUT_BYTES;

/// The deepest nesting that is written: 200 levels. JSON values have at most 128.
const MAX_DEPTH: usize = 200;

/// Writes JSON as Jinja2 does: keys sorted, spaces after `,` and `:`, ASCII alone, and nothing that
/// HTML would read.
pub(super) fn to_json(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    push_json(&mut out, value, 0)?;
    Ok(out)
}

fn push_json(out: &mut String, value: &Value, depth: usize) -> Result<(), Error> {
    if depth > MAX_DEPTH || out.len() > MAX_OUTPUT_BYTES {
        return Err(Error::from(ErrorKind::OutOfFuel));
    }
    match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::None => out.push_str("null"),
        ValueKind::Bool => out.push_str(if value.is_true() { "true" } else { "false" }),
        ValueKind::Number => match f64::try_from(value.clone()) {
            Ok(number) if number.is_nan() => out.push_str("NaN"),
            Ok(number) if number.is_infinite() => {
                out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
            }
            Ok(number) if !value.is_integer() => {
                out.push_str(&Argument::from(number).to_string());
            }
            _ => out.push_str(&value.to_string()),
        },
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (index, item) in value.try_iter()?.enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                push_json(out, &item, depth + 1)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            let named = |key: Value| Ok((shown(&key)?, key));
            let mut keys = value.try_iter()?.map(named).collect::<Result<Vec<_>, Error>>()?;
            keys.sort_by(|(left, _), (right, _)| left.cmp(right));
            out.push('{');
            for (index, (name, key)) in keys.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                push_string(out, name)?;
                out.push_str(": ");
                push_json(out, &value.get_item(key)?, depth + 1)?;
            }
            out.push('}');
        }
        _ => push_string(out, &shown(value)?)?,
    }
    Ok(())
}

/// Writes a string of JSON in which no character has a meaning in HTML.
fn push_string(out: &mut String, text: &str) -> Result<(), Error> {
    out.push('"');
    let mut json = String::new();
    let mut bytes = [0; 4];
    for character in text.chars() {
        if out.len() > MAX_OUTPUT_BYTES {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        match character {
            '<' => out.push_str("\\u003c"),
            '>' => out.push_str("\\u003e"),
            '&' => out.push_str("\\u0026"),
            '\'' => out.push_str("\\u0027"),
            plain @ (' ' | '!' | '#'..='[' | ']'..='~') => out.push(plain),
            other => {
                json.clear();
                push_json_string(&mut json, other.encode_utf8(&mut bytes));
                let quoted = json.strip_prefix('"').and_then(|json| json.strip_suffix('"'));
                out.push_str(quoted.unwrap_or_default());
            }
        }
    }
    out.push('"');
    Ok(())
}
