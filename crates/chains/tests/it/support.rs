//! Shared parts of the tests: the document's prompts, a history that fails on demand, a log of
//! events.

use std::{
    error::Error,
    sync::{Arc, Mutex},
    time::Duration,
};

use conversant_chains::LlmChain;
use conversant_core::{
    BoxError, CallInfo, CallResult, ChatHistory, ChatModel, ChatRequest, Event, Expect,
    HistoryError, ModelError, Observer, Range, Reply, ReplyStream, SessionId, Slice, Turn, Version,
    async_trait,
};
use conversant_memory::{BufferMemory, InMemoryHistory};
use conversant_prompts::{
    ChatPromptTemplate, MessageTemplate, MessagesPlaceholder, PromptTemplate,
};
use conversant_testkit::{Gate, ScriptedChat};

/// The times until a deadline that has to pass at a certain wait. A test tries them in turn: on a
/// busy machine, a short one passes before.
pub const PATIENCE: [Duration; 5] = [
    Duration::from_millis(20),
    Duration::from_millis(200),
    Duration::from_secs(2),
    Duration::from_secs(20),
    Duration::from_secs(100),
];

pub fn text_prompt() -> PromptTemplate {
    PromptTemplate::from_template("{chat_history}\nHuman: {human_input}\nChatbot:").unwrap()
}

pub fn chat_prompt() -> ChatPromptTemplate {
    ChatPromptTemplate::from_messages((
        MessagesPlaceholder::new("chat_history"),
        MessageTemplate::human("{human_input}"),
    ))
    .unwrap()
}

pub fn session() -> SessionId {
    SessionId::new("test").unwrap()
}

/// A chat chain over a model and a history.
pub fn chain(model: &ScriptedChat, history: &TestHistory) -> LlmChain {
    LlmChain::builder()
        .prompt(chat_prompt())
        .model(model.clone())
        .memory(memory(history))
        .build()
        .unwrap()
}

pub fn memory(history: &TestHistory) -> BufferMemory {
    chat_memory(history)
}

/// A memory of the chat prompt's placeholder over any history.
pub fn chat_memory(history: &(impl ChatHistory + Clone + 'static)) -> BufferMemory {
    BufferMemory::new()
        .with_memory_key("chat_history")
        .with_return_messages(true)
        .with_history(history.clone(), session())
}

/// An in-memory history that can be held at a gate before or after it commits, and can fail on
/// demand.
#[derive(Clone, Default)]
pub struct TestHistory {
    pub inner: Arc<InMemoryHistory>,
    pub before_load: Option<Gate>,
    pub before_commit: Option<Gate>,
    pub after_commit: Option<Gate>,
    pub failures: Arc<Mutex<Vec<&'static str>>>,
}

impl TestHistory {
    /// Makes the next operation of this name fail.
    pub fn fail_next(&self, operation: &'static str) {
        self.failures.lock().unwrap().push(operation);
    }

    fn check(&self, operation: &str) -> Result<(), HistoryError> {
        let mut failures = self.failures.lock().unwrap();
        match failures.iter().position(|failing| *failing == operation) {
            Some(index) => {
                failures.remove(index);
                Err(HistoryError::Full { source: BoxError::from("no space left") })
            }
            None => Ok(()),
        }
    }

    pub async fn transcript(&self) -> String {
        self.inner.load(&session(), Range::All).await.unwrap().messages.to_string()
    }
}

#[async_trait]
impl ChatHistory for TestHistory {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        pass(self.before_load.as_ref()).await;
        self.check("load")?;
        self.inner.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        pass(self.before_commit.as_ref()).await;
        self.check("append")?;
        let version = self.inner.append(session, turn, expect).await?;
        pass(self.after_commit.as_ref()).await;
        Ok(version)
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
    }
}

async fn pass(gate: Option<&Gate>) {
    if let Some(gate) = gate {
        gate.pass().await;
    }
}

/// The events of a chain, a line each.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().unwrap()).join("\n")
    }
}

impl Observer for Log {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        let line = match event {
            Event::ChainStarted { chain, inputs, .. } => {
                format!("started {chain} with {}", inputs.names().collect::<Vec<_>>().join(", "))
            }
            Event::CallStarted { .. } => "call started".to_owned(),
            Event::ModelStarted { is_streamed, .. } => {
                format!("model started{}", if *is_streamed { ", streamed" } else { "" })
            }
            Event::ModelEnded { result: Ok(reply), .. } => format!("model said {}", reply.text()),
            Event::ModelEnded { result: Err(error), .. } => format!("model failed: {error}"),
            Event::CallEnded { result, record, .. } => {
                let result = match result {
                    CallResult::Answered => "answered".to_owned(),
                    CallResult::ToolCalls => "tool calls".to_owned(),
                    CallResult::Failed { class, .. } => format!("failed, {class}"),
                    _ => "cancelled".to_owned(),
                };
                let usage = record.usage.map(|usage| (usage.input_tokens, usage.output_tokens));
                format!("call ended: {result}, usage {usage:?}")
            }
            Event::PromptFormatted { prompt, .. } => format!("prompt {prompt}"),
            Event::ModelAnswered { reply, .. } => format!("answered {}", reply.text()),
            Event::Warned { warning, .. } => format!("warned {warning}"),
            Event::ChainEnded { chain, outputs, .. } => {
                format!("ended {chain} with {}", outputs.names().collect::<Vec<_>>().join(", "))
            }
            Event::ChainFailed { chain, error, .. } => {
                format!("failed {chain}: {}", chain_of(*error))
            }
            other => format!("{other:?}"),
        };
        self.0.lock().unwrap().push(line);
    }
}

/// An error and its causes, in one line.
pub fn chain_of(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// A model whose server enforces schemas.
#[derive(Clone)]
pub struct Enforcing(pub ScriptedChat);

#[async_trait]
impl ChatModel for Enforcing {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        ChatModel::generate(&self.0, request).await
    }
    async fn stream(&self, request: &ChatRequest) -> Result<ReplyStream, ModelError> {
        ChatModel::stream(&self.0, request).await
    }
    fn enforces_schemas(&self) -> bool {
        true
    }
}
