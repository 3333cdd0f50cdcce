//! Where minijinja writes something else than Jinja2, and what it knows.

use conversant_template::Argument;
use minijinja::{Environment, Error, ErrorKind, Output, State, Value, context, value::ValueKind};

/// Replaces the filters and the printing that differ from Jinja2.
pub(super) fn mend(environment: &mut Environment<'_>) {
    environment.add_filter("e", escape);
    environment.add_filter("escape", escape);
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
