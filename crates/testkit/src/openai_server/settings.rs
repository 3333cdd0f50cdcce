//! The settings of the loopback server.

use std::fmt;

/// The server to imitate, where servers with OpenAI's interface differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerDialect {
    /// OpenAI's own.
    #[default]
    OpenAi,
    /// The dialect of llama.cpp's `llama-server`, from recordings:
    ///
    /// - another order of fields, and `timings`
    /// - the first chunk of a streamed chat has `"content":null`
    /// - the last chunk of a streamed text completion always has usage
    /// - error codes are numbers
    LlamaCpp,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) dialect: ServerDialect,
    pub(super) models: Vec<String>,
    pub(super) key: Option<Key>,
}

/// A required key, not shown in `Debug`.
pub(super) struct Key(pub(super) String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            dialect: ServerDialect::default(),
            models: vec!["gpt-6-luna".to_owned(), "smollm2-135m-instruct".to_owned()],
            key: None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
