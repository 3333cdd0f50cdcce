//! The additions of Hugging Face to Jinja2 for chat templates: `tojson`, `strftime_now` and
//! `{% generation %}` (transformers 4.57 `utils/chat_template_utils.py::_compile_jinja_template`).

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands functions their arguments so")]

use std::{
    fmt::Write as _,
    time::{SystemTime, UNIX_EPOCH},
};

use conversant_core::python::push_json_string;
use conversant_template::{
    MAX_OUTPUT_BYTES, MAX_WIDTH,
    jinja::{
        lex::{Kind, tags},
        measure_text, shown,
    },
};
use minijinja::{
    Environment, Error, ErrorKind, State, Value,
    value::{Kwargs, ValueKind},
};

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
    let indent = match kwargs.get::<Option<Value>>("indent")?.filter(|indent| !indent.is_none()) {
        None => None,
        Some(indent) => Some(margin(&indent)?),
    };
    let default = if indent.is_some() { "," } else { ", " };
    let separators = kwargs.get::<Option<Vec<String>>>("separators")?;
    let (item, key) = match separators.as_deref() {
        None => (default.to_owned(), ": ".to_owned()),
        Some([item, key]) => (item.clone(), key.clone()),
        Some(_) => return Err(Error::from(ErrorKind::InvalidOperation)),
    };
    if item.len().max(key.len()) > MAX_WIDTH {
        return Err(Error::from(ErrorKind::InvalidOperation));
    }
    let is_ascii = kwargs.get::<Option<bool>>("ensure_ascii")?.unwrap_or_default();
    let is_sorted = kwargs.get::<Option<bool>>("sort_keys")?.unwrap_or_default();
    kwargs.assert_all_used()?;
    measure_text(state, value)?;
    let mut json = Json { out: String::new(), indent, item, key, is_ascii, is_sorted };
    json.push(value, 0)?;
    state.consume_fuel(json.out.len() as u64 / 64)?;
    Ok(json.out)
}

/// Returns what a level of nesting begins its lines with.
fn margin(indent: &Value) -> Result<String, Error> {
    let margin = match indent.as_str() {
        Some(text) => text.to_owned(),
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
    /// The text between items.
    item: String,
    /// The text after a key.
    key: String,
    is_ascii: bool,
    is_sorted: bool,
}

impl Json {
    /// Writes a value. Values are not deeper than `measure_text` allows.
    fn push(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if self.out.len() > MAX_OUTPUT_BYTES {
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
                _ => self.out.push_str(&shown(value)?),
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
                if self.is_sorted {
                    keys.sort_by(|(left, _), (right, _)| left.cmp(right));
                }
                self.out.push('{');
                for (index, (name, key)) in keys.iter().enumerate() {
                    self.begin_item(index, depth + 1);
                    self.push_string(name);
                    self.out.push_str(&self.key);
                    self.push(&value.get_item(key)?, depth + 1)?;
                }
                self.end_items(keys.len(), depth, '}');
            }
            _ => self.push_string(&shown(value)?),
        }
        Ok(())
    }

    /// Writes what precedes an item of a list or map.
    fn begin_item(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push_str(&self.item);
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

    fn push_string(&mut self, text: &str) {
        if self.is_ascii {
            push_json_string(&mut self.out, text);
            return;
        }
        self.out.push('"');
        for character in text.chars() {
            match character {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                // Writing to a `String` does not fail.
                '\0'..='\u{1f}' => _ = write!(self.out, "\\u{:04x}", u32::from(character)),
                other => self.out.push(other),
            }
        }
        self.out.push('"');
    }
}
