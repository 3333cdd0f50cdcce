//! One turn: ask, print, and end in one clear line if it fails.

use std::{
    error::Error,
    fmt,
    io::{self, Write},
    time::Instant,
};

use conversant_core::{CallOptions, Delta, ModelError, vars};

use crate::conversation::Conversation;

/// How much of a server's own message a line of failure shows, in characters.
const LONGEST_SAID: usize = 200;

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
                text = format!("{text}: {}", said.chars().take(LONGEST_SAID).collect::<String>());
            }
            // Libraries below us repeat their cause in their own words.
            if !line.ends_with(&text) {
                line.push_str(": ");
                line.push_str(&text);
            }
            cause = error.source();
        }
        Self::Other(line.split_whitespace().collect::<Vec<_>>().join(" "))
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

/// Asks, and prints the answer and a line break. Ctrl-C drops the call, which changes nothing in
/// the memory.
pub async fn answer(conversation: &Conversation, message: &str) -> Result<(), Failure> {
    tokio::select! {
        biased;
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(Failure::other)?;
            Err(Failure::Interrupted)
        }
        result = ask(conversation, message) => result,
    }
}

async fn ask(conversation: &Conversation, message: &str) -> Result<(), Failure> {
    let mut options = CallOptions::new();
    // A time beyond the clock's range does not limit.
    if let Some(deadline) = Instant::now().checked_add(conversation.timeout) {
        options = options.with_deadline(deadline);
    }
    let inputs = vars! { "human_input" => message };
    if !conversation.is_streaming {
        let text =
            conversation.chain.predict_with(inputs, options).await.map_err(Failure::other)?;
        return print(&format!("{text}\n"));
    }
    let mut stream =
        conversation.chain.stream_with(inputs, options).await.map_err(Failure::other)?;
    let mut printed = false;
    while let Some(delta) = stream.next().await {
        match delta {
            Ok(Delta::Text(piece)) => {
                print(&piece)?;
                printed = true;
            }
            Ok(_) => {}
            Err(error) => {
                if printed {
                    print("\n")?;
                }
                return Err(Failure::other(error));
            }
        }
    }
    print("\n")
}

fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::other)
}
