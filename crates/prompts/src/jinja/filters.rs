//! Where minijinja writes something else than Jinja2, and what it knows.

use std::fmt::{self, Write as _};

use conversant_template::Argument;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Output, State, Value, context,
    value::{ArgType, Kwargs, ValueKind},
};

use super::to_json::to_json;
use crate::work_limit::MAX_OUTPUT_BYTES;

mod number;
mod words;

/// Replaces the filters and the printing that differ from Jinja2.
pub(super) fn mend(environment: &mut Environment<'_>) {
    environment.add_filter("e", escape);
    environment.add_filter("escape", escape);
    environment.add_filter("tojson", to_json);
    environment.add_filter("int", number::int);
    environment.add_filter("float", number::float);
    environment.add_filter("center", words::center);
    environment.add_filter("indent", words::indent);
    environment.add_filter("truncate", words::truncate);
    environment.add_filter("wordcount", words::wordcount);
    // It writes another form than Python's; better not to have it.
    environment.remove_filter("pprint");
    environment.set_formatter(print);
}

/// Returns whether a filter or test exists.
pub(super) fn exists(environment: &Environment<'_>, kind: &str, name: &str) -> bool {
    let expression = format!("name is {kind}");
    let known = environment
        .compile_expression_owned(expression)
        .and_then(|expression| expression.eval(context! { name }));
    known.is_ok_and(|known| known.is_true())
}

/// Returns an argument that can be given by its place or by its name.
fn argument<T>(
    places: &[Value],
    place: usize,
    kwargs: &Kwargs,
    name: &'static str,
) -> Result<Option<T>, Error>
where
    T: for<'a> ArgType<'a, Output = T>,
    Option<T>: for<'a> ArgType<'a, Output = Option<T>>,
{
    match places.get(place) {
        Some(value) => T::from_value(Some(value)).map(Some),
        None => kwargs.get(name),
    }
}

/// Escapes for HTML as Jinja2 does, unless that was done before.
fn escape(value: &Value) -> Result<Value, Error> {
    if value.is_safe() {
        return Ok(value.clone());
    }
    Ok(Value::from_safe_string(escaped(&shown(value)?)))
}

/// Writes `&#34;` and `&#39;` for quotes.
fn escaped(text: &str) -> String {
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

/// Prints a value. What reaches this and is undefined is an `if` without its `else`, which prints
/// nothing.
fn print(out: &mut Output<'_>, state: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    let text = shown(value)?;
    let written = if *state.auto_escape() == AutoEscape::None || value.is_safe() {
        out.write_str(&text)
    } else {
        out.write_str(&escaped(&text))
    };
    written.map_err(|_| Error::from(ErrorKind::WriteFailure))
}

/// Returns a value as Python's `str` shows it.
///
/// minijinja charges no fuel for this, and a list can hold another many times over, so the text has
/// the limit of the output.
fn shown(value: &Value) -> Result<String, Error> {
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
