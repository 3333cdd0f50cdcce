//! The filter `tojson`, which minijinja writes in another form than Jinja2.

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands a filter its arguments so")]

use conversant_core::python::push_json_string;
use conversant_template::{Argument, MAX_WIDTH, jinja::shown};
use minijinja::{
    Error, ErrorKind, Value,
    value::{Kwargs, ValueKind},
};

use crate::work_limit::MAX_OUTPUT_BYTES;

/// The deepest nesting that is written: 200 levels. JSON values have at most 128.
const MAX_DEPTH: usize = 200;

/// `tojson(indent=none)`
///
/// Writes JSON as Jinja2 does: keys sorted, spaces after `,` and `:`, ASCII alone, and nothing that
/// HTML would read. With an indent, which is a number of spaces or a text, each item has its line.
pub(super) fn to_json(
    value: &Value,
    place: Option<Value>,
    kwargs: Kwargs,
) -> Result<String, Error> {
    let indent = match place {
        Some(indent) => Some(indent),
        None => kwargs.get("indent")?,
    };
    kwargs.assert_all_used()?;
    let indent = indent.filter(|indent| !indent.is_none()).map(|indent| margin(&indent));
    let mut json = Json { out: String::new(), indent: indent.transpose()? };
    json.push(value, 0)?;
    Ok(json.out)
}

/// Returns what a level of nesting begins its lines with.
fn margin(indent: &Value) -> Result<String, Error> {
    let margin = match indent.as_str() {
        Some(text) => text
            .replace('&', "\\u0026")
            .replace('<', "\\u003c")
            .replace('>', "\\u003e")
            .replace('\'', "\\u0027"),
        None => {
            let width = i64::try_from(indent.clone())?.max(0);
            " ".repeat(usize::try_from(width).unwrap_or(usize::MAX).min(MAX_WIDTH + 1))
        }
    };
    if margin.len() > MAX_WIDTH {
        return Err(Error::from(ErrorKind::InvalidOperation));
    }
    Ok(margin)
}

struct Json {
    out: String,
    indent: Option<String>,
}

impl Json {
    fn push(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > MAX_DEPTH || self.out.len() > MAX_OUTPUT_BYTES {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
        match value.kind() {
            ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => match f64::try_from(value.clone()) {
                Ok(number) if number.is_nan() => self.out.push_str("NaN"),
                Ok(number) if number.is_infinite() => {
                    self.out.push_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
                }
                Ok(number) if !value.is_integer() => {
                    self.out.push_str(&Argument::from(number).to_string());
                }
                _ => self.out.push_str(&value.to_string()),
            },
            ValueKind::Seq | ValueKind::Iterable => {
                self.out.push('[');
                let mut count = 0;
                for item in value.try_iter()? {
                    self.begin_item(count, depth + 1);
                    self.push(&item, depth + 1)?;
                    count += 1;
                }
                self.end_items(count, depth, ']');
            }
            ValueKind::Map => {
                let named = |key: Value| Ok((shown(&key)?, key));
                let mut keys = value.try_iter()?.map(named).collect::<Result<Vec<_>, Error>>()?;
                keys.sort_by(|(left, _), (right, _)| left.cmp(right));
                self.out.push('{');
                for (index, (name, key)) in keys.iter().enumerate() {
                    self.begin_item(index, depth + 1);
                    push_string(&mut self.out, name)?;
                    self.out.push_str(": ");
                    self.push(&value.get_item(key)?, depth + 1)?;
                }
                self.end_items(keys.len(), depth, '}');
            }
            _ => push_string(&mut self.out, &shown(value)?)?,
        }
        Ok(())
    }

    /// Writes what precedes an item of a list or map.
    fn begin_item(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push_str(if self.indent.is_some() { "," } else { ", " });
        }
        self.break_line(depth);
    }

    fn end_items(&mut self, count: usize, depth: usize, bracket: char) {
        if count > 0 {
            self.break_line(depth);
        }
        self.out.push(bracket);
    }

    fn break_line(&mut self, depth: usize) {
        let Some(indent) = &self.indent else { return };
        self.out.push('\n');
        for _ in 0..depth {
            self.out.push_str(indent);
        }
    }
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
