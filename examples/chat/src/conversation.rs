//! The chain behind the chat: prompt, model and memory, as the arguments ask for them.

use std::time::Duration;

use conversant_chains::{LlmChain, LlmChainBuilder, Verbose};
use conversant_core::{Message, SessionId};
use conversant_memory::{BufferMemory, TokenBufferMemory};
use conversant_models_local::LocalModel;
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};

use crate::{arguments::Arguments, backend::Backend, failure::Failure, store::Store};

/// The first line of LangChain's page "Memory in LLMChain", by whose prompt the small models
/// remember most.
const LOCAL_SYSTEM: &str = "You are a chatbot having a conversation with a human.";

/// The next lines of the transcript, which a local completion model must not write.
const LOCAL_STOP: [&str; 3] = ["\nHuman:", "\nChatbot:", "\n\n"];

/// The tokens of a local model's context that are not for the conversation: the system message, the
/// question, and the answer.
const RESERVED: usize = 800;

/// A conversation, and how its turns are held.
pub struct Conversation {
    pub chain: LlmChain,
    pub timeout: Duration,
    pub is_streaming: bool,
    pub is_json: bool,
    pub stop: Vec<String>,
    /// Whether answers begin with a space, which is for the transcript and not for people.
    pub trims: bool,
    pub session: SessionId,
    pub model: String,
}

impl Conversation {
    pub fn new(
        arguments: &Arguments,
        backend: &Backend,
        store: &Store,
        session: SessionId,
    ) -> Result<Self, Failure> {
        let builder = LlmChain::builder().model(backend.model());
        let builder = match backend.local() {
            Some(model) => local(builder, arguments, backend, model, store, &session)?,
            None => {
                let memory = BufferMemory::new()
                    .with_memory_key("chat_history")
                    .with_return_messages(!backend.is_completion())
                    .with_history(store.history.clone(), session.clone());
                let builder = builder.memory(memory);
                match backend.is_completion() {
                    true => builder.prompt(text_prompt(arguments)?),
                    false => builder.prompt(chat_prompt(arguments)?),
                }
            }
        };
        let builder = match arguments.verbose {
            true => builder.observer(Verbose::stderr()),
            false => builder,
        };
        let is_transcript = backend.local().is_some() && backend.is_completion();
        Ok(Self {
            chain: builder.build().map_err(Failure::other)?,
            timeout: arguments.timeout,
            is_streaming: arguments.is_streaming(),
            is_json: arguments.json,
            stop: LOCAL_STOP.iter().filter(|_| is_transcript).map(|s| (*s).to_owned()).collect(),
            trims: is_transcript,
            session,
            model: backend.name().to_owned(),
        })
    }
}

/// The chain of LangChain's page "Memory in LLMChain", or that of a chat model. Its memory shows no
/// more than fits into the context.
fn local(
    builder: LlmChainBuilder,
    arguments: &Arguments,
    backend: &Backend,
    model: &LocalModel,
    store: &Store,
    session: &SessionId,
) -> Result<LlmChainBuilder, Failure> {
    let shown = model.context().saturating_sub(RESERVED).max(model.context() / 2);
    let memory = TokenBufferMemory::new(model.token_counter())
        .with_max_token_limit(shown)
        .with_memory_key("chat_history")
        .with_ai_prefix("Chatbot")
        .with_return_messages(!backend.is_completion())
        .with_history(store.history.clone(), session.clone());
    let builder = builder.memory(memory);
    if !backend.is_completion() {
        return Ok(builder.prompt(chat_prompt(arguments)?));
    }
    let template = "{system}\n\n{chat_history}\nHuman: {human_input}\nChatbot:";
    let system = arguments.system.as_deref().unwrap_or(LOCAL_SYSTEM);
    let prompt = PromptTemplate::from_template(template).map_err(Failure::other)?;
    Ok(builder.prompt(prompt.with_partial("system", system)))
}

fn chat_prompt(arguments: &Arguments) -> Result<ChatPromptTemplate, Failure> {
    let system = arguments.system.as_deref().map(Message::system);
    let mut messages: Vec<MessageTemplate> =
        system.map(MessageTemplate::from).into_iter().collect();
    messages.push(MessagesPlaceholder::new("chat_history").into());
    messages.push(MessageTemplate::human("{human_input}"));
    ChatPromptTemplate::from_messages(messages).map_err(Failure::other)
}

fn text_prompt(arguments: &Arguments) -> Result<PromptTemplate, Failure> {
    let conversation = "{chat_history}\nHuman: {human_input}\nAI:";
    match &arguments.system {
        // A value, so that braces in it are text.
        Some(system) => PromptTemplate::from_template(format!("{{system}}\n\n{conversation}"))
            .map(|prompt| prompt.with_partial("system", system)),
        None => PromptTemplate::from_template(conversation),
    }
    .map_err(Failure::other)
}
