//! Text that an error or a request carries but that no log may show.

use std::{fmt, ops::Deref};

/// Text that can be read in code and is withheld from `Debug`, so that logs show its size and nothing else.
///
/// Errors use it for what a server or a model said: it is at hand for whoever looks for it, and no `{:?}` prints it.
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

    /// Returns the text, owned.
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl fmt::Debug for Withheld {
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
