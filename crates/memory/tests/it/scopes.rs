//! Facts and turns of a user or a group, over sessions: shared, listed, corrected and forgotten.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use conversant_core::{
    ChatHistory, ChatModel, ChatRequest, Collection, Document, Embeddings, Expect, GroupId,
    HistoryError, LanguageModel, LoadContext, MaintainContext, Memory, Message, ModelError, Note,
    Point, Range, Reply, Report, Scope, SessionId, SessionIdError, Turn, UserId, Value,
    VectorStore, async_trait, vars,
};
use conversant_memory::{
    EntityMemory, Facts, InMemoryHistory, InMemoryVectorStore, VectorStoreMemory,
};
use conversant_testkit::{
    FailingHistory, FailureMode, Gate, HistoryCall, block_on, poll_then_drop,
};
use serde_json::json;

use crate::support::{session, turn};

fn user(id: &str) -> Scope {
    UserId::new(id).unwrap().into()
}

fn group(id: &str) -> Scope {
    GroupId::new(id).unwrap().into()
}

/// Finds Ada in each text and repeats the last words. It runs a closure before a description.
#[derive(Clone, Default)]
struct Scribe(Arc<Mutex<Option<Facts>>>);

#[async_trait]
impl ChatModel for Scribe {
    async fn generate(&self, request: &ChatRequest) -> Result<Reply, ModelError> {
        let text = request.messages.to_string();
        if text.ends_with("Names:") {
            return Ok(Reply::new(Message::ai("Ada")));
        }
        let corrected = self.0.lock().unwrap().take();
        if let Some(facts) = corrected {
            facts.set("Ada", "corrected").await.unwrap();
        }
        let known = text.split("Known so far:\n").nth(1).unwrap();
        let known = known.split('\n').next().unwrap().to_owned();
        let words = text.split("Last words:\n").nth(1).unwrap().split('\n').next().unwrap();
        Ok(Reply::new(Message::ai(format!("{known}+{words}"))))
    }
}

async fn say(memory: &dyn Memory, question: &str) {
    let inputs = vars! { "input" => question };
    let loaded = memory.load(LoadContext::new(&inputs).with_input(question)).await.unwrap();
    memory.save(&Turn::exchange(question, "ok"), loaded.ticket).await.unwrap();
    let warnings = memory.maintain().await.unwrap().warnings;
    assert!(warnings.is_empty(), "{warnings:?}");
}

/// Returns what a memory shows for a question about Ada.
async fn known(memory: &EntityMemory) -> Option<Value> {
    let inputs = vars! { "input" => "Who is Ada?" };
    memory.load(LoadContext::new(&inputs)).await.unwrap().variables.get("entities").cloned()
}

fn entities(
    history: impl ChatHistory + 'static,
    scope: impl Into<Scope>,
    id: &str,
) -> EntityMemory {
    EntityMemory::new(LanguageModel::chat(Scribe::default()))
        .with_scope(scope)
        .with_history(history, session(id))
}

#[test]
fn descriptions_are_those_of_the_scope() {
    block_on(async {
        let history = InMemoryHistory::new();
        say(&entities(history.clone(), Scope::Session, "1"), "own").await;
        say(&entities(history.clone(), user("ada"), "2"), "users").await;
        say(&entities(history.clone(), group("ada"), "3"), "groups").await;
        for (scope, id, text) in [
            (Scope::Session, "1", "+own"),
            (Scope::Session, "2", ""),
            (Scope::Session, "3", ""),
            (user("ada"), "1", "+users"),
            (user("ada"), "4", "+users"),
            (user("bob"), "2", ""),
            (group("ada"), "1", "+groups"),
            (group("bob"), "3", ""),
        ] {
            let memory = entities(history.clone(), scope.clone(), id);
            assert_eq!(known(&memory).await, Some(json!({ "Ada": text }).into()), "{scope:?} {id}");
        }

        // Each turn is described once, and a later one extends what another session said.
        say(&entities(history.clone(), user("ada"), "4"), "more").await;
        let memory = entities(history.clone(), user("ada"), "2");
        assert_eq!(known(&memory).await, Some(json!({ "Ada": "+users+more" }).into()));

        // A session that is cleared keeps what is known of its user.
        memory.clear().await.unwrap();
        assert_eq!(known(&memory).await, Some(json!({ "Ada": "+users+more" }).into()));
        // The facts are not part of the conversation.
        let texts = memory.messages().await.unwrap();
        assert!(texts.is_empty());
    });
}

