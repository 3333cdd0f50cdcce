//! The settings of the loopback server.

use std::fmt;

/// The server to imitate where servers that speak OpenAI's interface differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// OpenAI's own.
    #[default]
    OpenAi,
    /// That of llama.cpp's `llama-server`, after recordings of it: other order of fields, the
    /// first chunk of a streamed chat with `"content":null`, usage always in the last chunk of a
    /// streamed text completion, `timings`, error codes that are numbers.
    LlamaCpp,
}

#[derive(Debug)]
pub(super) struct Settings {
    pub(super) dialect: Dialect,
    pub(super) models: Vec<String>,
    pub(super) key: Option<Key>,
}

/// A key that a request must bring; not shown in `Debug`.
pub(super) struct Key(pub(super) String);

impl Default for Settings {
    fn default() -> Self {
        Self {
            dialect: Dialect::default(),
            models: vec!["gpt-6-luna".to_owned(), "gpt-3.5-turbo-instruct".to_owned()],
            key: None,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}
