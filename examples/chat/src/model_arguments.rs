//! The part of the command line that chooses and configures a model.

use std::{path::PathBuf, time::Duration};

use clap::Args;

/// The model that answers: one on this machine, or one of a server that speaks OpenAI's API.
#[derive(Debug, Clone, Args)]
pub struct ModelArguments {
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
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(timeout) if !timeout.is_zero() => Ok(timeout),
        _ => Err("a timeout is more than 0 seconds".to_owned()),
    }
}
