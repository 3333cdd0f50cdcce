//! The output of a template, up to its limit.

use std::io;

use crate::MAX_OUTPUT_BYTES;

/// The output of a rendering: text of at most [`MAX_OUTPUT_BYTES`].
#[derive(Debug, Default)]
pub struct LimitedOutput {
    text: Vec<u8>,
    is_full: bool,
}

impl LimitedOutput {
    /// Returns whether a template wrote more than the limit.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.is_full
    }

    /// Returns the text. minijinja writes valid UTF-8; anything else would be replaced.
    #[must_use]
    pub fn into_text(self) -> String {
        String::from_utf8(self.text)
            .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }
}

impl io::Write for LimitedOutput {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if text.len() > MAX_OUTPUT_BYTES - self.text.len() {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
