//! The additions of Hugging Face to Jinja2 for chat templates: `tojson`, `strftime_now` and
//! `{% generation %}` (transformers 4.57 `utils/chat_template_utils.py::_compile_jinja_template`).

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands functions their arguments so")]

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use conversant_core::python::push_json_string;
use conversant_template::{
    MAX_WIDTH,
    jinja::{
        self, JsonFormat, json_indent,
        lex::{Kind, tags},
        measure_text,
    },
};
use minijinja::{Environment, Error, ErrorKind, State, Value, value::Kwargs};

use super::date::Date;

/// Adds the filter and the function.
pub(super) fn install(environment: &mut Environment<'_>) {
    environment.add_filter("tojson", to_json);
    environment.add_function("strftime_now", |format: &str| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Date::at(now.as_secs()).format(format)
    });
}

/// Replaces the tags around what a model has generated. They mark it for training, and have a
/// scope of their own.
pub(super) fn without_generation_tags(source: &str) -> String {
    let mut replaced = String::with_capacity(source.len());
    let mut at = 0;
    for tag in tags(source).into_iter().filter(|tag| tag.is_statement) {
        let [word] = tag.words_without_trim_marks() else { continue };
        let replacement = match (word.kind, word.text) {
            (Kind::Name, "generation") => "with",
            (Kind::Name, "endgeneration") => "endwith",
            _ => continue,
        };
        replaced.push_str(source.get(at..word.offset).unwrap_or_default());
        replaced.push_str(replacement);
        at = word.offset + word.text.len();
    }
    replaced.push_str(source.get(at..).unwrap_or_default());
    replaced
}

/// `tojson(ensure_ascii=false, indent=none, separators=none, sort_keys=false)`
///
/// Python's `json.dumps`: unlike Jinja2's own filter, it escapes nothing for HTML.
fn to_json(state: &State<'_, '_>, value: &Value, kwargs: Kwargs) -> Result<String, Error> {
    let indent = kwargs.get::<Option<Value>>("indent")?.filter(|indent| !indent.is_none());
    let indent = indent.map(|indent| json_indent(&indent)).transpose()?;
    let default = if indent.is_some() { "," } else { ", " };
    let separators = kwargs.get::<Option<Vec<String>>>("separators")?;
    let (item_separator, key_separator) = match separators.as_deref() {
        None => (default, ": "),
        Some([item, key]) => (item.as_str(), key.as_str()),
        Some(_) => return Err(Error::from(ErrorKind::InvalidOperation)),
    };
    if item_separator.len().max(key_separator.len()) > MAX_WIDTH {
        return Err(Error::from(ErrorKind::InvalidOperation));
    }
    let is_ascii = kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or_default();
    let sort_keys = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or_default();
    kwargs.assert_all_used()?;
    measure_text(state, value)?;
    let format = JsonFormat {
        item_separator,
        key_separator,
        indent: indent.as_deref(),
        sort_keys,
        push_string: if is_ascii { push_ascii } else { push_unicode },
    };
    let json = jinja::to_json(value, &format)?;
    state.consume_fuel(json.len() as u64 / 64)?;
    Ok(json)
}

fn push_ascii(out: &mut String, text: &str) -> Result<(), Error> {
    push_json_string(out, text);
    Ok(())
}

fn push_unicode(out: &mut String, text: &str) -> Result<(), Error> {
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
            // Writing to a `String` does not fail.
            '\0'..='\u{1f}' => _ = write!(out, "\\u{:04x}", u32::from(character)),
            other => out.push(other),
        }
    }
    out.push('"');
    Ok(())
}
