//! Programs for LangChain 0.1 (in `python`) and for conversant, pair by pair. The tests compare
//! what both send to a server, and what both print.

use std::path::PathBuf;

use conversant::{ModelError, OpenAi, OpenAiChat};

pub mod few_shot;
pub mod memory_in_llmchain;
pub mod persistent;
pub mod sequence;
pub mod summary_buffer;
pub mod window;

/// The surroundings of a run: a program of its own uses `from_env` and a fixed path instead.
#[derive(Debug, Clone)]
pub struct Run {
    /// The base URL of the models' server.
    pub base_url: String,
    /// A file that does not exist yet, for a database.
    pub file: PathBuf,
}

impl Run {
    /// Returns the chat model: `ChatOpenAI()`.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the base URL is invalid.
    pub fn chat(&self) -> Result<OpenAiChat, ModelError> {
        OpenAiChat::builder("gpt-3.5-turbo").base_url(&self.base_url).build()
    }

    /// Returns the completion model: `OpenAI()`.
    ///
    /// # Errors
    /// [`ModelError::Config`], if the base URL is invalid.
    pub fn completion(&self) -> Result<OpenAi, ModelError> {
        OpenAi::builder("gpt-3.5-turbo-instruct").base_url(&self.base_url).build()
    }
}
