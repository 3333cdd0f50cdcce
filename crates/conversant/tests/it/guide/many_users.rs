//! The errors of the guide's chapter on many users.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use conversant::{
    BufferMemory, CallOptions, ChatHistory, ChatModel, ChatRequest, Conflict, Conversations,
    Expect, InMemoryHistory, LanguageModel, LlmChain, Message, ModelError, ParallelChain,
    PromptTemplate, Reply, SessionId, Turn, Variables, WithMemory, async_trait, vars,
};
use conversant_testkit::{Gate, ScriptedChat, ScriptedReply};

use super::{call, compare, text};

fn ada() -> SessionId {
    SessionId::new("ada").unwrap()
}

fn hi() -> Variables {
    vars! { "message" => "Hi" }
}

fn chain(model: impl Into<LanguageModel>, memory: BufferMemory) -> LlmChain {
    LlmChain::builder()
        .prompt(PromptTemplate::from_template("{history}\nHuman: {message}\nAI:").unwrap())
        .model(model)
        .memory(memory)
        .build()
        .unwrap()
}

/// The error of a call that is made while another one of the session is running.
async fn second_call(options: CallOptions) -> String {
    let gate = Gate::new();
    let model = ScriptedChat::new([ScriptedReply::text("Hi").held_by(&gate), "Hi".into()]);
    let chain = chain(model, BufferMemory::new());
    let second = async {
        gate.reached(1).await;
        let error = text(chain.predict_with(hi(), options).await);
        gate.open();
        error
    };
    let (first, error) = tokio::join!(chain.predict(hi()), second);
    first.unwrap();
    error
}

/// The error of a call with the turn id of another question.
async fn other_question() -> String {
    let chain = chain(ScriptedChat::new(["Hi"]), BufferMemory::new());
    chain.predict_with(hi(), call()).await.unwrap();
    text(chain.predict_with(vars! { "message" => "Bye" }, call()).await)
}

/// The error of a call with the turn id of an answer that was cut off.
async fn cut_off() -> String {
    let cut = Reply::new(Message::ai("Once upon")).with_finish_reason("length");
    let chain = chain(ScriptedChat::new([ScriptedReply::from(cut)]), BufferMemory::new());
    chain.predict_with(hi(), call()).await.unwrap();
    text(chain.predict_with(hi(), call()).await)
}

/// The error of a repeated call of a chain that has more outputs than its turn stores.
async fn answered_in_branches() -> String {
    let branch = || {
        let prompt = PromptTemplate::from_template("{message}").unwrap();
        LlmChain::builder().prompt(prompt).model(ScriptedChat::new(["Hi"])).build().unwrap()
    };
    let branches = ParallelChain::builder().branch("first", branch()).branch("second", branch());
    let memory = BufferMemory::new().with_output_key("first");
    let chain = WithMemory::builder(branches.build().unwrap(), memory);
    let chain = chain.allow_unused("history").build().unwrap();
    chain.invoke_with(hi(), call()).await.unwrap();
    text(chain.predict_with(hi(), call()).await)
}

/// A model that asks its own conversation.
#[derive(Clone, Default)]
struct Curious(Arc<OnceLock<LlmChain>>);

#[async_trait]
impl ChatModel for Curious {
    async fn generate(&self, _: &ChatRequest) -> Result<Reply, ModelError> {
        let answer = self.0.get().unwrap().predict(hi()).await;
        Ok(Reply::new(Message::ai(text(answer))))
    }
}

async fn call_from_inside() -> String {
    let model = Curious::default();
    let chain = chain(LanguageModel::chat(model.clone()), BufferMemory::new());
    model.0.set(chain.clone()).unwrap();
    chain.predict(hi()).await.unwrap()
}

async fn after_the_end() -> String {
    let make = |_: &SessionId| Ok(chain(ScriptedChat::new(["Hi"]), BufferMemory::new()));
    let conversations = Conversations::new(make).unwrap();
    let chain = conversations.chain(&ada()).unwrap();
    conversations.close(Duration::ZERO).await;
    text(chain.predict(hi()).await)
}

/// The error of a call during which another process adds a turn.
async fn not_the_first() -> String {
    let (history, gate) = (InMemoryHistory::new(), Gate::new());
    let model = ScriptedChat::new([ScriptedReply::text("Hi").held_by(&gate)]);
    let memory = BufferMemory::new().with_history(history.clone(), ada());
    let chain = chain(model, memory.with_conflict(Conflict::Fail));
    let other = async {
        gate.reached(1).await;
        history.append(&ada(), &Turn::exchange("Hi", "Hello"), Expect::Any).await.unwrap();
        gate.open();
    };
    text(tokio::join!(chain.predict_with(hi(), call()), other).0)
}

#[tokio::test]
async fn the_errors_of_many_users() {
    compare(
        include_str!("../../../src/guide/many_users.md"),
        [
            other_question().await,
            cut_off().await,
            answered_in_branches().await,
            second_call(CallOptions::new().with_no_wait()).await,
            second_call(CallOptions::new().with_timeout(Duration::ZERO)).await,
            call_from_inside().await,
            after_the_end().await,
            not_the_first().await,
        ],
    );
}
