//! Memories of the cases' kinds, by the reference's names of their settings.

use std::sync::Arc;

use conversant_core::{Memory, TokenCounter};
use conversant_memory::{
    BufferMemory, CombinedMemory, EntityMemory, KnowledgeGraphMemory, ReadOnlyMemory, SimpleMemory,
    StringBufferMemory, SummaryBufferMemory, SummaryMemory, TokenBufferMemory, Trim, WindowMemory,
};
use conversant_prompts::PromptTemplate;
use conversant_testkit::ScriptedCompletion;
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use crate::{case, failure::Failure, short_form};

/// The kind and the settings of a memory.
#[derive(Deserialize)]
pub(crate) struct Spec {
    kind: String,
    config: Json,
}

/// A memory, and those that it is made of.
pub(crate) struct Built {
    pub(crate) memory: Arc<dyn Memory>,
    /// The memories of a combined one, in order; of any other, itself.
    pub(crate) parts: Vec<Arc<dyn Memory>>,
}

/// The settings of a memory that shows a conversation.
#[derive(Deserialize)]
struct Conversation {
    memory_key: Option<String>,
    input_key: Option<String>,
    output_key: Option<String>,
    human_prefix: Option<String>,
    ai_prefix: Option<String>,
    #[serde(default)]
    return_messages: bool,
    k: Option<usize>,
    max_token_limit: Option<usize>,
    summary_prompt: Option<String>,
    chat_history_key: Option<String>,
    entity_extraction_prompt: Option<String>,
    entity_summarization_prompt: Option<String>,
    knowledge_extraction_prompt: Option<String>,
}

/// The settings of a memory that is made of others.
#[derive(Deserialize)]
struct Others {
    memories: Vec<Spec>,
}

#[derive(Deserialize)]
struct Other {
    memory: Box<Spec>,
}

#[derive(Deserialize)]
struct Facts {
    memories: Map<String, Json>,
}

/// Counts the pieces between white space, as the cases' token counter does.
struct Whitespace;

impl TokenCounter for Whitespace {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
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
    /// Builds the memory, which calls this model. Memories with a limit truncate as LangChain does.
    pub(crate) fn build(&self, model: &ScriptedCompletion) -> Result<Built, Failure> {
        let memory: Arc<dyn Memory> = match self.kind.as_str() {
            "combined" => return self.combine(model),
            "read_only" => {
                let other: Other = case::input(&self.config)?;
                Arc::new(ReadOnlyMemory::new(other.memory.build(model)?.memory))
            }
            "simple" => {
                let facts: Facts = case::input(&self.config)?;
                Arc::new(SimpleMemory::new(short_form::variables(&facts.memories)))
            }
            _ => self.show(case::input(&self.config)?, model)?,
        };
        Ok(Built { memory: Arc::clone(&memory), parts: vec![memory] })
    }

    fn combine(&self, model: &ScriptedCompletion) -> Result<Built, Failure> {
        let others: Others = case::input(&self.config)?;
        let parts = others.memories.iter().map(|memory| Ok(memory.build(model)?.memory));
        let parts = parts.collect::<Result<Vec<_>, Failure>>()?;
        let memory = CombinedMemory::new(parts.clone()).map_err(|error| Failure::broken(&error))?;
        Ok(Built { memory: Arc::new(memory), parts })
    }

    fn show(
        &self,
        config: Conversation,
        model: &ScriptedCompletion,
    ) -> Result<Arc<dyn Memory>, Failure> {
        let messages = config.return_messages;
        Ok(match self.kind.as_str() {
            "buffer" => {
                let memory = BufferMemory::new().with_return_messages(messages);
                Arc::new(conversation!(memory, config))
            }
            "string_buffer" => Arc::new(conversation!(StringBufferMemory::new(), config)),
            "window" => {
                let memory =
                    WindowMemory::new().with_trim(Trim::LangChain).with_return_messages(messages);
                let memory = set!(memory, config: k with_k);
                Arc::new(conversation!(memory, config))
            }
            "token_buffer" => {
                let memory = TokenBufferMemory::new(Whitespace)
                    .with_trim(Trim::LangChain)
                    .with_return_messages(messages);
                let memory = set!(memory, config: max_token_limit with_max_token_limit);
                Arc::new(conversation!(memory, config))
            }
            "summary" => {
                let mut memory = SummaryMemory::new(model.clone()).with_return_messages(messages);
                if let Some(template) = &config.summary_prompt {
                    memory = memory.with_summary_prompt(prompt(template)?)?;
                }
                Arc::new(conversation!(memory, config))
            }
            "summary_buffer" => {
                let mut memory = SummaryBufferMemory::new(model.clone(), Whitespace)
                    .with_trim(Trim::LangChain)
                    .with_return_messages(messages);
                if let Some(template) = &config.summary_prompt {
                    memory = memory.with_summary_prompt(prompt(template)?)?;
                }
                let memory = set!(memory, config: max_token_limit with_max_token_limit);
                Arc::new(conversation!(memory, config))
            }
            "entity" => {
                let mut memory = EntityMemory::new(model.clone()).with_return_messages(messages);
                if let Some(template) = &config.entity_extraction_prompt {
                    memory = memory.with_entity_extraction_prompt(prompt(template)?)?;
                }
                if let Some(template) = &config.entity_summarization_prompt {
                    memory = memory.with_entity_summarization_prompt(prompt(template)?)?;
                }
                let memory = set!(memory, config: k with_k, chat_history_key with_memory_key);
                Arc::new(conversation!(memory, config))
            }
            "knowledge_graph" => {
                let mut memory =
                    KnowledgeGraphMemory::new(model.clone()).with_return_messages(messages);
                if let Some(template) = &config.entity_extraction_prompt {
                    memory = memory.with_entity_extraction_prompt(prompt(template)?)?;
                }
                if let Some(template) = &config.knowledge_extraction_prompt {
                    memory = memory.with_knowledge_extraction_prompt(prompt(template)?)?;
                }
                let memory = set!(memory, config: k with_k);
                Arc::new(conversation!(memory, config))
            }
            _ => return Err(Failure::NotBuilt),
        })
    }

    /// Returns the variable in which LangChain returns its own list of messages, not a copy.
    /// Callers that hold a list from before a call see what the call has saved, as does the result
    /// of LangChain's `invoke`.
    #[cfg(feature = "chains")]
    pub(crate) fn live_variable(&self) -> Option<String> {
        let hands_out = matches!(self.kind.as_str(), "buffer" | "token_buffer" | "summary_buffer");
        let config: Conversation = case::input(&self.config).ok()?;
        let key = config.memory_key.unwrap_or_else(|| "history".to_owned());
        (hands_out && config.return_messages).then_some(key)
    }
}

fn prompt(template: &str) -> Result<PromptTemplate, Failure> {
    Ok(PromptTemplate::from_template(template)?)
}
