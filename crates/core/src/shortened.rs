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
