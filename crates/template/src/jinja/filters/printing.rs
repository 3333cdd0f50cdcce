//! Printing and escaping of values as Jinja2 does it.

use std::fmt::{self, Write as _};

use minijinja::{AutoEscape, Error, ErrorKind, Output, State, Value, value::ValueKind};

use crate::{Argument, MAX_OUTPUT_BYTES, jinja::measure::measure_text};

/// Escapes for HTML as Jinja2 does, unless that was done before.
pub(super) fn escape(state: &State<'_, '_>, value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    measure_text(state, value)?;
    Ok(Value::from_safe_string(escaped(&shown(value)?)?))
}

/// Writes `&#34;` and `&#39;` for quotes.
pub(super) fn escaped(text: &str) -> Result<String, Error> {
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
        if escaped.len() > MAX_OUTPUT_BYTES {
            return Err(Error::from(ErrorKind::OutOfFuel));
        }
    }
    Ok(escaped)
}

/// Prints a value. What reaches this and is undefined is an `if` without its `else`, which prints
/// nothing.
pub(super) fn print(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    measure_text(state, value)?;
    let text = shown(value)?;
    let written = if *state.auto_escape() == AutoEscape::None || value.is_safe() {
        out.write_str(&text)
    } else {
        out.write_str(&escaped(&text)?)
    };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}

/// Returns a value as Python's `str` shows it.
///
/// # Errors
///
/// [`ErrorKind::OutOfFuel`] for a text of more than [`MAX_OUTPUT_BYTES`].
pub fn shown(value: &Value) -> Result<String, Error> {
    match (value.kind(), f64::try_from(value.clone())) {
        (ValueKind::Number, Ok(number)) if !value.is_integer() => {
            Ok(Argument::from(number).to_string())
        }
        _ => {
            let mut text = Bounded(String::new());
            write!(text, "{value}").map_err(|_| Error::from(ErrorKind::OutOfFuel))?;
            Ok(text.0)
        }
    }
}

/// Text up to [`MAX_OUTPUT_BYTES`].
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.len() > MAX_OUTPUT_BYTES - self.0.len() {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}
