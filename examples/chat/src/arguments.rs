//! The command line. People script it: what is here stays.

use std::{io::IsTerminal, path::PathBuf};

use chat::model_arguments::ModelArguments;
use clap::Parser;
use conversant_core::SessionId;

/// A terminal chat with a language model: one on this machine, or a server that speaks OpenAI's
/// API.
///
/// Without a key, an address or a file, a small model runs on this machine. It is downloaded once.
///
/// Standard input is part of the question: `cat notes.txt | chat 'What is missing?'`. Commands in
/// it are executed with `--script` alone.
#[derive(Debug, Clone, Parser)]
#[command(name = "chat", version)]
pub struct Arguments {
    /// Asks this and prints the answer alone, instead of opening a prompt.
    #[arg(value_name = "QUESTION", conflicts_with = "message")]
    pub question: Option<String>,

    #[command(flatten)]
    pub model: ModelArguments,

    /// Asks this and prints the answer alone, instead of opening a prompt.
    #[arg(long, value_name = "TEXT")]
    pub message: Option<String>,

    /// Executes standard input: its lines are entered at a prompt, one after the other. Messages
    /// are asked, and commands are executed: `/clear` without asking.
    #[arg(long, conflicts_with_all = ["question", "message"])]
    pub script: bool,

    /// Keeps conversations in this file, a SQLite database. At a prompt, and with `--session`, the
    /// default is `conversant/chat.db` in the user's data folder; otherwise nothing is kept. Lines
    /// of the prompt are kept next to it, in `FILE.lines` and in `conversant/lines.txt`, also after
    /// `/clear`.
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

/// Reads the name of a session.
pub fn session(text: &str) -> Result<SessionId, String> {
    SessionId::new(text).map_err(|error| error.to_string())
}
