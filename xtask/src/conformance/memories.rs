//! Memories of the cases' kinds, by the reference's names of their settings.

use std::sync::Arc;

use conversant_core::Memory;
use conversant_memory::{BufferMemory, StringBufferMemory, Trim, WindowMemory};
use conversant_testkit::ScriptedCompletion;
use serde::Deserialize;
use serde_json::Value as Json;

use super::{Failure, case};

/// What a case says of a memory.
#[derive(Deserialize)]
pub(crate) struct Spec {
    kind: String,
    config: Json,
}

/// The settings of a memory that shows a conversation.
#[derive(Deserialize)]
pub(crate) struct Conversation {
    memory_key: Option<String>,
    input_key: Option<String>,
    output_key: Option<String>,
    human_prefix: Option<String>,
    ai_prefix: Option<String>,
    #[serde(default)]
    return_messages: bool,
    k: Option<usize>,
}

/// Gives a memory the settings that are set.
macro_rules! set {
    ($memory:expr, $config:ident: $($field:ident $with:ident),*) => {{
        let mut memory = $memory;
        $(if let Some(value) = $config.$field {
            memory = memory.$with(value);
        })*
        memory
    }};
}

/// Gives a memory the settings that all conversations have.
macro_rules! conversation {
    ($memory:expr, $config:ident) => {
        set!($memory, $config: memory_key with_memory_key, input_key with_input_key, output_key with_output_key,
            human_prefix with_human_prefix, ai_prefix with_ai_prefix)
    };
}

impl Spec {
    /// Builds the memory, which asks this model for its summaries.
    pub(crate) fn build(
        &self,
        summariser: &ScriptedCompletion,
    ) -> Result<Arc<dyn Memory>, Failure> {
        let _ = summariser;
        Ok(match self.kind.as_str() {
            "buffer" => {
                let config: Conversation = case::input(&self.config)?;
                let memory = BufferMemory::new().with_return_messages(config.return_messages);
                Arc::new(conversation!(memory, config))
            }
            "window" => {
                let config: Conversation = case::input(&self.config)?;
                let memory = WindowMemory::new()
                    .with_trim(Trim::LangChain)
                    .with_return_messages(config.return_messages);
                Arc::new(conversation!(set!(memory, config: k with_k), config))
            }
            "string_buffer" => {
                let config: Conversation = case::input(&self.config)?;
                Arc::new(conversation!(StringBufferMemory::new(), config))
            }
            _ => return Err(Failure::NotBuilt),
        })
    }

    /// Returns the variable in which the reference hands out its own list of messages, not a copy. Whoever holds what it loaded
    /// before a call then sees what the call has saved, and so does the result of the reference's `invoke`.
    pub(crate) fn live_variable(&self) -> Option<String> {
        let hands_out = matches!(self.kind.as_str(), "buffer" | "token_buffer" | "summary_buffer");
        let config: Conversation = case::input(&self.config).ok()?;
        let key = config.memory_key.unwrap_or_else(|| "history".to_owned());
        (hands_out && config.return_messages).then_some(key)
    }
}
