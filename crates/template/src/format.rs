//! Writing one value with one format spec, as Python 3.11 writes it.

use std::fmt;

use crate::{
    argument::Argument,
    spec::{Class, Spec, SpecError},
};

mod float;
mod integer;
mod number;
mod text;

/// Appends a value to `out`. `to_text` is the conversion `!s`: the value is made text first.
pub(crate) fn write(
    out: &mut String,
    argument: &Argument<'_>,
    to_text: bool,
    spec: Option<&Spec>,
) -> Result<(), SpecError> {
    let Some(spec) = spec else {
        write_plain(out, argument);
        return Ok(());
    };
    match argument {
        Argument::Text(value) => {
            spec.check(Class::Text)?;
            text::write(out, value, spec);
        }
        _ if to_text => {
            spec.check(Class::Text)?;
            let mut value = String::new();
            write_plain(&mut value, argument);
            text::write(out, &value, spec);
        }
        Argument::Integer(value) => {
            write_integer(out, *value < 0, value.unsigned_abs(), *value as f64, spec)?;
        }
        Argument::Unsigned(value) => write_integer(out, false, *value, *value as f64, spec)?,
        Argument::Boolean(value) => {
            let number = u8::from(*value);
            write_integer(out, false, number.into(), number.into(), spec)?;
        }
        Argument::Float(value) => {
            spec.check(Class::Float)?;
            float::write(out, *value, spec);
        }
        Argument::None => return Err(SpecError::NONE),
    }
    Ok(())
}

/// Appends a value without any spec, as Python's `str` shows it.
fn write_plain(out: &mut String, argument: &Argument<'_>) {
    match argument {
        Argument::Text(value) => out.push_str(value),
        Argument::Integer(value) => {
            if *value < 0 {
                out.push('-');
            }
            integer::push_decimal(out, value.unsigned_abs());
        }
        Argument::Unsigned(value) => integer::push_decimal(out, *value),
        Argument::Float(value) => float::push_plain(out, *value),
        Argument::Boolean(value) => out.push_str(if *value { "True" } else { "False" }),
        Argument::None => out.push_str("None"),
    }
}

impl fmt::Display for Argument<'_> {
    /// Writes the value as a field without a format spec does: as Python's `str` shows it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = String::new();
        write_plain(&mut text, self);
        f.write_str(&text)
    }
}

/// Appends an integer, which the codes for floats turn into a float first.
fn write_integer(
    out: &mut String,
    negative: bool,
    magnitude: u64,
    as_float: f64,
    spec: &Spec,
) -> Result<(), SpecError> {
    spec.check(Class::Integer)?;
    match spec.code {
        Some('e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') => float::write(out, as_float, spec),
        Some('c') => integer::write_character(out, negative, magnitude, spec)?,
        _ => integer::write(out, negative, magnitude, spec),
    }
    Ok(())
}
