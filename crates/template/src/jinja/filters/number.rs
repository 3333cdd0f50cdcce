//! The filters `int` and `float`, which give a default where a value is not a number.

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands a filter its arguments so")]

use std::borrow::Cow;

use minijinja::{
    Error, Value,
    value::{Kwargs, Rest, ValueKind},
};

use super::argument::argument;

/// `int(default=0, base=10)`
pub(super) fn int(value: &Value, places: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = argument(&places, 0, &kwargs, "default")?.unwrap_or_else(|| Value::from(0));
    let base: u32 = argument(&places, 1, &kwargs, "base")?.unwrap_or(10);
    kwargs.assert_all_used()?;
    if value.is_integer() {
        return Ok(value.clone());
    }
    let text = value.as_str().map(str::trim);
    if let Some(whole) = text.and_then(|text| whole(text, base)) {
        return Ok(integer(whole));
    }
    Ok(match decimal(value).map(f64::trunc) {
        // Floats beyond this hold no whole number that an integer could hold.
        Some(whole) if whole.abs() < 1.7e38 => integer(whole as i128),
        _ => default,
    })
}

fn integer(number: i128) -> Value {
    i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)
}

/// `float(default=0.0)`
pub(super) fn float(value: &Value, places: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = argument(&places, 0, &kwargs, "default")?.unwrap_or_else(|| Value::from(0.0));
    kwargs.assert_all_used()?;
    Ok(decimal(value).map_or(default, Value::from))
}

fn whole(text: &str, base: u32) -> Option<i128> {
    let text = without_underscores(text, |byte| byte.is_ascii_alphanumeric())?;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let prefix = match base {
        16 => digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")),
        8 => digits.strip_prefix("0o").or_else(|| digits.strip_prefix("0O")),
        2 => digits.strip_prefix("0b").or_else(|| digits.strip_prefix("0B")),
        _ => None,
    };
    if !(2..=36).contains(&base) {
        return None;
    }
    i128::from_str_radix(&format!("{sign}{}", prefix.unwrap_or(digits)), base).ok()
}

fn decimal(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(if value.is_true() { 1.0 } else { 0.0 }),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => {
            let text = without_underscores(value.as_str()?.trim(), |byte| byte.is_ascii_digit())?;
            text.parse().ok()
        }
        _ => None,
    }
}

/// Returns a number without the underscores between its digits. `None` if there are others.
fn without_underscores(text: &str, is_digit: impl Fn(&u8) -> bool) -> Option<Cow<'_, str>> {
    if !text.contains('_') {
        return Some(Cow::Borrowed(text));
    }
    let has_digits = |part: &str| {
        let bytes = part.as_bytes();
        (bytes.first().is_some_and(&is_digit), bytes.last().is_some_and(&is_digit))
    };
    let parts: Vec<_> = text.split('_').map(has_digits).collect();
    let (last, first) = (parts.split_last()?.1, parts.split_first()?.1);
    let are_between = last.iter().all(|part| part.1) && first.iter().all(|part| part.0);
    are_between.then(|| Cow::Owned(text.replace('_', "")))
}
