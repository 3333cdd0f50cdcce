//! Text that must not appear in logs.

use std::{fmt, ops::Deref};

/// Text that code can read and `Debug` withholds, so that logs show only its size.
///
/// Errors use it for text from servers and models.
///
/// # Examples
///
/// ```
/// use conversant_core::Withheld;
///
/// let text = Withheld::from("my own words");
/// assert_eq!(format!("{text:?}"), "<12 bytes>");
/// assert_eq!(text.as_str(), "my own words");
/// ```
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Withheld(String);

impl Withheld {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Converts the value into its text.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Bytes(&self.0).fmt(f)
    }
}

/// A text of a field that `Debug` withholds.
pub(crate) struct Bytes<'t>(pub(crate) &'t str);

impl fmt::Debug for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl Deref for Withheld {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl From<String> for Withheld {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for Withheld {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}