#[test]
fn facts_are_listed_corrected_and_forgotten_in_each_scope() {
    block_on(async {
        for scope in [Scope::Session, user("ada"), group("team")] {
            let history = InMemoryHistory::new();
            let memory = entities(history.clone(), scope.clone(), "s");
            let facts = memory.facts();
            assert!(facts.list().await.unwrap().is_empty());
            say(&memory, "first").await;
            facts.set("Bo", "A cat.").await.unwrap();
            facts.set("Ada", "Wrong.").await.unwrap();
            facts.set("Ada", "Right.").await.unwrap();
            let listed = facts.list().await.unwrap();
            let listed: Vec<_> =
                listed.iter().map(|fact| (fact.name.as_str(), fact.text.as_str())).collect();
            assert_eq!(listed, [("Bo", "A cat."), ("Ada", "Right.")], "{scope:?}");
            assert_eq!(facts.get("Bo").await.unwrap().as_deref(), Some("A cat."));

            // Another process; the next turn extends the correction.
            let memory = entities(history.clone(), scope.clone(), "s");
            say(&memory, "second").await;
            assert_eq!(known(&memory).await, Some(json!({ "Ada": "Right.+second" }).into()));

            assert!(memory.facts().forget("Ada").await.unwrap());
            assert!(!facts.forget("Ada").await.unwrap());
            assert_eq!(known(&memory).await, Some(json!({ "Ada": "" }).into()), "{scope:?}");
            facts.clear().await.unwrap();
            assert!(facts.list().await.unwrap().is_empty());

            // A conversation that was cleared has new facts.
            memory.clear().await.unwrap();
            facts.set("Ada", "New.").await.unwrap();
            assert_eq!(known(&memory).await, Some(json!({ "Ada": "New." }).into()), "{scope:?}");
            say(&memory, "third").await;
            assert_eq!(known(&memory).await, Some(json!({ "Ada": "New.+third" }).into()));
        }
    });
}

/// Facts do not depend on the branch: neither those that a person has set, nor learned ones.
#[test]
fn facts_are_on_every_branch() {
    block_on(async {
        let history = InMemoryHistory::new();
        let id = session("s");
        let memory = entities(history.clone(), Scope::Session, "s");
        let facts = Facts::of_session(history.clone(), id.clone());
        let names = async || {
            let mut names: Vec<_> =
                facts.list().await.unwrap().into_iter().map(|fact| fact.name).collect();
            names.sort();
            names
        };
        say(&memory, "one").await;
        say(&memory, "two").await;
        facts.set("allergy", "Ada must not eat nuts.").await.unwrap();
        let turns = history.turns(&id, Range::All).await.unwrap();

        // The answer is given again.
        let again = memory.at(turns[0].id().into()).unwrap();
        say(&*again, "two").await;
        assert_eq!(names().await, ["Ada", "allergy"]);
        // A fact that is set there is known on the first branch, and at the start.
        facts.set("chess", "Ada plays it.").await.unwrap();
        for point in [turns[1].id().into(), Point::Start] {
            history.set_tip(&id, point, Expect::Any).await.unwrap();
            assert_eq!(names().await, ["Ada", "allergy", "chess"]);
            let described = known(&memory).await.unwrap().to_text().into_owned();
            assert!(described.contains("+one+two"), "{described}");
        }
        assert!(facts.forget("chess").await.unwrap());
        history.set_tip(&id, turns[1].id().into(), Expect::Any).await.unwrap();
        say(&memory, "three").await;
        assert_eq!(names().await, ["Ada", "allergy"]);
        let text = facts.get("allergy").await.unwrap();
        assert_eq!(text.as_deref(), Some("Ada must not eat nuts."));

        memory.clear().await.unwrap();
        assert!(names().await.is_empty());
    });
}

