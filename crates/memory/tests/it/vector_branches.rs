//! The turns in a vector store of a conversation that moves between branches.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use conversant_core::{
    ChatHistory, Document, Embeddings, Expect, GroupId, HistoryError, LoadContext, Memory,
    ModelError, Point, Scope, Turn, TurnId, VectorStore, async_trait, vars,
};
use conversant_memory::{InMemoryHistory, InMemoryVectorStore, VectorStoreMemory};
use conversant_testkit::{FailingHistory, FailureMode, HistoryCall, block_on};

use crate::support::session;

/// All texts have the same direction. While it fails, only questions have one.
#[derive(Clone, Default)]
struct Same {
    is_failing: Arc<AtomicBool>,
}

#[async_trait]
impl Embeddings for Same {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        if self.is_failing.load(Ordering::Relaxed) && texts.iter().any(|text| text != "?") {
            return Err(ModelError::custom("it fails", true, None));
        }
        Ok(vec![vec![1.0]; texts.len()])
    }
}

fn scopes() -> [Scope; 2] {
    [Scope::Session, GroupId::new("team").unwrap().into()]
}

/// Returns the questions that the memory shows.
async fn shown(memory: &VectorStoreMemory) -> String {
    let inputs = vars! { "input" => "?" };
    let loaded = memory.load(LoadContext::new(&inputs)).await.unwrap();
    let text = loaded.variables.get("history").unwrap().to_text().into_owned();
    let questions = text.lines().filter_map(|line| line.strip_prefix("Human: "));
    questions.collect::<Vec<_>>().join(", ")
}

async fn say(memory: &VectorStoreMemory, question: &str) -> TurnId {
    let loaded = memory.load(LoadContext::new(&vars! { "input" => question })).await.unwrap();
    let turn = Turn::exchange(question, "ok");
    memory.save(&turn, loaded.ticket).await.unwrap();
    let warnings = memory.maintain().await.unwrap().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
    turn.id()
}

#[test]
fn only_turns_of_the_current_branch_are_shown() {
    for scope in scopes() {
        let (store, history) =
            (Arc::new(InMemoryVectorStore::new(Same::default())), InMemoryHistory::new());
        let make = || {
            let memory = VectorStoreMemory::new(Arc::clone(&store)).with_k(9);
            let memory = memory.with_history(history.clone(), session("s"));
            memory.with_scope(scope.clone()).with_return_messages(true)
        };
        let memory = make();
        let name = session("s");
        let tip = |turn| history.set_tip(&name, Point::After(turn), Expect::Any);
        block_on(async {
            let hello = say(&memory, "hello").await;
            let dog = say(&memory, "dog").await;
            say(&memory, "bird").await;
            tip(hello).await.unwrap();
            assert_eq!(shown(&memory).await, "hello");
            let cat = say(&memory, "cat").await;
            assert_eq!(shown(&memory).await, "hello, cat");
            // The bird was in the place of the fish.
            let fish = say(&memory, "fish").await;
            assert_eq!(shown(&memory).await, "hello, cat, fish");

            // In the memory that moved, and in another one.
            for _ in 0..2 {
                tip(dog).await.unwrap();
                assert_eq!(shown(&memory).await, "hello, dog", "{scope:?}");
                tip(fish).await.unwrap();
                assert_eq!(shown(&make()).await, "hello, cat, fish", "{scope:?}");
            }
            // Turns after those in the store are added by the maintenance.
            tip(cat).await.unwrap();
            assert_eq!(shown(&memory).await, "hello, cat", "{scope:?}");
            tip(fish).await.unwrap();
            assert_eq!(shown(&memory).await, "hello, cat", "{scope:?}");
            memory.maintain().await.unwrap();
            assert_eq!(shown(&memory).await, "hello, cat, fish", "{scope:?}");
        });
    }
}

/// A document that is not a turn stays when the turns of another branch are removed.
#[test]
fn other_documents_and_sessions_stay() {
    for scope in scopes() {
        let (store, history) =
            (Arc::new(InMemoryVectorStore::new(Same::default())), InMemoryHistory::new());
        let make = |name: &str| {
            let memory = VectorStoreMemory::new(Arc::clone(&store)).with_k(9);
            let memory = memory.with_history(history.clone(), session(name));
            memory.with_scope(scope.clone()).with_return_messages(true)
        };
        let (memory, other) = (make("s"), make("other"));
        block_on(async {
            say(&other, "of another session").await;
            let hello = say(&memory, "hello").await;
            say(&memory, "dog").await;
            let note = Document::new("note", "a note").with_metadata(vars! { "by" => "ada" });
            store.add(&memory.collection(), &[note]).await.unwrap();
            history.set_tip(&session("s"), Point::After(hello), Expect::Any).await.unwrap();
            let texts = shown(&memory).await;
            assert!(texts.contains("a note") && texts.contains("hello"), "{texts}");
            assert!(!texts.contains("dog"), "{texts}");
            let is_shared = scope != Scope::Session;
            assert_eq!(texts.contains("of another session"), is_shared, "{texts}");
            assert!(shown(&other).await.contains("of another session"));
        });
    }
}

