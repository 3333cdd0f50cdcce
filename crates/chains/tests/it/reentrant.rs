//! A call from inside a call of the same conversation is an error; other calls inside are not.

use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use conversant_chains::{ChainError, LlmChain};
use conversant_core::{
    CallInfo, ChatModel, ChatRequest, Event, Message, ModelError, Observer, OutputParser,
    ParseError, Reply, ReplyStream, Value, async_trait, vars,
};
use conversant_testkit::{ScriptedChat, block_on};

use crate::support::{TestHistory, chain, chat_prompt, memory};

/// A model that calls chains while it answers, and answers with their results.
#[derive(Clone, Default)]
struct Caller {
    chains: Arc<OnceLock<Vec<LlmChain>>>,
}

impl Caller {
    async fn call(&self) -> Reply {
        let mut results = Vec::new();
        for chain in self.chains.get().unwrap() {
            results.push(match chain.predict(vars! { "human_input" => "inner" }).await {
                Ok(answer) => answer,
                Err(ChainError::Reentrant) => "reentrant".to_owned(),
                Err(error) => error.to_string(),
            });
        }
        Reply::new(Message::ai(results.join(", ")))
    }
}

#[async_trait]
impl ChatModel for Caller {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        tokio::task::yield_now().await;
        Ok(self.call().await)
    }

    async fn stream(&self, _: &ChatRequest) -> Result<ReplyStream, ModelError> {
        let reply = self.call().await;
        // The blocking call is made from inside the stream's poll.
        let this = self.clone();
        let more = std::iter::once_with(move || Ok(block_on(this.call()).into()));
        Ok(ReplyStream::from_pieces(
            [Ok(conversant_core::Delta::Text(reply.text().into_owned()))].into_iter().chain(more),
        ))
    }
}

#[tokio::test]
async fn a_model_that_calls_its_own_conversation_gets_an_error() {
    let model = Caller::default();
    let history = TestHistory::default();
    let outer = LlmChain::builder()
        .prompt(chat_prompt())
        .model(conversant_core::LanguageModel::chat(model.clone()))
        .memory(memory(&history))
        .build()
        .unwrap();
    let other = chain(&ScriptedChat::new(["a", "b", "c"]), &TestHistory::default());
    assert!(model.chains.set(vec![outer.clone(), other]).is_ok());
    let input = || vars! { "human_input" => "outer" };
    assert_eq!(outer.predict(input()).await.unwrap(), "reentrant, a");
    let stream = outer.stream(input()).await.unwrap();
    let outcome = stream.into_outcome().await.unwrap().unwrap();
    assert_eq!(outcome.text(), "reentrant, c");
}

#[tokio::test]
async fn calls_side_by_side_on_one_task_wait_for_each_other() {
    let history = TestHistory::default();
    let chain = chain(&ScriptedChat::new(["one", "two"]), &history);
    let call = |text: &'static str| chain.predict(vars! { "human_input" => text });
    let (first, second) = tokio::join!(call("first"), call("second"));
    assert_eq!((first.unwrap(), second.unwrap()), ("one".to_owned(), "two".to_owned()));
}

/// An observer and a parser that call the conversation, blocking.
#[derive(Clone, Default)]
struct Blocking {
    chain: Arc<OnceLock<LlmChain>>,
    results: Arc<Mutex<Vec<String>>>,
}

impl Blocking {
    fn call(&self) {
        if let Some(chain) = self.chain.get() {
            let result = block_on(chain.predict(vars! { "human_input" => "inner" }));
            self.results.lock().unwrap().push(result.unwrap_or_else(|error| error.to_string()));
        }
    }
}

impl Observer for Blocking {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        if matches!(
            event,
            Event::ChainStarted { .. }
                | Event::PromptFormatted { .. }
                | Event::ModelAnswered { .. }
                | Event::ChainEnded { .. }
        ) {
            self.call();
        }
    }
}

impl OutputParser for Blocking {
    fn parse(&self, text: &str) -> Result<Value, ParseError> {
        self.call();
        Ok(Value::from(text))
    }
}

