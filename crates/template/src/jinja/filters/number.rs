//! The filters `int` and `float`, which give a default where a value is not a number.

#![expect(clippy::needless_pass_by_value, reason = "minijinja hands a filter its arguments so")]

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
        return Ok(Value::from(whole));
    }
    Ok(match decimal(value).map(f64::trunc) {
        // Floats beyond this hold no whole number that an integer could hold.
        Some(whole) if whole.abs() < 9.0e18 => Value::from(whole as i64),
        _ => default,
    })
}

/// `float(default=0.0)`
pub(super) fn float(value: &Value, places: Rest<Value>, kwargs: Kwargs) -> Result<Value, Error> {
    let default = argument(&places, 0, &kwargs, "default")?.unwrap_or_else(|| Value::from(0.0));
    kwargs.assert_all_used()?;
    Ok(decimal(value).map_or(default, Value::from))
}

fn whole(text: &str, base: u32) -> Option<i64> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
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
    i64::from_str_radix(&format!("{sign}{}", prefix.unwrap_or(digits)), base).ok()
}

fn decimal(value: &Value) -> Option<f64> {
    match value.kind() {
        ValueKind::Bool => Some(if value.is_true() { 1.0 } else { 0.0 }),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::String => value.as_str()?.trim().parse().ok(),
        _ => None,
    }
}
