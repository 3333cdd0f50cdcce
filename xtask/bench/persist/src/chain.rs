//! The chain that is measured: a model that answers at once, and a memory over a store.

use std::{sync::Arc, time::Duration};

use bench::{
    measure::Running,
    workload::{SYSTEM, message},
};
use conversant_chains::LlmChain;
use conversant_core::{
    BoxError, ChatHistory, ChatModel, ChatRequest, Expect, LanguageModel, Memory, Message,
    ModelError, Reply, SessionId, Turn, async_trait, vars,
};
use conversant_memory::{BufferMemory, WindowMemory};
use conversant_prompts::{ChatPromptTemplate, MessageTemplate, MessagesPlaceholder};
use futures_util::future::try_join_all;

/// The number of turns of a window.
pub(crate) const WINDOW: usize = 20;
/// The number of turns of a session, unless a row says otherwise.
pub(crate) const TURNS: usize = 1_000;
/// The time of a lease: longer than a measurement.
const LEASE: Duration = Duration::from_secs(24 * 60 * 60);
/// The number of turns that are appended together while a session is prepared.
const TOGETHER: usize = 128;

/// A model that answers, after a time, with 400 bytes.
pub(crate) struct Answering {
    pub(crate) after: Duration,
}

#[async_trait]
impl ChatModel for Answering {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        if !self.after.is_zero() {
            tokio::time::sleep(self.after).await;
        }
        Ok(Reply::new(Message::ai(message(1))))
    }
}

/// The part of the conversation that a call sends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View {
    /// The last [`WINDOW`] turns.
    Window,
    /// The same, under a lease that is kept between calls.
    LeasedWindow,
    /// All of it.
    Buffer,
}

pub(crate) fn session(name: impl std::fmt::Display) -> Result<SessionId, BoxError> {
    Ok(SessionId::new(format!("session-{name}"))?)
}

/// Returns a chain over a session of a store.
pub(crate) fn chain(
    history: &Arc<dyn ChatHistory>,
    session: SessionId,
    view: View,
    after: Duration,
) -> Result<LlmChain, BoxError> {
    let prompt = ChatPromptTemplate::from_messages((
        Message::system(SYSTEM),
        MessagesPlaceholder::new("history"),
        MessageTemplate::human("{human_input}"),
    ))?;
    let model = LanguageModel::chat(Answering { after });
    let build = |memory: Box<dyn Memory>| {
        LlmChain::builder().prompt(prompt).model(model).memory(memory).build()
    };
    let history = Arc::clone(history);
    let window = WindowMemory::new().with_k(WINDOW).with_return_messages(true);
    Ok(match view {
        View::Window => build(Box::new(window.with_history(history, session))),
        View::LeasedWindow => build(Box::new(
            window.with_history(history, session).leased(LEASE).kept_between_calls().as_only_writer(),
        )),
        View::Buffer => build(Box::new(
            BufferMemory::new().with_return_messages(true).with_history(history, session),
        )),
    }?)
}

/// Calls a chain some times, and returns the CPU of a call in microseconds.
pub(crate) async fn calls(chain: &LlmChain, times: usize) -> Result<f64, BoxError> {
    let running = Running::start();
    for number in 0..times {
        chain.predict(vars! { "human_input" => message(number * 2) }).await?;
    }
    Ok(running.stop(times).cpu / 1e3)
}

/// Returns the turn of a number: 123 bytes of a question and 400 of an answer.
pub(crate) fn turn(number: usize) -> Turn {
    Turn::exchange(message(number * 2), message(number * 2 + 1))
}

/// Appends turns to a session, many together.
pub(crate) async fn fill(
    history: &dyn ChatHistory,
    session: &SessionId,
    turns: usize,
) -> Result<(), BoxError> {
    let mut number = 0;
    while number < turns {
        let end = (number + TOGETHER).min(turns);
        let batch: Vec<_> = (number..end).map(turn).collect();
        try_join_all(batch.iter().map(|turn| history.append(session, turn, Expect::Any))).await?;
        number = end;
    }
    Ok(())
}
