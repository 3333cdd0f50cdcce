//! The value of a plain scalar: a text, a number, a boolean or nothing.

use serde_json::{Number, Value as Json};

/// A number that JSON does not have, or a text in the place of a number.
pub(super) struct NoNumber;

/// Returns the value of a scalar without quotes and tag: a number where PyYAML takes it for one
/// (`yaml/resolver.py`), apart from its numbers to the base of 60.
pub(super) fn plain(scalar: &str) -> Result<Json, NoNumber> {
    Ok(match scalar {
        "" | "~" | "null" | "Null" | "NULL" => Json::Null,
        "true" | "True" | "TRUE" => Json::Bool(true),
        "false" | "False" | "FALSE" => Json::Bool(false),
        _ => match integer(scalar) {
            Some(integer) => Json::Number(integer),
            None if is_float(scalar) => Json::Number(float(scalar)?),
            None => Json::from(scalar),
        },
    })
}

/// Returns the number that a scalar with the tag of integers or of floats is.
pub(super) fn number(scalar: &str, is_float: bool) -> Result<Json, NoNumber> {
    match integer(scalar).filter(|_| !is_float) {
        Some(integer) => Ok(Json::Number(integer)),
        None => float(scalar).map(Json::Number),
    }
}

fn integer(scalar: &str) -> Option<Number> {
    let (is_negative, unsigned) = match scalar.strip_prefix('-') {
        Some(unsigned) => (true, unsigned),
        None => (false, scalar.strip_prefix('+').unwrap_or(scalar)),
    };
    let (digits, base) = match unsigned.split_at_checked(2) {
        Some(("0b", digits)) => (digits, 2),
        Some(("0x", digits)) => (digits, 16),
        _ => (unsigned, 10),
    };
    // A zero begins an octal number there: `08` is a text, and `017` a number in both notations.
    let is_octal = base == 10 && digits.len() > 1 && digits.starts_with('0');
    let allowed = if is_octal { 8 } else { base };
    let is_digit = |digit: char| digit == '_' || digit.is_digit(allowed);
    if !digits.chars().all(is_digit) || (base == 10 && digits.starts_with('_')) {
        return None;
    }
    let digits = digits.replace('_', "");
    let value = u64::from_str_radix(&digits, base).ok();
    if is_negative {
        return value.and_then(|value| 0_i64.checked_sub_unsigned(value)).map(Number::from);
    }
    value.map(Number::from)
}

/// Returns whether a scalar is a number with a point, or one that is too large for an integer.
fn is_float(scalar: &str) -> bool {
    let unsigned = scalar.strip_prefix(['-', '+']).unwrap_or(scalar);
    let is_signed = unsigned.len() < scalar.len();
    match unsigned {
        ".inf" | ".Inf" | ".INF" => return true,
        ".nan" | ".NaN" | ".NAN" => return !is_signed,
        _ => {}
    }
    let is_decimal = |character: char| character.is_ascii_digit();
    let are_digits = |text: &str| text.chars().all(|digit| digit == '_' || is_decimal(digit));
    let Some((whole, rest)) = unsigned.split_once('.') else {
        return unsigned.starts_with(|digit| matches!(digit, '1'..='9')) && are_digits(unsigned);
    };
    let (fraction, is_exponent) = match rest.split_once(['e', 'E']) {
        Some((fraction, exponent)) => {
            let digits = exponent.strip_prefix(['-', '+']).unwrap_or_default();
            (fraction, !digits.is_empty() && digits.chars().all(is_decimal))
        }
        None => (rest, true),
    };
    let is_begun = match whole {
        // Without digits before the point there is no sign, and a digit after it.
        "" => !is_signed && fraction.starts_with(is_decimal),
        whole => whole.starts_with(is_decimal),
    };
    is_begun && are_digits(whole) && are_digits(fraction) && is_exponent
}

fn float(scalar: &str) -> Result<Number, NoNumber> {
    let number = scalar.replace('_', "").parse().map_err(|_| NoNumber)?;
    Number::from_f64(number).ok_or(NoNumber)
}
