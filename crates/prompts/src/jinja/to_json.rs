//! The filter `tojson`, which minijinja writes in another form than Jinja2.

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands a filter its arguments so")]

use conversant_core::python::push_json_string;
use conversant_template::jinja::{self, JsonFormat, json_indent};
use minijinja::{Error, ErrorKind, Value, value::Kwargs};

use crate::work_limit::MAX_OUTPUT_BYTES;

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
    let indent = indent.filter(|indent| !indent.is_none()).map(|indent| json_indent(&indent));
    let indent = indent.transpose()?.map(|indent| {
        let escaped = indent.replace('&', "\\u0026").replace('<', "\\u003c");
        escaped.replace('>', "\\u003e").replace('\'', "\\u0027")
    });
    let format = JsonFormat {
        item_separator: if indent.is_some() { "," } else { ", " },
        key_separator: ": ",
        indent: indent.as_deref(),
        sort_keys: true,
        push_string,
    };
    jinja::to_json(value, &format)
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
