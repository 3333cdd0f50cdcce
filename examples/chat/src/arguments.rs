//! The command line. People script it: what is here stays.

use std::{io::IsTerminal, path::PathBuf, time::Duration};

use clap::Parser;
use conversant_core::SessionId;

/// A terminal chat with a language model: one on this machine, or a server that speaks OpenAI's
/// API.
///
/// Without a key, an address or a file, a small model runs on this machine. It is downloaded once.
///
/// Standard input is part of the question: `cat notes.txt | chat 'What is missing?'`.
#[derive(Debug, Clone, Parser)]
#[command(name = "chat", version)]
pub struct Arguments {
    /// Asks this and prints the answer alone, instead of opening a prompt.
    #[arg(value_name = "QUESTION", conflicts_with = "message")]
    pub question: Option<String>,

    /// The server, up to and with `/v1`. A loopback server needs no key.
    #[arg(long, env = "OPENAI_BASE_URL")]
    pub base_url: Option<String>,

    /// The model: one of the server, or the name of a model that can be downloaded
    /// (smollm2-135m, smollm2-360m, smollm2-1.7b).
    #[arg(short, long, env = "OPENAI_MODEL")]
    pub model: Option<String>,

    /// Runs the model in this GGUF file, in this process.
    #[arg(long, value_name = "FILE", conflicts_with = "base_url")]
    pub model_file: Option<PathBuf>,

    /// Never downloads a model.
    #[arg(long)]
    pub offline: bool,

    /// Asks a local model by its chat template, instead of letting it continue a transcript.
    #[arg(long, conflicts_with = "completion")]
    pub chat_template: bool,

    /// The environment variable that holds the API key.
    #[arg(long, value_name = "VAR", default_value = "OPENAI_API_KEY")]
    pub api_key_env: String,

    /// Uses the completion endpoint instead of the chat endpoint.
    #[arg(long)]
    pub completion: bool,

    /// The system message.
    #[arg(short, long, value_name = "TEXT")]
    pub system: Option<String>,

    /// Asks this and prints the answer alone, instead of opening a prompt.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,

    /// Keeps conversations in this file, a SQLite database. At a prompt, and with `--session`, the
    /// default is `conversant/chat.db` in the user's data folder; otherwise nothing is kept.
    #[arg(long, value_name = "FILE")]
    pub db: Option<PathBuf>,

    /// Keeps nothing.
    #[arg(long, conflicts_with = "db")]
    pub no_db: bool,

    /// The conversation to go on with. The default is `chat`.
    #[arg(long, value_name = "NAME", value_parser = session)]
    pub session: Option<SessionId>,

    /// Prints what the model is sent, to standard error.
    #[arg(long)]
    pub verbose: bool,

    /// The sampling temperature.
    #[arg(long, value_name = "T")]
    pub temperature: Option<f64>,

    /// The longest answer, in tokens. The default of a local model is 200.
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

    /// Prints each answer as a line of JSON, with the model, the session and the usage.
    #[arg(long)]
    pub json: bool,
}

impl Arguments {
    /// Returns whether the answer is printed as it comes.
    pub fn is_streaming(&self) -> bool {
        !self.json && (self.stream || (!self.no_stream && std::io::stdout().is_terminal()))
    }

    /// Returns the question of the command line.
    pub fn question(&self) -> Option<&str> {
        self.question.as_deref().or(self.message.as_deref())
    }

    /// Returns the session, by its name or by default.
    pub fn session(&self) -> Result<SessionId, String> {
        self.session.clone().map_or_else(|| session("chat"), Ok)
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() => Ok(timeout),
        _ => Err("a timeout is more than 0 seconds".to_owned()),
    }
}

/// Reads the name of a session.
pub fn session(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).map_err(|error| error.to_string())
}
