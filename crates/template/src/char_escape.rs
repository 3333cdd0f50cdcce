//! Characters as error messages show them.

/// Showing one character inside a message.
pub(crate) trait EscapeDebugShort {
    fn escape_debug_short(self) -> String;
}

impl EscapeDebugShort for char {
    /// Quotes stay as they are; what cannot be seen is written as an escape.
    fn escape_debug_short(self) -> String {
        match self {
            '"' | '\'' | '\\' => self.to_string(),
            other => other.escape_debug().to_string(),
        }
    }
}
