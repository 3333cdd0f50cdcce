//! The command line.

use clap::Parser;

/// The two conversations of LangChain's page "Memory in LLMChain".
#[derive(Debug, Parser)]
pub struct Arguments {
    /// The server to talk to, up to and with `/v1`; OpenAI's if there is a key and nothing is
    /// given.
    #[arg(long, env = "OPENAI_BASE_URL")]
    pub base_url: Option<String>,
    /// The model for both conversations, instead of the page's.
    #[arg(long, env = "OPENAI_MODEL")]
    pub model: Option<String>,
    /// Another model for the first conversation, where the chat model has no completion endpoint.
    #[arg(long)]
    pub completion_model: Option<String>,
}
