//! The chain behind the chat: prompt, model and memory, as the arguments ask for them.

use std::{sync::Arc, time::Duration};

use conversant_chains::{LlmChain, Verbose};
use conversant_core::{ChatHistory, LanguageModel, Message, Messages, Range, SessionId};
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_models::{OpenAi, OpenAiBuilder, OpenAiChat, TextGeneration};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};

use crate::{arguments::Arguments, failure::Failure};

/// How many sessions are asked for at a time.
const PAGE: usize = 100;

/// A conversation, and how its turns are held.
pub struct Conversation {
    pub chain: LlmChain,
    pub timeout: Duration,
    pub is_streaming: bool,
    history: Arc<dyn ChatHistory>,
    session: SessionId,
}

impl Conversation {
    pub fn new(arguments: &Arguments) -> Result<Self, Failure> {
        let history: Arc<dyn ChatHistory> = match &arguments.db {
            Some(file) => Arc::new(SqliteHistory::open(file).map_err(Failure::other)?),
            None => Arc::new(InMemoryHistory::new()),
        };
        let session = arguments.session.clone();
        let memory = BufferMemory::new()
            .with_memory_key("chat_history")
            .with_return_messages(!arguments.completion)
            .with_history(Arc::clone(&history), session.clone());
        let mut builder = LlmChain::builder().memory(memory);
        builder = if arguments.completion {
            builder.prompt(text_prompt(arguments)?).model(completion_model(arguments)?)
        } else {
            builder.prompt(chat_prompt(arguments)?).model(chat_model(arguments)?)
        };
        if arguments.verbose {
            builder = builder.observer(Verbose::stderr());
        }
        Ok(Self {
            chain: builder.build().map_err(Failure::other)?,
            timeout: arguments.timeout,
            is_streaming: arguments.is_streaming(),
            history,
            session,
        })
    }

    /// Returns what has been said.
    pub async fn messages(&self) -> Result<Messages, Failure> {
        let slice = self.history.load(&self.session, Range::All).await.map_err(Failure::other)?;
        Ok(slice.messages)
    }

    /// Lists the conversations that are kept, and marks this one.
    pub async fn sessions(&self) -> Result<String, Failure> {
        let mut lines = String::new();
        let mut last: Option<SessionId> = None;
        loop {
            let page = self.history.sessions(last.as_ref(), PAGE).await.map_err(Failure::other)?;
            for session in &page {
                let mark = if *session == self.session { '*' } else { ' ' };
                lines.push_str(&format!("{mark} {session}\n"));
            }
            match page.last() {
                Some(session) if page.len() == PAGE => last = Some(session.clone()),
                _ => return Ok(lines),
            }
        }
    }

    /// Forgets what has been said.
    pub async fn clear(&self) -> Result<(), Failure> {
        self.history.clear(&self.session).await.map_err(Failure::other)
    }
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

fn chat_model(arguments: &Arguments) -> Result<LanguageModel, Failure> {
    let builder = configure(OpenAiChat::builder(model(arguments)?), arguments)?;
    builder.build().map(LanguageModel::from).map_err(Failure::other)
}

fn completion_model(arguments: &Arguments) -> Result<LanguageModel, Failure> {
    let builder = configure(OpenAi::builder(model(arguments)?), arguments)?;
    // Without it, a completion model goes on to write the human's next line too.
    let builder = builder.stop(["\nHuman:"]);
    builder.build().map(LanguageModel::from).map_err(Failure::other)
}

/// Sets what the arguments ask for; what they don't is not sent.
fn configure<M: TextGeneration>(
    builder: OpenAiBuilder<M>,
    arguments: &Arguments,
) -> Result<OpenAiBuilder<M>, Failure> {
    let mut builder = builder.timeout(arguments.timeout).max_retries(arguments.max_retries);
    if let Some(key) = api_key(arguments)? {
        builder = builder.api_key(key);
    }
    if let Some(url) = &arguments.base_url {
        builder = builder.base_url(url);
    }
    if let Some(temperature) = arguments.temperature {
        builder = builder.temperature(temperature);
    }
    if let Some(tokens) = arguments.max_tokens {
        builder = builder.max_tokens(tokens);
    }
    Ok(builder)
}

fn model(arguments: &Arguments) -> Result<&str, Failure> {
    let model = arguments.model.as_deref().filter(|model| !model.is_empty());
    model.ok_or_else(|| Failure::Usage("no model: give --model, or set OPENAI_MODEL".to_owned()))
}

fn api_key(arguments: &Arguments) -> Result<Option<String>, Failure> {
    let name = &arguments.api_key_env;
    match std::env::var(name) {
        Ok(key) if key.is_empty() => Ok(None),
        Ok(key) => Ok(Some(key)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => {
            Err(Failure::Other(format!("{name} is not text")))
        }
    }
}
