//! Names of others in error texts.

use std::borrow::Cow;

/// The longest name that an error text shows whole, in bytes.
const MAX_LENGTH: usize = 200;

/// Returns a name as an error text shows it: whole, or its first 200 bytes and an ellipsis. For
/// names that come from a file, a server or a model, which can be of any length.
///
/// # Examples
///
/// ```
/// use conversant_core::shortened;
///
/// assert_eq!(shortened("chat"), "chat");
/// assert_eq!(shortened(&"é".repeat(1000)), format!("{}…", "é".repeat(100)));
/// ```
#[must_use]
pub fn shortened(name: &str) -> Cow<'_, str> {
    if name.len() <= MAX_LENGTH {
        return Cow::Borrowed(name);
    }
    let end = (0..=MAX_LENGTH).rev().find(|end| name.is_char_boundary(*end)).unwrap_or_default();
    let start = name.get(..end).unwrap_or_default();
    Cow::Owned(format!("{start}…"))
}

/// The longest name that is shown where any text could be in its place, in bytes.
const MAX_SHOWN: usize = 128;

/// Returns a name, a code or an id as an error text or a log shows it where a model or a server
/// could write any text in its place, even a prompt: a word of up to 128 letters, digits and
/// `_-.:/#[]` as it is, and the size of any other text.
///
/// # Examples
///
/// ```
/// use conversant_core::shown_name;
///
/// assert_eq!(shown_name("rate_limit_exceeded"), "rate_limit_exceeded");
/// assert_eq!(shown_name("the prompt 'I am ill' is not allowed"), "<36 bytes>");
/// ```
#[must_use]
pub fn shown_name(name: &str) -> Cow<'_, str> {
    let is_shown = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.:/#[]".contains(&byte);
    if name.len() <= MAX_SHOWN && name.bytes().all(is_shown) {
        return Cow::Borrowed(name);
    }
    Cow::Owned(format!("<{} bytes>", name.len()))
}