#[tokio::test]
async fn observers_and_parsers_that_call_their_own_conversation_get_errors() {
    let inside = Blocking::default();
    let chain = LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::new(["a", "b"]))
        .memory(memory(&TestHistory::default()))
        .observer(inside.clone())
        .parser(inside.clone())
        .build()
        .unwrap();
    assert!(inside.chain.set(chain.clone()).is_ok());
    let input = || vars! { "human_input" => "outer" };
    assert_eq!(chain.predict(input()).await.unwrap(), "a");
    let stream = chain.stream(input()).await.unwrap();
    assert_eq!(stream.into_outcome().await.unwrap().unwrap().text(), "b");
    let results = std::mem::take(&mut *inside.results.lock().unwrap());
    // Four events and a parse in each call.
    assert_eq!(results, vec![ChainError::Reentrant.to_string(); 10]);
}

/// A model that calls its own conversation in another task.
struct Spawning(Arc<OnceLock<LlmChain>>);

#[async_trait]
impl ChatModel for Spawning {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        let chain = self.0.get().unwrap().clone();
        let inner =
            tokio::spawn(async move { chain.predict(vars! { "human_input" => "inner" }).await });
        Ok(Reply::new(Message::ai(inner.await.unwrap().unwrap_err().to_string())))
    }
}

#[tokio::test]
async fn a_call_from_a_task_inside_ends_at_the_limit_of_the_queue() {
    let cell = Arc::default();
    let chain = LlmChain::builder()
        .prompt(chat_prompt())
        .model(conversant_core::LanguageModel::chat(Spawning(Arc::clone(&cell))))
        .memory(memory(&TestHistory::default()))
        .queue_timeout(Duration::from_millis(50))
        .build()
        .unwrap();
    assert!(cell.set(chain.clone()).is_ok());
    let answer = chain.predict(vars! { "human_input" => "outer" }).await.unwrap();
    let limit = Duration::from_millis(50);
    assert_eq!(answer, ChainError::QueueTimeout { limit }.to_string());
}

/// An observer that calls its conversation at every event.
#[derive(Clone, Default)]
struct Eager(Blocking);

impl Observer for Eager {
    fn on_event(&self, _: &CallInfo, _: &Event<'_>) {
        self.0.call();
    }
}

#[tokio::test]
async fn an_observer_is_not_called_from_inside_itself() {
    let eager = Eager::default();
    let chain = LlmChain::builder()
        .prompt(chat_prompt())
        .model(ScriptedChat::with_handler(|_| "answer".into()))
        .memory(memory(&TestHistory::default()))
        .observer(eager.clone())
        .build()
        .unwrap();
    assert!(eager.0.chain.set(chain.clone()).is_ok());
    assert_eq!(chain.predict(vars! { "human_input" => "outer" }).await.unwrap(), "answer");
    let results = std::mem::take(&mut *eager.0.results.lock().unwrap());
    // When a call starts, it does not hold its conversation yet.
    let (first, others) = results.split_first().unwrap();
    assert_eq!(first, "answer");
    assert_eq!(others, vec![ChainError::Reentrant.to_string(); 7]);
}

/// An observer that calls the conversation when the first call has ended.
#[derive(Clone, Default)]
struct AtTheEnd(Blocking, Arc<AtomicBool>);

impl Observer for AtTheEnd {
    fn on_event(&self, _: &CallInfo, event: &Event<'_>) {
        if matches!(event, Event::CallEnded { .. }) && !self.1.swap(true, Ordering::SeqCst) {
            self.0.call();
        }
    }
}

#[tokio::test]
async fn an_observer_that_calls_when_a_load_has_failed_gets_an_error() {
    let (inside, history) = (AtTheEnd::default(), TestHistory::default());
    let builder = LlmChain::builder().prompt(chat_prompt()).model(ScriptedChat::new(["a"]));
    let chain = builder.memory(memory(&history)).observer(inside.clone()).build().unwrap();
    assert!(inside.0.chain.set(chain.clone()).is_ok());
    history.fail_next("load");
    assert!(chain.predict(vars! { "human_input" => "outer" }).await.is_err());
    let results = std::mem::take(&mut *inside.0.results.lock().unwrap());
    assert_eq!(results, [ChainError::Reentrant.to_string()]);
}
