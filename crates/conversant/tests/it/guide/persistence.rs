//! The errors of the guide's chapter on persistence.

use std::time::Duration;

use conversant::{
    BufferMemory, ChatHistory, Expect, HistoryError, InMemoryHistory, LlmChain, Memory, Point,
    PromptTemplate, SessionId, SqliteHistory, Turn, TurnId, vars,
};
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, ScriptedChat, ScriptedReply,
};

use super::{call, compare, text};

fn ada() -> SessionId {
    SessionId::new("ada").unwrap()
}

fn chain(memory: impl Memory + 'static, reply: impl Into<ScriptedReply>) -> LlmChain {
    LlmChain::builder()
        .prompt(PromptTemplate::from_template("{history}\nHuman: {message}\nAI:").unwrap())
        .model(ScriptedChat::new([reply.into()]))
        .memory(memory)
        .build()
        .unwrap()
}

fn stored_in(history: impl ChatHistory + 'static) -> BufferMemory {
    BufferMemory::new().with_history(history, ada())
}

/// The error of a call during which its conversation is cleared.
async fn cleared() -> String {
    let (history, gate) = (InMemoryHistory::new(), Gate::new());
    let chain = chain(stored_in(history.clone()), ScriptedReply::text("Hi").held_by(&gate));
    let clear = async {
        gate.reached(1).await;
        history.clear(&ada()).await.unwrap();
        gate.open();
    };
    let call = chain.predict_with(vars! { "message" => "Hi" }, call());
    text(tokio::join!(call, clear).0)
}

/// The error of a call during which a part of an answer is saved under its id.
async fn stored_in_part() -> String {
    let (history, gate) = (InMemoryHistory::new(), Gate::new());
    let chain = chain(stored_in(history.clone()), ScriptedReply::text("Hi").held_by(&gate));
    let part = Turn::exchange("Hi", "H").with_id(TurnId::from_u128(7)).with_incomplete(true);
    let save = async {
        gate.reached(1).await;
        history.append(&ada(), &part, Expect::Any).await.unwrap();
        gate.open();
    };
    let call = chain.predict_with(vars! { "message" => "Hi" }, call());
    text(tokio::join!(call, save).0)
}

#[tokio::test]
async fn the_errors_of_persistence() {
    let folder = tempfile::tempdir().unwrap();
    let small = SqliteHistory::builder(folder.path().join("small.db")).max_message_bytes(64);
    let full = || HistoryError::Full { source: "no space left on device".into() };
    let full = FailingHistory::new(InMemoryHistory::new())
        .always(HistoryCall::Append, FailureMode::fail(full));
    let shared = InMemoryHistory::new();
    let time = Duration::from_secs(60);
    let _lease = shared.lease(&ada(), time).await.unwrap();
    let hi = || vars! { "message" => "Hi" };
    let long = vars! { "message" => "Hi ".repeat(100) };
    let unknown = Point::After(TurnId::from_u128(7));
    let elsewhere = chain(stored_in(InMemoryHistory::new()), "Hi").at(unknown).unwrap();
    compare(
        include_str!("../../../src/guide/persistence.md"),
        [
            text(SessionId::new("")),
            text(chain(stored_in(full), "Hi").predict_with(hi(), call()).await),
            cleared().await,
            stored_in_part().await,
            text(chain(stored_in(small.open().unwrap()), "Hi").predict(long).await),
            text(chain(stored_in(shared).leased(time), "Hi").predict(hi()).await),
            text(elsewhere.predict(hi()).await),
        ],
    );
}