/// An earlier version stored the facts in a note that covers the turns that are described.
#[test]
fn facts_of_an_earlier_version_are_kept() {
    block_on(async {
        for is_set_first in [false, true] {
            let history = InMemoryHistory::new();
            let id = session("s");
            let version =
                history.append(&id, &Turn::exchange("old", "ok"), Expect::Any).await.unwrap();
            let note = Note::new(json!({ "Ada": "kind" }), version);
            history.put_note(&id, Note::FACTS, &note).await.unwrap();
            let memory = entities(history.clone(), Scope::Session, "s");
            let facts = memory.facts();
            if is_set_first {
                facts.set("chess", "a game").await.unwrap();
            }
            // The turn is not described again.
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
            assert_eq!(known(&memory).await, Some(json!({ "Ada": "kind" }).into()));
            say(&memory, "new").await;
            assert_eq!(known(&memory).await, Some(json!({ "Ada": "kind+new" }).into()));
            history.set_tip(&id, Point::Start, Expect::Any).await.unwrap();
            assert_eq!(facts.get("Ada").await.unwrap().as_deref(), Some("kind+new"));
            assert_eq!(facts.get("chess").await.unwrap().is_some(), is_set_first);
        }
    });
}

/// A correction that comes while the model describes the same name is not overwritten.
#[test]
fn a_correction_during_a_description_stays() {
    block_on(async {
        for scope in [Scope::Session, user("ada")] {
            let history = InMemoryHistory::new();
            let scribe = Scribe::default();
            let memory = EntityMemory::new(LanguageModel::chat(scribe.clone()))
                .with_scope(scope)
                .with_history(history.clone(), session("s"));
            *scribe.0.lock().unwrap() = Some(memory.facts());
            say(&memory, "words").await;
            let expected = json!({ "Ada": "corrected+words" });
            assert_eq!(known(&memory).await, Some(expected.into()));
        }
    });
}

#[test]
fn changes_of_several_writers_follow_each_other() {
    let history = InMemoryHistory::new();
    let writer = |number: usize| {
        let facts = Facts::of_user(history.clone(), UserId::new("ada").unwrap());
        std::thread::spawn(move || {
            block_on(async {
                for round in 0..20 {
                    facts.set(format!("{number} {round}"), "x").await.unwrap();
                }
            });
        })
    };
    for thread in (0..4).map(writer).collect::<Vec<_>>() {
        thread.join().unwrap();
    }
    let facts = Facts::of_user(history, UserId::new("ada").unwrap());
    assert_eq!(block_on(facts.list()).unwrap().len(), 80);
}

/// The name of the lock of a long id would be longer than an id may be.
#[test]
fn changes_of_a_session_wait_for_each_other_whatever_the_length_of_its_id() {
    block_on(async {
        for length in [1, 493, 494, 512] {
            let gate = Gate::new();
            let history = FailingHistory::new(InMemoryHistory::new());
            let history = Arc::new(history.on(HistoryCall::PutNote, 1, FailureMode::hold(&gate)));
            let id = session(&"x".repeat(length));
            let first = Facts::of_session(Arc::clone(&history), id.clone());
            // It has read the facts and holds the lock.
            assert!(poll_then_drop(first.set("Lisbon", "a city"), 1).await.is_none());
            let lock = Note::facts_lock(&id);
            let held = history.lease(&lock, Duration::from_secs(1)).await;
            assert!(matches!(held, Err(HistoryError::Busy)), "{length} bytes: {held:?}");
        }
        // Each long id has a lock of its own.
        let lock = |id: &str| Note::facts_lock(&session(&id.repeat(512)));
        assert_ne!(lock("x"), lock("y"));
    });
}

