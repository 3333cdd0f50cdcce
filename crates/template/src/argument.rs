//! The values that a template's fields are filled with.

use std::borrow::Cow;

/// One value for one variable of a template.
///
/// # Examples
///
/// ```
/// use conversant_template::{Argument, Template};
///
/// let template = Template::parse("{count:,} tokens, {share:.1%}")?;
/// let text = template.render(|name| match name {
///     "count" => Some(Argument::from(12_345)),
///     "share" => Some(Argument::from(0.256)),
///     _ => None,
/// })?;
/// assert_eq!(text, "12,345 tokens, 25.6%");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Argument<'a> {
    /// Text, written as it is.
    Text(Cow<'a, str>),
    /// A signed integer.
    Integer(i64),
    /// An unsigned integer, for values above `i64::MAX`.
    Unsigned(u64),
    /// A floating-point number, written as Python writes it: `1.0`, `1e+16`, `inf`, `nan`.
    Float(f64),
    /// A truth value: `True` or `False` without a format spec, the integer 1 or 0 with one.
    Boolean(bool),
    /// Python's `None`, which takes no format spec.
    None,
}

impl<'a> From<&'a str> for Argument<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Argument<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Argument<'_> {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl<'a> From<Cow<'a, str>> for Argument<'a> {
    fn from(text: Cow<'a, str>) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for Argument<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<i64> for Argument<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<u64> for Argument<'_> {
    fn from(number: u64) -> Self {
        Self::Unsigned(number)
    }
}

impl From<f64> for Argument<'_> {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for Argument<'_> {
    fn from(truth: bool) -> Self {
        Self::Boolean(truth)
    }
}
