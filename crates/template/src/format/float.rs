//! Floats in a field: fixed, exponent, general and shortest form, each as Python rounds and lays it
//! out.

use super::number::Number;
use crate::spec::Spec;

/// The precision of a spec with a code and without a precision.
const DEFAULT_PRECISION: usize = 6;
/// From this many digits before the point on, the shortest form has an exponent.
const SHORTEST_LIMIT: i32 = 16;

/// Appends a float as Python's `str` shows it: the fewest digits that read back as the same number.
pub(super) fn push_plain(out: &mut String, value: f64) {
    if value.is_sign_negative() && !value.is_nan() {
        out.push('-');
    }
    out.push_str(&not_finite(value).map_or_else(|| shortest(value.abs(), false), str::to_owned));
}

/// Appends a float with one of the codes `e`, `E`, `f`, `F`, `g`, `G`, `n`, `%` or none.
pub(super) fn write(out: &mut String, value: f64, spec: &Spec) {
    let value = if spec.code == Some('%') { value * 100.0 } else { value };
    let mut body = match not_finite(value) {
        Some(word) => word.to_owned(),
        None => magnitude(value.abs(), spec),
    };
    let is_zero = value.is_finite() && all_zero(&body);
    if matches!(spec.code, Some('E' | 'F' | 'G')) {
        body.make_ascii_uppercase();
    }
    if spec.code == Some('%') {
        body.push('%');
    }
    let negative =
        value.is_sign_negative() && !value.is_nan() && !(spec.no_negative_zero && is_zero);
    let split = body.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = body.split_at_checked(split).unwrap_or((&body, ""));
    Number { negative, prefix: "", digits, group: 3, rest }.write(out, spec);
}

fn not_finite(value: f64) -> Option<&'static str> {
    if value.is_nan() {
        Some("nan")
    } else if value.is_infinite() {
        Some("inf")
    } else {
        None
    }
}

/// Returns whether the digits before the exponent are all zero.
fn all_zero(body: &str) -> bool {
    body.bytes().take_while(|byte| *byte != b'e').all(|byte| matches!(byte, b'0' | b'.'))
}

/// Writes a finite, non-negative number in the form of the spec.
fn magnitude(value: f64, spec: &Spec) -> String {
    let precision = spec.precision.map_or(DEFAULT_PRECISION, usize::from);
    match spec.code {
        Some('e' | 'E') => exponent(value, precision, spec.alternate),
        Some('f' | 'F' | '%') => {
            let mut body = format!("{value:.precision$}");
            if precision == 0 && spec.alternate {
                body.push('.');
            }
            body
        }
        Some(_) => {
            let significant = precision.max(1);
            general(value, significant, saturate(significant), false, spec.alternate)
        }
        None => match spec.precision {
            Some(_) => {
                let significant = precision.max(1);
                general(value, significant, saturate(significant) - 1, true, spec.alternate)
            }
            None => shortest(value, spec.alternate),
        },
    }
}

fn saturate(digits: usize) -> i32 {
    i32::try_from(digits).unwrap_or(i32::MAX)
}

/// Returns the form of `e`: one digit, the fraction, an exponent of at least two digits.
fn exponent(value: f64, precision: usize, alternate: bool) -> String {
    let (digits, point) = digits(&format!("{value:.precision$e}"));
    lay_out(&digits, point, digits.len(), true, false, alternate)
}

/// Returns the form of `g`: `significant` digits, with an exponent where that is shorter.
fn general(value: f64, significant: usize, limit: i32, dot_zero: bool, alternate: bool) -> String {
    let (digits, point) = digits(&format!("{value:.*e}", significant - 1));
    let digits = without_trailing_zeros(&digits);
    let with_exponent = point <= -4 || point > limit;
    let shown = if alternate { significant } else { digits.len() };
    lay_out(digits, point, shown, with_exponent, dot_zero, alternate)
}

/// Returns the form of `repr`: the fewest digits that read back as the same number, always a point
/// or exponent.
fn shortest(value: f64, alternate: bool) -> String {
    let mut scientific = format!("{value:e}");
    // Where two candidates are equally near, Python takes the even one, and rounding to as many
    // digits does so too. At a power of two the nearest may read back as another number.
    let count =
        scientific.bytes().take_while(|byte| *byte != b'e').filter(u8::is_ascii_digit).count();
    let rounded = format!("{value:.*e}", count.saturating_sub(1));
    if rounded != scientific && rounded.parse() == Ok(value) {
        scientific = rounded;
    }
    let (digits, point) = digits(&scientific);
    let digits = without_trailing_zeros(&digits);
    let with_exponent = point <= -4 || point > SHORTEST_LIMIT;
    lay_out(digits, point, digits.len(), with_exponent, true, alternate)
}

fn without_trailing_zeros(digits: &str) -> &str {
    let trimmed = digits.trim_end_matches('0');
    if trimmed.is_empty() { digits.get(..1).unwrap_or(digits) } else { trimmed }
}

/// Takes `d.ddde-5` apart: the digits, and the position of the decimal point among them.
fn digits(scientific: &str) -> (String, i32) {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let digits = mantissa.chars().filter(char::is_ascii_digit).collect();
    (digits, exponent.parse::<i32>().unwrap_or(0) + 1)
}

/// Adds the decimal point, after `point` digits or after the first one before an exponent. Pads
/// with zeros to `shown` digits and to the point.
fn lay_out(
    digits: &str,
    point: i32,
    shown: usize,
    with_exponent: bool,
    dot_zero: bool,
    alternate: bool,
) -> String {
    let (exponent, point) = if with_exponent { (Some(point - 1), 1) } else { (None, point) };
    let mut out = String::with_capacity(shown + 24);
    let whole = usize::try_from(point).unwrap_or(0);
    if whole == 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', usize::try_from(-point).unwrap_or(0)));
    }
    let mut written = 0;
    for digit in digits.chars().chain(std::iter::repeat('0')) {
        let more_fraction = written < shown || (dot_zero && exponent.is_none() && written <= whole);
        if written >= whole && !more_fraction {
            break;
        }
        if written == whole && whole > 0 {
            out.push('.');
        }
        out.push(digit);
        written += 1;
    }
    if alternate && written == whole {
        out.push('.');
    }
    if let Some(exponent) = exponent {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("e{sign}{:02}", exponent.unsigned_abs()));
    }
    out
}
