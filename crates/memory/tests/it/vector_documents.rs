//! The documents of turns: which of those that are found are shown.

use std::sync::{Arc, Mutex};

use conversant_core::{
    ChatHistory, Collection, Document, Embeddings, Expect, LoadContext, MaintainContext, Match,
    Memory, Message, ModelError, Scope, ToolCall, Turn, UserId, Value, Variables, VectorStore,
    VectorStoreError, async_trait, vars,
};
use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
use conversant_testkit::block_on;
use serde_json::json;

use crate::support::session;

/// All texts have the same direction.
struct Same;

#[async_trait]
impl Embeddings for Same {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(vec![vec![1.0]; texts.len()])
    }
}

fn ada() -> Scope {
    UserId::new("ada").unwrap().into()
}

async fn say(memory: &dyn Memory, question: &str) {
    let inputs = vars! { "input" => question };
    let loaded = memory.load(LoadContext::new(&inputs).with_input(question)).await.unwrap();
    memory.save(&Turn::exchange(question, "ok"), loaded.ticket).await.unwrap();
    assert!(memory.maintain().await.unwrap().warnings.is_empty());
}

/// The turns of deleted sessions stay in the vector store, and do not take the places of others.
#[test]
fn deleted_sessions_do_not_hide_the_others() {
    block_on(async {
        let store = Arc::new(InMemoryVectorStore::new(Same));
        let history = InMemoryHistory::new();
        let memory = |id: &str| {
            VectorStoreMemory::new(Arc::clone(&store))
                .with_history(history.clone(), session(id))
                .with_scope(ada())
                .with_k(2)
        };
        for id in ["1", "2", "3", "4", "5", "6", "7", "8", "9"] {
            say(&memory(id), &format!("question {id}")).await;
        }
        for id in ["1", "2", "3", "5", "6", "7", "8"] {
            history.delete(&session(id)).await.unwrap();
        }
        let inputs = vars! { "input" => "?" };
        let loaded = memory("10").load(LoadContext::new(&inputs)).await.unwrap();
        let shown = loaded.variables.get("history").unwrap().to_text().into_owned();
        assert!(shown.contains("question 4") && shown.contains("question 9"), "{shown}");
    });
}

/// A vector store that keeps the metadata of documents as texts, or its numbers as floats.
struct Loose {
    inner: InMemoryVectorStore<Same>,
    has_floats: bool,
}

impl Loose {
    fn kept(&self, value: &Value) -> Value {
        match value {
            Value::Integer(number) if self.has_floats => Value::from(*number as f64),
            value => Value::from(value.to_text().into_owned()),
        }
    }
}

#[async_trait]
impl VectorStore for Loose {
    async fn add(&self, at: &Collection, documents: &[Document]) -> Result<(), VectorStoreError> {
        let kept = documents.iter().map(|document| {
            let metadata =
                document.metadata.iter().map(|(name, value)| (name.to_owned(), self.kept(value)));
            document.clone().with_metadata(Variables::from_iter(metadata))
        });
        self.inner.add(at, &kept.collect::<Vec<_>>()).await
    }

    async fn search(
        &self,
        at: &Collection,
        text: &str,
        k: usize,
    ) -> Result<Vec<Match>, VectorStoreError> {
        self.inner.search(at, text, k).await
    }

    async fn clear(&self, at: &Collection) -> Result<(), VectorStoreError> {
        self.inner.clear(at).await
    }
}

#[test]
fn a_vector_store_without_integers_shows_no_deleted_session() {
    block_on(async {
        for has_floats in [true, false] {
            let store = Arc::new(Loose { inner: InMemoryVectorStore::new(Same), has_floats });
            let history = InMemoryHistory::new();
            let memory = |id: &str| {
                VectorStoreMemory::new(Arc::clone(&store))
                    .with_history(history.clone(), session(id))
                    .with_scope(ada())
                    .with_return_messages(true)
            };
            say(&memory("1"), "deleted").await;
            say(&memory("2"), "kept").await;
            history.delete(&session("1")).await.unwrap();
            let inputs = vars! { "input" => "?" };
            let loaded = memory("3").load(LoadContext::new(&inputs)).await.unwrap();
            let shown = loaded.variables.get("history").unwrap().to_text().into_owned();
            assert_eq!(shown, "Human: kept\nAI: ok", "{has_floats}");
        }
    });
}

