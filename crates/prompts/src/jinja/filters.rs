//! Where minijinja writes something else than Jinja2, and what it knows.

use conversant_template::Argument;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, context, value::ValueKind};

/// Replaces the filters and the printing that differ from Jinja2.
pub(super) fn mend(environment: &mut Environment<'_>) {
    environment.add_filter("e", escape);
    environment.add_filter("escape", escape);
    environment.add_filter("tojson", to_json);
    environment.set_formatter(print);
}

/// Tells whether a filter or test exists.
pub(super) fn exists(environment: &Environment<'_>, kind: &str, name: &str) -> bool {
    let expression = format!("name is {kind}");
    let known = environment
        .compile_expression_owned(expression)
        .and_then(|expression| expression.eval(context! { name }));
    known.is_ok_and(|known| known.is_true())
}

/// Escapes for HTML as Jinja2 does, with `&#34;` and `&#39;` for quotes.
fn escape(value: &Value) -> String {
    let text = value.to_string();
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&#34;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// Writes JSON as Jinja2 does: keys sorted, spaces after `,` and `:`, ASCII alone, and nothing that HTML
/// would read.
fn to_json(value: &Value) -> Result<String, Error> {
    let mut out = String::new();
    push_json(&mut out, value)?;
    Ok(out)
}

fn push_json(out: &mut String, value: &Value) -> Result<(), Error> {
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
                push_json(out, &item)?;
            }
            out.push(']');
        }
        ValueKind::Map => {
            let mut keys: Vec<_> = value.try_iter()?.map(|key| (key.to_string(), key)).collect();
            keys.sort_by(|(left, _), (right, _)| left.cmp(right));
            out.push('{');
            for (index, (name, key)) in keys.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                push_string(out, name);
                out.push_str(": ");
                push_json(out, &value.get_item(key)?)?;
            }
            out.push('}');
        }
        _ => push_string(out, &value.to_string()),
    }
    Ok(())
}

fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            ' '..='~' if !matches!(character, '<' | '>' | '&' | '\'') => out.push(character),
            other => {
                for unit in other.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

/// Prints a value as Python's `str` shows it.
fn print(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let written = match (value.kind(), f64::try_from(value.clone())) {
        (ValueKind::Undefined, _) => return Err(Error::from(ErrorKind::UndefinedError)),
        (ValueKind::Number, Ok(number)) if !value.is_integer() => {
            write!(out, "{}", Argument::from(number))
        }
        _ => write!(out, "{value}"),
    };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}