#[test]
fn facts_have_limits() {
    block_on(async {
        let facts = Facts::of_group(InMemoryHistory::new(), GroupId::new("team").unwrap());
        let error = facts.set("Ada", "x".repeat(65_534)).await.unwrap_err();
        assert!(matches!(error, HistoryError::TooLarge { bytes: 65_537, limit: 65_536, .. }));
        let shown = error.to_string();
        assert_eq!(shown, "cannot store a fact of 65537 bytes: the limit is 65536 bytes");
        assert!(facts.list().await.unwrap().is_empty());
        facts.set("Ada", "x".repeat(65_533)).await.unwrap();
        assert_eq!(
            format!("{facts:?}"),
            r#"Facts { session: SessionId("conversant:group:team"), .. }"#
        );

        let listed = facts.list().await.unwrap();
        assert_eq!(format!("{listed:?}"), "[Fact { name: <3 bytes>, text: <65533 bytes> }]");

        let longest = UserId::new("u".repeat(480)).unwrap();
        let facts = Facts::of_user(InMemoryHistory::new(), longest);
        facts.set("Ada", "kind").await.unwrap();
        assert_eq!(facts.get("Ada").await.unwrap().as_deref(), Some("kind"));
        for invalid in [String::new(), "u".repeat(481), "a\0b".to_owned()] {
            assert!(UserId::new(invalid.clone()).is_err() && GroupId::new(invalid).is_err());
        }
    });
}

/// A client that chooses the id of its session does not reach what belongs to a user or a group.
#[test]
fn no_session_has_the_name_of_a_scope() {
    for name in ["conversant:user:ada", "conversant:group:team", "conversant:session:s"] {
        assert_eq!(SessionId::new(name), Err(SessionIdError::Reserved), "{name}");
    }
    // The ids of users may have any text.
    let facts = |user: &str| {
        Facts::of_user(
            InMemoryHistory::new(),
            UserId::new(format!("conversant:user:{user}")).unwrap(),
        )
    };
    block_on(facts("ada").set("Ada", "kind")).unwrap();
}

/// All texts have the same direction.
struct Same;

#[async_trait]
impl Embeddings for Same {
    async fn embed(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, ModelError> {
        Ok(vec![vec![1.0]; texts.len()])
    }
}

#[test]
fn turns_of_a_user_are_listed_corrected_and_forgotten() {
    block_on(async {
        let store = Arc::new(InMemoryVectorStore::new(Same));
        let history = InMemoryHistory::new();
        let memory = |scope: Scope, id: &str| {
            VectorStoreMemory::new(Arc::clone(&store))
                .with_history(history.clone(), session(id))
                .with_scope(scope)
                .with_return_messages(true)
                .with_k(9)
        };
        let shown = async |scope: Scope, id: &str| {
            let inputs = vars! { "input" => "?" };
            let loaded = memory(scope, id).load(LoadContext::new(&inputs)).await.unwrap();
            loaded.variables.get("history").unwrap().to_text().into_owned()
        };
        say(&memory(user("ada"), "1"), "one").await;
        say(&memory(user("ada"), "2"), "two").await;
        say(&memory(group("ada"), "1"), "group").await;
        assert_eq!(shown(Scope::Session, "1").await, "");
        assert_eq!(shown(user("bob"), "1").await, "");
        let both = shown(user("ada"), "3").await;
        assert!(both.contains("one") && both.contains("two") && !both.contains("group"), "{both}");

        let collection = Collection::from(UserId::new("ada").unwrap());
        let listed = store.list(&collection, None, 9).await.unwrap();
        assert_eq!(listed.len(), 2);
        let page = store.list(&collection, Some(&listed[0].id), 9).await.unwrap();
        assert_eq!(page, listed[1..]);
        // Corrected, with or without its messages.
        let corrected = Document::new(listed[0].id.as_str(), "corrected");
        store.add(&collection, &[corrected]).await.unwrap();
        assert!(shown(user("ada"), "3").await.contains("Human: corrected"));
        assert_eq!(store.remove(&collection, &[&listed[0].id, "unknown"]).await.unwrap(), 1);
        assert!(!shown(user("ada"), "3").await.contains("corrected"));
        // Forgotten, it is not added again.
        say(&memory(user("ada"), "1"), "three").await;
        assert!(!shown(user("ada"), "1").await.contains("one"));
    });
}

/// A process that died during a change holds its lease. The maintenance of a memory waits for it
/// until the call's deadline, and not for the 15 seconds of a change.
#[test]
fn maintenance_waits_for_another_change_until_its_deadline() {
    for (scope, lock) in
        [(Scope::Session, "conversant:session:s"), (user("ada"), "conversant:user:ada")]
    {
        let history = InMemoryHistory::new();
        let memory = EntityMemory::new(LanguageModel::chat(Scribe::default())).with_scope(scope);
        let memory = memory.with_history(history.clone(), session("s"));
        block_on(async {
            let inputs = vars! { "input" => "Ada" };
            let ticket = memory.load(LoadContext::new(&inputs)).await.unwrap().ticket;
            memory.save(&Turn::exchange("Ada", "ok"), ticket).await.unwrap();
            let lock = SessionId::from_stored(lock).unwrap();
            let lease = history.lease(&lock, Duration::MAX).await.unwrap().unwrap();
            let start = Instant::now();
            let context = MaintainContext::new().with_deadline(start + Duration::from_secs(1));
            let warnings = memory.maintain_with(context).await.unwrap().warnings;
            assert_eq!(warnings.len(), 1);
            let took = start.elapsed();
            assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(15), "{took:?}");
            history.release(&lease).await.unwrap();
            assert!(memory.maintain().await.unwrap().warnings.is_empty());
            assert_eq!(memory.facts().get("Ada").await.unwrap().as_deref(), Some("+Ada"));
        });
    }
}

