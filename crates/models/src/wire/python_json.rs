//! Writes JSON as Python's `json.dumps` does, which langchain-openai uses for the arguments of tool
//! calls. So provider caches hit, and recorded requests stay valid.

use std::fmt::Write as _;

use serde_json::{Number, Value as Json};

/// Returns the result of `json.dumps(value)`: separators `", "` and `": "`, non-ASCII escaped.
pub(super) fn dumps(value: &Json) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Json) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Number(number) => write_number(out, number),
        Json::String(text) => write_text(out, text),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(out, item);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            out.push('{');
            for (index, (name, field)) in fields.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write_text(out, name);
                out.push_str(": ");
                write(out, field);
            }
            out.push('}');
        }
    }
}

fn write_text(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    // Writing to a string can't fail.
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
}

fn write_number(out: &mut String, number: &Number) {
    match number.as_f64() {
        Some(float) if number.is_f64() => write_float(out, float),
        _ => {
            let _ = write!(out, "{number}");
        }
    }
}

/// Writes a float as Python's `repr` does: the shortest digits that read back the same, with an
/// exponent below 1e-4 and from 1e16 on.
fn write_float(out: &mut String, float: f64) {
    let scientific = format!("{float:e}");
    let exponent =
        scientific.split_once('e').and_then(|(_, exponent)| exponent.parse::<i32>().ok());
    match (scientific.split_once('e'), exponent) {
        (Some((digits, _)), Some(exponent)) if !(-4..16).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            let _ = write!(out, "{digits}e{sign}{:02}", exponent.unsigned_abs());
        }
        _ => {
            let _ = write!(out, "{float:?}");
        }
    }
}

#[cfg(test)]
mod tests;