/// A history that is restored from a backup has lost turns that the vector store still has.
#[test]
fn turns_that_a_restored_history_has_lost_are_not_shown() {
    block_on(async {
        for scope in [Scope::Session, ada()] {
            let store = Arc::new(InMemoryVectorStore::new(Same));
            let memory = |history: &InMemoryHistory| {
                VectorStoreMemory::new(Arc::clone(&store))
                    .with_history(history.clone(), session("1"))
                    .with_scope(scope.clone())
                    .with_k(99)
            };
            let with_tool = |question: &str| {
                let call = ToolCall::new("f", json!({})).with_id("call_1");
                let calls = Message::ai("").with_tool_calls([call]);
                let result = Message::tool("r", "call_1");
                Turn::new(vec![Message::human(question), calls, result, Message::ai("ok")])
            };
            let keep = async |history: &InMemoryHistory, turn: Turn| {
                history.append(&session("1"), &turn, Expect::Any).await.unwrap();
                let saved = memory(history).maintain().await.unwrap();
                assert!(saved.warnings.is_empty(), "{:?}", saved.warnings);
            };
            let history = InMemoryHistory::new();
            let first = Turn::exchange("one", "ok");
            keep(&history, first.clone()).await;
            let name =
                if scope == Scope::Session { "vector_store_session" } else { "vector_store_user" };
            let note = history.note(&session("1"), name).await.unwrap().unwrap();
            keep(&history, with_tool("two")).await;
            keep(&history, Turn::exchange("lost", "ok")).await;

            let restored = InMemoryHistory::new();
            restored.append(&session("1"), &first, Expect::Any).await.unwrap();
            restored.put_note(&session("1"), name, &note).await.unwrap();
            keep(&restored, Turn::exchange("three", "ok")).await;
            keep(&restored, with_tool("four")).await;
            let inputs = vars! { "input" => "?" };
            let loaded = memory(&restored).load(LoadContext::new(&inputs)).await.unwrap();
            let shown = loaded.variables.get("history").unwrap().to_text().into_owned();
            for (question, is_shown) in
                [("one", true), ("two", false), ("lost", false), ("three", true), ("four", true)]
            {
                assert_eq!(shown.contains(question), is_shown, "{shown}");
            }
        }
    });
}

/// Fails at the second request, and counts the texts of each.
#[derive(Clone, Default)]
struct Unsteady(Arc<Mutex<Vec<usize>>>);

#[async_trait]
impl Embeddings for Unsteady {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let mut requests = self.0.lock().unwrap();
        requests.push(texts.len());
        if requests.len() == 2 {
            return Err(ModelError::custom("it fails", true, None));
        }
        Ok(vec![vec![1.0]; texts.len()])
    }
}

/// A long conversation that others have written is embedded piece by piece, and no piece twice.
#[test]
fn a_long_conversation_is_added_in_pieces() {
    block_on(async {
        let (model, history) = (Unsteady::default(), InMemoryHistory::new());
        for number in 0..600 {
            let turn = Turn::exchange(format!("question {number}"), "ok");
            history.append(&session("s"), &turn, Expect::Any).await.unwrap();
        }
        let store = Arc::new(InMemoryVectorStore::new(model.clone()));
        let memory = || {
            let memory = VectorStoreMemory::new(Arc::clone(&store)).with_k(1000);
            memory.with_history(history.clone(), session("s"))
        };
        // No request starts after the deadline.
        let late = MaintainContext::new().with_deadline(std::time::Instant::now());
        assert_eq!(memory().maintain_with(late).await.unwrap().warnings.len(), 1);
        assert!(model.0.lock().unwrap().is_empty());

        let first = memory();
        assert_eq!(first.maintain().await.unwrap().warnings.len(), 1);
        let lines = async |memory: &VectorStoreMemory| {
            let inputs = vars! { "input" => "?" };
            let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap();
            loaded.variables.get("history").unwrap().to_text().lines().count()
        };
        assert_eq!(lines(&first).await, 512);
        // Another process goes on.
        let second = memory();
        assert!(second.maintain().await.unwrap().warnings.is_empty());
        assert_eq!(lines(&second).await, 1200);
        assert!(second.maintain().await.unwrap().warnings.is_empty());
        let requests = model.0.lock().unwrap().clone();
        // Those with one text are searches.
        assert_eq!(requests, [256, 256, 1, 256, 88, 1]);
    });
}