/// Without the embedding model, the turns of the other branch are not shown either.
#[test]
fn nothing_of_another_branch_is_shown_if_the_turns_cannot_be_added() {
    let embeddings = Same::default();
    let history = InMemoryHistory::new();
    let memory = VectorStoreMemory::new(InMemoryVectorStore::new(embeddings.clone()))
        .with_history(history.clone(), session("s"));
    block_on(async {
        let hello = say(&memory, "hello").await;
        say(&memory, "dog").await;
        history.set_tip(&session("s"), Point::After(hello), Expect::Any).await.unwrap();
        embeddings.is_failing.store(true, Ordering::Relaxed);
        assert_eq!(shown(&memory).await, "");
        embeddings.is_failing.store(false, Ordering::Relaxed);
        assert_eq!(shown(&memory).await, "hello");
    });
}

/// Embeds, and lets something happen before it returns for the first time.
#[derive(Default)]
struct Interrupted {
    then: Mutex<Option<BoxFuture<'static>>>,
}

type BoxFuture<'f> = Pin<Box<dyn Future<Output = ()> + Send + 'f>>;

#[async_trait]
impl Embeddings for Interrupted {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        let then = self.then.lock().unwrap().take();
        if let Some(then) = then {
            then.await;
        }
        Ok(vec![vec![1.0]; texts.len()])
    }
}

/// The first question is edited while turns are embedded, and the new ones are embedded first.
#[test]
fn turns_that_are_taken_back_while_they_are_added_replace_no_others() {
    for scope in scopes() {
        for is_longer in [false, true] {
            let embeddings = Arc::new(Interrupted::default());
            let store = Arc::new(InMemoryVectorStore::new(Arc::clone(&embeddings)));
            let history = InMemoryHistory::new();
            let make = || {
                let memory = VectorStoreMemory::new(Arc::clone(&store)).with_k(9);
                let memory = memory.with_history(history.clone(), session("s"));
                memory.with_scope(scope.clone()).with_return_messages(true)
            };
            let (memory, other) = (make(), make());
            let old = if is_longer { 5 } else { 2 };
            block_on(async {
                for number in 0..old {
                    let turn = Turn::exchange(format!("old {number}"), "ok");
                    history.append(&session("s"), &turn, Expect::Any).await.unwrap();
                }
                let edited = history.clone();
                let edit = async move {
                    let view = edited.at(Point::Start).unwrap();
                    for number in 0..3 {
                        let turn = Turn::exchange(format!("new {number}"), "ok");
                        view.append(&session("s"), &turn, Expect::Any).await.unwrap();
                    }
                    other.maintain().await.unwrap();
                };
                *embeddings.then.lock().unwrap() = Some(Box::pin(edit));
                let warnings = memory.maintain().await.unwrap().warnings;
                assert!(warnings.is_empty(), "{warnings:?}");
                for memory in [&memory, &make()] {
                    let mut questions: Vec<_> =
                        shown(memory).await.split(", ").map(str::to_owned).collect();
                    questions.sort();
                    assert_eq!(questions, ["new 0", "new 1", "new 2"], "{scope:?} {is_longer}");
                }
                let id = say(&memory, "new 3").await;
                assert!(shown(&memory).await.contains("new 3"), "{id}");
                assert!(!shown(&memory).await.contains("old"), "{scope:?} {is_longer}");
            });
        }
    }
}

/// The second of two that add the same turns is ended after its first piece.
#[test]
fn later_turns_that_another_has_added_stay() {
    for scope in scopes() {
        let embeddings = Arc::new(Interrupted::default());
        let store = Arc::new(InMemoryVectorStore::new(Arc::clone(&embeddings)));
        let inner = InMemoryHistory::new();
        let make = |history: FailingHistory<InMemoryHistory>| {
            let memory = VectorStoreMemory::new(Arc::clone(&store)).with_k(1000);
            memory.with_history(history, session("s")).with_scope(scope.clone())
        };
        let whole = || make(FailingHistory::new(inner.clone()));
        let full = FailureMode::fail(|| HistoryError::Full { source: "no space left".into() });
        let ended = FailingHistory::new(inner.clone());
        let ended = make(ended.on(HistoryCall::PutNote, 1, full));
        block_on(async {
            for number in 0..300 {
                let turn = Turn::exchange(format!("question {number}"), "ok");
                inner.append(&session("s"), &turn, Expect::Any).await.unwrap();
            }
            let first = whole();
            let all = async move {
                assert!(first.maintain().await.unwrap().warnings.is_empty());
            };
            *embeddings.then.lock().unwrap() = Some(Box::pin(all));
            assert_eq!(ended.maintain().await.unwrap().warnings.len(), 1);
            // The first one has noted that all are there.
            let memory = whole();
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
            assert_eq!(shown(&memory).await.split(", ").count(), 300, "{scope:?}");
        });
    }
}
