//! Changes of facts that reach the store after their lease, when others have changed the facts.

use conversant_core::{
    ChatHistory, ChatModel, ChatRequest, Expect, HistoryError, LanguageModel, LoadContext, Memory,
    Message, ModelError, Note, Range, Reply, Scope, SessionId, Slice, Turn, UserId, Version,
    async_trait, vars,
};
use conversant_memory::{EntityMemory, Facts, InMemoryHistory};
use conversant_testkit::{FailingHistory, FailureMode, Gate, HistoryCall};

use crate::support::session;

/// The history as it is for others once a lease has ended: it has none.
struct Unleased {
    inner: InMemoryHistory,
    replaces: Replaces,
}

/// The answers to requests that replace notes.
#[derive(Clone, Copy, PartialEq)]
enum Replaces {
    AsAsked,
    /// Each request comes a second time, and the answer is to that one.
    Twice,
    Unsupported,
}

#[async_trait]
impl ChatHistory for Unleased {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.inner.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.inner.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.inner.clear(session).await
    }

    async fn note(&self, session: &SessionId, name: &str) -> Result<Option<Note>, HistoryError> {
        self.inner.note(session, name).await
    }

    async fn put_note(
        &self,
        session: &SessionId,
        name: &str,
        note: &Note,
    ) -> Result<(), HistoryError> {
        self.inner.put_note(session, name, note).await
    }

    async fn replace_note(
        &self,
        session: &SessionId,
        name: &str,
        read: Option<&Note>,
        note: &Note,
    ) -> Result<bool, HistoryError> {
        if self.replaces == Replaces::Unsupported {
            return Err(HistoryError::Unsupported { what: "replacing notes" });
        }
        let replaced = self.inner.replace_note(session, name, read, note).await?;
        Ok(replaced && self.replaces == Replaces::AsAsked)
    }
}

/// Returns a history whose first change is late, and the same one for others.
fn histories(gate: &Gate) -> (FailingHistory<InMemoryHistory>, Unleased) {
    let store = InMemoryHistory::new();
    let other = Unleased { inner: store.clone(), replaces: Replaces::AsAsked };
    let hold = FailureMode::hold(gate);
    (FailingHistory::new(store).on(HistoryCall::PutNote, 1, hold), other)
}

fn ada() -> UserId {
    UserId::new("ada").unwrap()
}

fn facts(history: impl ChatHistory + 'static, scope: &Scope) -> Facts {
    match scope {
        Scope::User(user) => Facts::of_user(history, user.clone()),
        _ => Facts::of_session(history, session("s")),
    }
}

async fn names(facts: &Facts) -> Vec<String> {
    facts.list().await.unwrap().into_iter().map(|fact| fact.name).collect()
}

#[tokio::test]
async fn a_late_change_brings_nothing_back() {
    for scope in [Scope::Session, ada().into()] {
        let gate = Gate::new();
        let (late, other) = histories(&gate);
        let (late, other) = (facts(late, &scope), facts(other, &scope));
        other.set("Ada", "kind").await.unwrap();
        other.set("Bob", "tall").await.unwrap();
        let meanwhile = async {
            gate.reached(1).await;
            assert!(other.forget("Ada").await.unwrap());
            other.set("Dora", "old").await.unwrap();
            gate.open();
        };
        let (changed, ()) = tokio::join!(late.set("Carl", "new"), meanwhile);
        changed.unwrap();
        assert_eq!(names(&other).await, ["Bob", "Dora", "Carl"], "{scope:?}");
    }
}

/// The outcome is that of the change which is stored.
#[tokio::test]
async fn what_others_have_forgotten_is_not_forgotten_again() {
    let gate = Gate::new();
    let (late, other) = histories(&gate);
    let (late, other) = (facts(late, &ada().into()), facts(other, &ada().into()));
    other.set("Ada", "kind").await.unwrap();
    let meanwhile = async {
        gate.reached(1).await;
        other.clear().await.unwrap();
        other.set("Bob", "tall").await.unwrap();
        gate.open();
    };
    let (forgotten, ()) = tokio::join!(late.forget("Ada"), meanwhile);
    assert!(!forgotten.unwrap());
    assert_eq!(names(&other).await, ["Bob"]);
}

/// A session that has no facts yet is loaded, and begins in a later epoch if another one was
/// deleted meanwhile.
#[tokio::test]
async fn a_change_is_stored_although_another_session_was_deleted_meanwhile() {
    let store = InMemoryHistory::new();
    let gate = Gate::new();
    let late = FailingHistory::new(store.clone());
    let late = facts(late.on(HistoryCall::PutNote, 1, FailureMode::hold(&gate)), &Scope::Session);
    let meanwhile = async {
        gate.reached(1).await;
        let other = session("other");
        store.append(&other, &Turn::exchange("a", "b"), Expect::Any).await.unwrap();
        store.delete(&other).await.unwrap();
        store.set_title(&session("s"), Some("New chat")).await.unwrap();
        gate.open();
    };
    let (changed, ()) = tokio::join!(late.set("Ada", "kind"), meanwhile);
    changed.unwrap();
    assert_eq!(names(&late).await, ["Ada"]);
}

/// Finds Ada in each text, and describes her.
struct Scribe;

#[async_trait]
impl ChatModel for Scribe {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let is_extraction = request.messages.to_string().ends_with("Names:");
        Ok(Reply::new(Message::ai(if is_extraction { "Ada" } else { "described" })))
    }
}

#[tokio::test]
async fn a_late_description_brings_nothing_back() {
    for scope in [Scope::Session, ada().into()] {
        let gate = Gate::new();
        let (late, other) = histories(&gate);
        let memory = EntityMemory::new(LanguageModel::chat(Scribe))
            .with_scope(scope.clone())
            .with_history(late, session("s"));
        let other = facts(other, &scope);
        other.set("Ada", "kind").await.unwrap();
        let inputs = vars! { "input" => "Ada" };
        let ticket = memory.load(LoadContext::new(&inputs)).await.unwrap().ticket;
        memory.save(&Turn::exchange("Ada", "ok"), ticket).await.unwrap();
        let meanwhile = async {
            gate.reached(1).await;
            other.set("Bob", "tall").await.unwrap();
            assert!(other.forget("Ada").await.unwrap());
            gate.open();
        };
        let (saved, ()) = tokio::join!(memory.maintain(), meanwhile);
        assert!(saved.unwrap().warnings.is_empty());
        assert_eq!(names(&other).await, ["Bob"], "{scope:?}");
    }
}

#[tokio::test]
async fn a_change_that_is_stored_by_a_request_sent_twice_has_its_outcome() {
    let store = |replaces| Unleased { inner: InMemoryHistory::new(), replaces };
    for replaces in [Replaces::AsAsked, Replaces::Twice, Replaces::Unsupported] {
        let facts = facts(store(replaces), &ada().into());
        facts.set("Ada", "kind").await.unwrap();
        assert!(facts.forget("Ada").await.unwrap());
        assert!(!facts.forget("Ada").await.unwrap());
    }
}
