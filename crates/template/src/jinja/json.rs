//! Values of a template as JSON.

use minijinja::{Error, ErrorKind, Value, value::ValueKind};

use super::filters::shown;
use crate::{MAX_OUTPUT_BYTES, MAX_WIDTH};

/// The deepest nesting that is written: 200 levels. JSON values have at most 128.
const MAX_DEPTH: usize = 200;

/// The form of the JSON that [`to_json`] writes.
#[derive(Debug, Clone, Copy)]
pub struct JsonFormat<'f> {
    /// The text between items: `, ` in Python.
    pub item_separator: &'f str,
    /// The text after a key: `: ` in Python.
    pub key_separator: &'f str,
    /// The text with which a line begins, for each level of nesting. `None` writes one line.
    pub indent: Option<&'f str>,
    /// Whether keys are sorted by their characters.
    pub sort_keys: bool,
    /// Adds a text with its quotes. It fails if the output is longer than [`MAX_OUTPUT_BYTES`].
    pub push_string: fn(&mut String, &str) -> Result<(), Error>,
}

/// Returns a value as JSON. Numbers that JSON lacks are `NaN` and `Infinity`, as in Python.
///
/// # Errors
///
/// [`ErrorKind::UndefinedError`] if the value is, or contains, one that is undefined;
/// [`ErrorKind::OutOfFuel`] if values are nested deeper than 200 levels, or if the output is longer
/// than [`MAX_OUTPUT_BYTES`] by more than a text.
pub fn to_json(value: &Value, format: &JsonFormat<'_>) -> Result<String, Error> {
    let mut json = Json { out: String::new(), format };
    json.push(value, 0)?;
    Ok(json.out)
}

/// Returns what a line begins with for each level of nesting, for the argument `indent` of a
/// filter: a text, or the number of spaces.
///
/// # Errors
///
/// [`ErrorKind::InvalidOperation`] if it is longer than [`MAX_WIDTH`] or neither text nor number.
pub fn json_indent(argument: &Value) -> Result<String, Error> {
    let indent = match argument.as_str() {
        Some(text) => text.to_owned(),
        None => {
            let width = i64::try_from(argument.clone())?.max(0);
            " ".repeat(usize::try_from(width).unwrap_or(usize::MAX).min(MAX_WIDTH + 1))
        }
    };
    match indent.len() > MAX_WIDTH {
        true => Err(Error::from(ErrorKind::InvalidOperation)),
        false => Ok(indent),
    }
}

struct Json<'f> {
    out: String,
    format: &'f JsonFormat<'f>,
}

impl Json<'_> {
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
                if self.format.sort_keys {
                    keys.sort_by(|(left, _), (right, _)| left.cmp(right));
                }
                self.out.push('{');
                for (index, (name, key)) in keys.iter().enumerate() {
                    self.begin_item(index, depth + 1);
                    self.push_string(name)?;
                    self.out.push_str(self.format.key_separator);
                    self.push(&value.get_item(key)?, depth + 1)?;
                }
                self.end_items(keys.len(), depth, '}');
            }
            _ => self.push_string(&shown(value)?)?,
        }
        Ok(())
    }

    fn push_string(&mut self, text: &str) -> Result<(), Error> {
        (self.format.push_string)(&mut self.out, text)
    }

    /// Writes what precedes an item of a list or map.
    fn begin_item(&mut self, index: usize, depth: usize) {
        if index > 0 {
            self.out.push_str(self.format.item_separator);
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
        let Some(indent) = self.format.indent else { return };
        self.out.push('\n');
        for _ in 0..depth {
            self.out.push_str(indent);
        }
    }
}
