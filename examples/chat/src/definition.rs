//! The chain behind a chat: prompt, model and memory, as the arguments ask for them.

use std::sync::Arc;

use conversant_chains::{LlmChain, LlmChainBuilder};
use conversant_core::{ChatHistory, Message, SessionId};
use conversant_memory::{BufferMemory, TokenBufferMemory};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};

use crate::{backend::Backend, failure::Failure, model_arguments::ModelArguments};

/// The memory's variable in the prompt.
pub const MEMORY_KEY: &str = "chat_history";

/// The question's variable in the prompt.
pub const INPUT_KEY: &str = "human_input";

/// The first line of LangChain's page "Memory in LLMChain", by whose prompt the small models
/// remember most.
const LOCAL_SYSTEM: &str = "You are a chatbot having a conversation with a human.";

/// The next lines of the transcript, which a local completion model must not write.
const LOCAL_STOP: [&str; 3] = ["\nHuman:", "\nChatbot:", "\n\n"];

/// The tokens of a local model's context that are not for the conversation: the system message, the
/// question, and the answer.
const RESERVED: usize = 800;

/// The definition of a chat, from which each session gets its chain.
#[derive(Clone)]
pub struct Definition {
    builder: LlmChainBuilder,
    backend: Backend,
    is_transcript: bool,
}

impl Definition {
    /// Creates the definition that the arguments ask for.
    pub fn new(arguments: &ModelArguments, backend: &Backend) -> Result<Self, Failure> {
        let is_transcript = backend.local().is_some() && backend.is_completion();
        let builder = LlmChain::builder().model(backend.model());
        let builder = match (is_transcript, backend.is_completion()) {
            (true, _) => builder.prompt(transcript_prompt(arguments)?),
            (false, true) => builder.prompt(text_prompt(arguments)?),
            (false, false) => builder.prompt(chat_prompt(arguments)?),
        };
        Ok(Self { builder, backend: backend.clone(), is_transcript })
    }

    /// Returns the chain of a session. The memory of a local model shows no more than fits into its
    /// context.
    pub fn chain(&self, history: Arc<dyn ChatHistory>, session: SessionId) -> LlmChainBuilder {
        let is_completion = self.backend.is_completion();
        let builder = self.builder.clone();
        let Some(model) = self.backend.local() else {
            let memory = BufferMemory::new()
                .with_memory_key(MEMORY_KEY)
                .with_return_messages(!is_completion)
                .with_history(history, session);
            return builder.memory(memory);
        };
        let shown = model.context().saturating_sub(RESERVED).max(model.context() / 2);
        let memory = TokenBufferMemory::new(model.token_counter())
            .with_max_token_limit(shown)
            .with_memory_key(MEMORY_KEY)
            .with_ai_prefix("Chatbot")
            .with_return_messages(!is_completion)
            .with_history(history, session);
        builder.memory(memory)
    }

    /// Returns the stop sequences of each call.
    pub fn stop(&self) -> Vec<String> {
        LOCAL_STOP.iter().filter(|_| self.is_transcript).map(|stop| (*stop).to_owned()).collect()
    }

    /// Returns whether answers begin with a space, which is for the transcript and not for people.
    pub const fn trims(&self) -> bool {
        self.is_transcript
    }
}

/// The prompt of LangChain's page "Memory in LLMChain".
fn transcript_prompt(arguments: &ModelArguments) -> Result<PromptTemplate, Failure> {
    let template = "{system}\n\n{chat_history}\nHuman: {human_input}\nChatbot:";
    let system = arguments.system.as_deref().unwrap_or(LOCAL_SYSTEM);
    let prompt = PromptTemplate::from_template(template).map_err(Failure::other)?;
    Ok(prompt.with_partial("system", system))
}

fn chat_prompt(arguments: &ModelArguments) -> Result<ChatPromptTemplate, Failure> {
    let system = arguments.system.as_deref().map(Message::system);
    let mut messages: Vec<MessageTemplate> =
        system.map(MessageTemplate::from).into_iter().collect();
    messages.push(MessagesPlaceholder::new(MEMORY_KEY).into());
    messages.push(MessageTemplate::human("{human_input}"));
    ChatPromptTemplate::from_messages(messages).map_err(Failure::other)
}

fn text_prompt(arguments: &ModelArguments) -> Result<PromptTemplate, Failure> {
    let conversation = "{chat_history}\nHuman: {human_input}\nAI:";
    match &arguments.system {
        // A value, so that braces in it are text.
        Some(system) => PromptTemplate::from_template(format!("{{system}}\n\n{conversation}"))
            .map(|prompt| prompt.with_partial("system", system)),
        None => PromptTemplate::from_template(conversation),
    }
    .map_err(Failure::other)
}
