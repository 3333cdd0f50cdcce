//! The layout that integers and floats share: padding, sign, prefix, grouped digits, the rest.

use super::text::pad;
use crate::spec::{Align, Spec};

/// A number taken apart, ready to be laid out in its field.
pub(super) struct Number<'a> {
    pub(super) negative: bool,
    /// `0x` and its like.
    pub(super) prefix: &'a str,
    /// The digits before the point, which separators may group. Empty for `inf`, `nan` and `c`.
    pub(super) digits: &'a str,
    /// The number of digits between two separators.
    pub(super) group: usize,
    /// The text after the digits: the point, the fraction, the exponent, `%`.
    pub(super) rest: &'a str,
}

impl Number<'_> {
    /// Appends the number.
    pub(super) fn write(&self, out: &mut String, spec: &Spec) {
        let sign = match (self.negative, spec.sign) {
            (true, _) => Some('-'),
            (false, Some('+')) => Some('+'),
            (false, Some(' ')) => Some(' '),
            (false, _) => None,
        };
        let align = match spec.align {
            Some(align) => align,
            None if spec.zero => Align::Inside,
            None => Align::Right,
        };
        let width = usize::from(spec.width.unwrap_or(0));
        let others = usize::from(sign.is_some()) + self.prefix.len() + self.rest.chars().count();
        // Zeros inside the number are digits: separators go between them too.
        let least = if spec.fill == '0' && align == Align::Inside {
            width.saturating_sub(others)
        } else {
            0
        };
        let grouped = group(self.digits, self.group, spec.separator, least);
        let padding = width.saturating_sub(others + grouped.len());
        let (before, inside, after) = match align {
            Align::Left => (0, 0, padding),
            Align::Right => (padding, 0, 0),
            Align::Centre => (padding / 2, 0, padding - padding / 2),
            Align::Inside => (0, padding, 0),
        };
        pad(out, spec.fill, before);
        out.extend(sign);
        out.push_str(self.prefix);
        pad(out, spec.fill, inside);
        out.push_str(&grouped);
        out.push_str(self.rest);
        pad(out, spec.fill, after);
    }
}

/// Groups digits from the right and fills them up with zeros to `least` characters, separators
/// counted. A separator is never the first character, so the result can be one longer than asked.
fn group(digits: &str, group: usize, separator: Option<char>, least: usize) -> String {
    if digits.is_empty() {
        return String::new();
    }
    let mut reversed = String::with_capacity(digits.len().max(least) * 4 / 3 + 1);
    let mut remaining = digits.chars().rev();
    let mut in_group = 0;
    loop {
        let digit = match remaining.next() {
            Some(digit) => digit,
            None if reversed.len() < least => '0',
            None => break,
        };
        if let Some(separator) = separator
            && in_group == group
        {
            reversed.push(separator);
            in_group = 0;
        }
        reversed.push(digit);
        in_group += 1;
    }
    reversed.chars().rev().collect()
}
