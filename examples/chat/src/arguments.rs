//! The command line. People script it: what is here stays.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use clap::Parser;
use conversant_core::SessionId;

/// A terminal chat with a model that speaks OpenAI's API.
#[derive(Debug, Parser)]
#[command(name = "chat")]
pub struct Arguments {
    /// The server, up to and with `/v1`. A loopback server needs no key.
    #[arg(long, env = "OPENAI_BASE_URL")]
    pub base_url: Option<String>,

    /// The model.
    #[arg(long, env = "OPENAI_MODEL")]
    pub model: Option<String>,

    /// The environment variable that holds the API key.
    #[arg(long, value_name = "VAR", default_value = "OPENAI_API_KEY")]
    pub api_key_env: String,

    /// Uses the completion endpoint instead of the chat endpoint.
    #[arg(long)]
    pub completion: bool,

    /// The system message.
    #[arg(long, value_name = "TEXT")]
    pub system: Option<String>,

    /// Asks this and prints the answer alone, instead of opening a prompt.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,

    /// Keeps conversations in this file, a SQLite database. Without it they end with the program.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,

    /// The conversation to go on with.
    #[arg(long, value_name = "NAME", default_value = "chat", value_parser = session)]
    pub session: SessionId,

    /// Prints what the model is sent, to standard error.
    #[arg(long)]
    pub verbose: bool,

    /// The sampling temperature.
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,

    /// The longest answer, in tokens.
    #[arg(long, value_name = "N")]
    pub max_tokens: Option<u32>,

    /// How long a turn may take in all, retries included.
    #[arg(long, value_name = "SECONDS", default_value = "120", value_parser = seconds)]
    pub timeout: Duration,

    /// How often a failed request is tried again.
    #[arg(long, value_name = "N", default_value_t = 2)]
    pub max_retries: u32,

    /// Prints the answer as it comes. The default on a terminal.
    #[arg(long, overrides_with = "no_stream")]
    pub stream: bool,

    /// Prints the answer when it is whole.
    #[arg(long, overrides_with = "stream")]
    pub no_stream: bool,
}

impl Arguments {
    /// Returns whether the answer is printed as it comes.
    pub fn is_streaming(&self) -> bool {
        self.stream || (!self.no_stream && std::io::stdout().is_terminal())
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() => Ok(timeout),
        _ => Err("a timeout is more than 0 seconds".to_owned()),
    }
}

fn session(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).map_err(|error| error.to_string())
}
