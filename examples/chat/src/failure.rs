//! Failures of the chat, each in one line.

use std::{error::Error, fmt};

use conversant_core::ModelError;

/// The maximum length, in characters, of the server's message in a failure.
const MAX_SERVER_MESSAGE: usize = 200;

/// The failure of a turn or of the chat.
#[derive(Debug)]
pub enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// Ctrl-C.
    Interrupted,
    /// Anything else, in one line.
    Other(String),
}

impl Failure {
    /// Puts an error and its causes into one line.
    pub fn other(error: impl Error + 'static) -> Self {
        let first: &(dyn Error + 'static) = &error;
        let mut line = first.to_string();
        let mut cause = first.source();
        while let Some(error) = cause {
            let mut text = error.to_string();
            // Logs must not show a server's message, since it may quote the prompt; the user's
            // terminal may.
            let said = error
                .downcast_ref()
                .and_then(ModelError::api_error)
                .map(|error| error.message.as_str());
            if let Some(said) = said.filter(|said| !said.is_empty()) {
                text = format!(
                    "{text}: {}",
                    said.chars().take(MAX_SERVER_MESSAGE).collect::<String>()
                );
            }
            // Libraries below us repeat their cause in their own words.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        // A server's words do not move the terminal's cursor.
        Self::Other(line.replace(char::is_control, "\u{fffd}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(line) | Self::Other(line) => f.write_str(line),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}