/// The lease of a change that was dropped is given back by the next one, which does not wait for
/// its end.
#[test]
fn a_dropped_change_does_not_hold_up_the_next_one() {
    for call in [HistoryCall::Note, HistoryCall::PutNote, HistoryCall::Release] {
        let gate = Gate::new();
        let history = FailingHistory::new(InMemoryHistory::new());
        let history = Arc::new(history.on(call, 1, FailureMode::hold(&gate)));
        let facts = Facts::of_user(Arc::clone(&history), UserId::new("ada").unwrap());
        block_on(async {
            assert!(poll_then_drop(facts.set("Lisbon", "a city"), 1).await.is_none());
            facts.set("chess", "a game").await.unwrap();
            assert!(facts.get("chess").await.unwrap().is_some());
        });
        assert_eq!(history.calls(HistoryCall::Lease), 2, "{call:?}");
    }
}

/// The versions of other sessions are loaded at the same time. A session that cannot be loaded
/// costs its turns and a warning, not the answer.
#[test]
fn a_session_that_cannot_be_loaded_is_left_out_of_a_search() {
    block_on(async {
        let store = Arc::new(InMemoryVectorStore::new(Same));
        let history = FailingHistory::new(InMemoryHistory::new());
        let team = GroupId::new("team").unwrap();
        let memory = |name: &str| {
            VectorStoreMemory::new(Arc::clone(&store))
                .with_history(history.clone(), session(name))
                .with_scope(team.clone())
                .with_k(9)
        };
        for name in ["ada", "bob", "eve"] {
            say(&memory(name), &format!("the pizza of {name}")).await;
        }
        let (cyd, inputs) = (memory("cyd"), vars! { "input" => "pizza?" });
        let load = || cyd.load(LoadContext::new(&inputs));
        let before = history.calls(HistoryCall::Load);
        let all = load().await.unwrap();
        let loads = history.calls(HistoryCall::Load) - before;
        let saved = cyd.save(&turn(1), all.ticket).await.unwrap();
        assert!(saved.warnings.is_empty(), "{:?}", saved.warnings);

        let next = |others: usize| history.calls(HistoryCall::Load) + loads - 3 + others;
        let busy = FailureMode::fail(|| HistoryError::Busy);
        let _ = history.clone().on(HistoryCall::Load, next(2), busy);
        let others = load().await.unwrap();
        let shown = others.variables.get("history").unwrap().to_text().into_owned();
        for (name, is_shown) in [("ada", true), ("bob", false), ("eve", true)] {
            assert_eq!(shown.contains(name), is_shown, "{shown}");
        }
        let saved = cyd.save(&turn(2), others.ticket).await.unwrap();
        let warnings: Vec<_> =
            saved.warnings.iter().map(|it| Report::new(it).to_string()).collect();
        let what = "cannot show the turns of another session: it cannot be loaded";
        let cause = "cannot use the conversation: it is busy";
        assert_eq!(warnings, [format!("{what}: {cause}")]);

        let gate = Gate::new();
        for other in 1..=3 {
            let _ = history.clone().on(HistoryCall::Load, next(other), FailureMode::hold(&gate));
        }
        assert!(poll_then_drop(load(), 1).await.is_none());
        assert_eq!(gate.arrivals(), 3);
    });
}
