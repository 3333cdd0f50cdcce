//! The conformance suites, run on what this crate has.

use std::sync::Arc;

use conversant_core::{Memory, SessionId, TokenCounter};
use conversant_memory::{
    BufferMemory, CombinedMemory, EntityMemory, InMemoryHistory, InMemoryVectorStore,
    KnowledgeGraphMemory, StringBufferMemory, SummaryBufferMemory, SummaryMemory,
    TokenBufferMemory, VectorStoreMemory, WindowMemory,
};
use conversant_testkit::{
    Gate, ScriptedChat, ScriptedReply,
    suite::{self, TopicEmbeddings},
};

/// Counts words.
struct Words;

impl TokenCounter for Words {
    fn count_text(&self, text: &str) -> usize {
        text.split_whitespace().count()
    }
}

#[tokio::test]
async fn the_in_memory_history() {
    let report = suite::history(InMemoryHistory::new).await.unwrap();
    assert_eq!(report.skipped().count(), 0, "{report}");
    let report = suite::branched_history(InMemoryHistory::new).await.unwrap();
    assert_eq!(report.skipped().count(), 0, "{report}");
    let report = suite::listed_history(InMemoryHistory::new).await.unwrap();
    assert_eq!(report.skipped().count(), 0, "{report}");
    suite::versioned_history(InMemoryHistory::new).await.unwrap();
    let history = InMemoryHistory::new();
    suite::reopened_history(|| history.clone()).await.unwrap();
}

#[tokio::test]
async fn memories() {
    suite::memory(BufferMemory::new).await.unwrap();
    suite::memory(|| BufferMemory::new().with_return_messages(true)).await.unwrap();
    suite::memory(StringBufferMemory::new).await.unwrap();
    suite::memory(WindowMemory::new).await.unwrap();
    suite::memory(|| TokenBufferMemory::new(Words)).await.unwrap();
    suite::memory(|| VectorStoreMemory::new(InMemoryVectorStore::new(TopicEmbeddings::new())))
        .await
        .unwrap();
}

/// Maintenance waits for the model, so that turns are saved meanwhile.
#[tokio::test]
async fn memories_that_call_a_model() {
    let gate = Gate::yielding();
    let model = || {
        let gate = gate.clone();
        ScriptedChat::with_handler(move |_| ScriptedReply::text("(Ada, knows, Bob)").held_by(&gate))
    };
    suite::memory(|| SummaryMemory::new(model())).await.unwrap();
    suite::memory(|| SummaryBufferMemory::new(model(), Words).with_max_token_limit(7))
        .await
        .unwrap();
    suite::memory(|| EntityMemory::new(model())).await.unwrap();
    suite::memory(|| KnowledgeGraphMemory::new(model())).await.unwrap();
}

#[tokio::test]
async fn memories_keep_to_the_deadlines_of_calls_and_survive_their_model() {
    suite::memory_with_model("Ada asks.", SummaryMemory::new).await.unwrap();
    let buffer = |model| SummaryBufferMemory::new(model, Words).with_max_token_limit(7);
    suite::memory_with_model("Ada asks.", buffer).await.unwrap();
    suite::memory_with_model("Ada", EntityMemory::new).await.unwrap();
    let knowledge = KnowledgeGraphMemory::new;
    suite::memory_with_model("(Ada, knows, Bob)", knowledge).await.unwrap();
}

#[tokio::test]
async fn memories_that_are_combined() {
    let make = || {
        let (history, session) = (InMemoryHistory::new(), SessionId::new("s").unwrap());
        let window = WindowMemory::new().with_history(history.clone(), session.clone());
        let buffer = BufferMemory::new().with_memory_key("all").with_history(history, session);
        let memories = [Arc::new(window) as Arc<dyn Memory>, Arc::new(buffer)];
        CombinedMemory::new(memories).unwrap()
    };
    suite::memory(make).await.unwrap();
}
