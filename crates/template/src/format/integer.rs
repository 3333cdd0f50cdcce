//! Integers in a field: bases, prefixes, and code points as characters.

use std::fmt::Write;

use super::number::Number;
use crate::spec::{Spec, SpecError};

/// Appends an integer in decimal.
pub(super) fn push_decimal(out: &mut String, magnitude: u64) {
    // Writing to a string cannot fail.
    let _ = write!(out, "{magnitude}");
}

/// Appends an integer with one of the codes `b`, `d`, `n`, `o`, `x`, `X` or none.
pub(super) fn write(out: &mut String, negative: bool, magnitude: u64, spec: &Spec) {
    let (digits, prefix, group) = match spec.code {
        Some('b') => (format!("{magnitude:b}"), "0b", 4),
        Some('o') => (format!("{magnitude:o}"), "0o", 4),
        Some('x') => (format!("{magnitude:x}"), "0x", 4),
        Some('X') => (format!("{magnitude:X}"), "0X", 4),
        _ => (magnitude.to_string(), "", 3),
    };
    let prefix = if spec.alternate { prefix } else { "" };
    Number { negative, prefix, digits: &digits, group, rest: "" }.write(out, spec);
}

/// Appends the character that an integer is the code point of.
pub(super) fn write_character(
    out: &mut String,
    negative: bool,
    magnitude: u64,
    spec: &Spec,
) -> Result<(), SpecError> {
    let character = u32::try_from(magnitude)
        .ok()
        .filter(|_| !negative)
        .and_then(char::from_u32)
        .ok_or(SpecError::NOT_A_CHARACTER)?;
    let rest = character.encode_utf8(&mut [0; 4]).to_owned();
    Number { negative, prefix: "", digits: "", group: 3, rest: &rest }.write(out, spec);
    Ok(())
}
