//! The suites that every history passes, over each store.

use std::time::{Duration, UNIX_EPOCH};

use conversant_core::{
    ChatHistory, Expect, HistoryError, OwnFormat, Point, SessionFilter, SessionId, Turn, TurnId,
};
use conversant_harness::{Need, Tested};
use conversant_history_encrypted::{Encrypted, Keyring};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_postgres::PostgresHistory;
use conversant_history_redis::RedisHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::{Facts, InMemoryHistory};
use conversant_testkit::{
    servers::{PostgresServer, RedisServer},
    suite,
};

use crate::support::{key, keys};

/// Runs the suites over a store. Blinding changes the ids of sessions only, so each store on disk
/// is checked with or without it, and the store in memory with both.
async fn passes<H: OwnFormat + Clone + 'static>(store: &H) {
    let plain = Encrypted::new(store.clone(), keys());
    are_recognised(store, &plain);
    passes_each(&plain).await;
}

async fn passes_blinded<H: OwnFormat + Clone + 'static>(store: &H) {
    let blinded = Encrypted::new(store.clone(), keys()).with_blinding_key(&key(9));
    are_recognised(store, &blinded);
    passes_each(&blinded).await;
}

async fn passes_each<H: ChatHistory + Clone + 'static>(history: &H) {
    for report in [
        suite::history(|| history.clone()).await,
        suite::versioned_history(|| history.clone()).await,
        suite::reopened_history(|| history.clone()).await,
    ] {
        let report = report.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report.skipped().next(), None, "{report}");
    }
    facts_are_on_every_branch(history).await;
    a_fork_is_used_when_it_is_made(history).await;
}

/// A clone is the same store, and what is encrypted is another one than the store around it.
fn are_recognised<H: OwnFormat + Clone + 'static>(store: &H, history: &Encrypted<H>) {
    let (store, clone) = (store.identity(), store.clone().identity());
    assert!(store.is_some() && store == clone, "{store:?} and {clone:?}");
    let (own, clone) = (history.identity(), history.clone().identity());
    assert!(own.is_some() && own == clone && own != store, "{own:?} and {clone:?}");
    assert!(history.at(Point::Start).unwrap().identity() != own);
}

/// A fork of old turns is not one that a retention period would delete.
async fn a_fork_is_used_when_it_is_made<H: ChatHistory>(history: &H) {
    let made = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let turn = Turn::exchange("question", "answer").with_id(TurnId::at(made));
    for labels in [&[][..], &["user"], &["user", "team"]] {
        let [id, fork] = ["old", "fork"].map(|id| SessionId::new(id).unwrap());
        history.append(&id, &turn, Expect::Any).await.unwrap();
        for label in labels {
            history.set_label(&id, label, Some("ada")).await.unwrap();
        }
        if labels.len() > 1 {
            // A label that the fork has already stays.
            history.set_label(&fork, "user", Some("bob")).await.unwrap();
        }
        history.fork(&id, turn.id().into(), &fork).await.unwrap();
        let info = history.session_info(&fork).await.unwrap().unwrap();
        assert!(info.last_used_at > made && info.turns == 1, "{labels:?}: {info:?}");
        assert!(info.title.is_none() && info.labels.len() == labels.len(), "{labels:?}: {info:?}");
        let expected = if labels.len() > 1 { "bob" } else { "ada" };
        assert!(info.labels.get("user").is_none_or(|user| user == expected), "{info:?}");
        let source = history.session_info(&id).await.unwrap().unwrap();
        assert_eq!(source.last_used_at, made);
        for id in [&id, &fork] {
            history.delete(id).await.unwrap();
        }
    }
}

/// Facts that a person has set are known at each point of a session, and stay with the next change.
async fn facts_are_on_every_branch<H: ChatHistory + Clone + 'static>(history: &H) {
    let id = SessionId::new("x".repeat(200)).unwrap();
    let facts = Facts::of_session(history.clone(), id.clone());
    let count = async || facts.list().await.unwrap().len();
    let [first, second] = ["one", "two"].map(|words| Turn::exchange(words, "ok"));
    for turn in [&first, &second] {
        history.append(&id, turn, Expect::Any).await.unwrap();
    }
    facts.set("allergy", "no nuts").await.unwrap();
    let points = [first.id().into(), Point::Start, second.id().into()];
    for (point, known) in points.into_iter().zip(1..) {
        let view = Facts::of_session(history.at(point).unwrap(), id.clone());
        assert_eq!(view.list().await.unwrap().len(), known, "{point}");
        history.set_tip(&id, point, Expect::Any).await.unwrap();
        facts.set(format!("{point}"), "was here").await.unwrap();
        assert_eq!(count().await, known + 1, "{point}");
        let other = Turn::exchange(format!("after {point}"), "ok");
        history.append(&id, &other, Expect::Any).await.unwrap();
        assert_eq!(count().await, known + 1, "after {point}");
    }
    history.delete(&id).await.unwrap();
}

pub(crate) async fn in_memory() {
    passes(&InMemoryHistory::new()).await;
    passes_blinded(&InMemoryHistory::new()).await;
}

pub(crate) async fn with_branches() {
    let history = Encrypted::new(InMemoryHistory::new(), keys());
    let report = suite::branched_history(|| history.clone()).await;
    let report = report.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(report.skipped().next(), None, "{report}");
}

/// Lists over each kind of store. Usage is encrypted, and so are the words.
pub(crate) async fn with_lists() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Encrypted::new(InMemoryHistory::new(), keys());
    let sqlite = SqliteHistory::open(folder.path().join("plain.db")).unwrap();
    let sqlite = Encrypted::new(sqlite, keys());
    let files = JsonlHistory::open(folder.path().join("files")).unwrap();
    let files = Encrypted::new(files, keys());
    for report in [
        suite::listed_history(|| memory.clone()).await,
        suite::listed_history(|| sqlite.clone()).await,
        suite::listed_history(|| files.clone()).await,
    ] {
        // A fork is a copy, so its turns count as its own.
        let error = report.unwrap_err();
        let failed: Vec<_> = error.failed().map(|(check, _)| check).collect();
        assert_eq!(failed, ["branches_are_counted_once"], "{error}");
    }
}

/// Titles and labels of blinded sessions, with a key that was rotated. Each word has a space, which
/// is in no Base64: shorter ones, such as `bob`, are in some by chance.
pub(crate) async fn lists_outlive_a_rotation() {
    let store = InMemoryHistory::new();
    let old = Encrypted::new(store.clone(), Keyring::new(&key(1))).with_blinding_key(&key(9));
    let ids: Vec<_> =
        ["a", "b", "c"].map(|id| SessionId::new(format!("session {id}")).unwrap()).into();
    for id in &ids {
        old.append(id, &Turn::exchange("Hi", "Hello!"), Expect::Any).await.unwrap();
        old.set_title(id, Some("A secret title")).await.unwrap();
        old.set_label(id, "the user", Some("ada l.")).await.unwrap();
    }
    let rotated = Keyring::new(&key(2)).with_older(&key(1));
    let new = Encrypted::new(store.clone(), rotated).with_blinding_key(&key(9));
    let filter = SessionFilter::new().with_label("the user", "ada l.");
    let listed = async |filter: &SessionFilter| {
        let (mut all, mut place) = (Vec::new(), None);
        loop {
            let page = new.list_sessions(filter, place.as_ref(), 1).await.unwrap();
            all.extend(page.sessions);
            place = page.next;
            if place.is_none() {
                return all;
            }
        }
    };
    assert_eq!(listed(&filter).await.len(), 3);
    // Set again, a label has one value, by the new key.
    new.set_label(&ids[0], "the user", Some("bob m.")).await.unwrap();
    assert_eq!(listed(&filter).await.len(), 2);
    let bob = listed(&SessionFilter::new().with_label("the user", "bob m.")).await;
    assert_eq!((bob.len(), bob[0].session.as_str()), (1, "session a"));
    assert_eq!(bob[0].title.as_deref(), Some("A secret title"));
    new.set_label(&ids[1], "the user", None).await.unwrap();
    assert_eq!(listed(&filter).await.len(), 1);
    assert_eq!(new.delete_sessions(&filter, 9).await.unwrap(), 1);
    assert_eq!(listed(&SessionFilter::new()).await.len(), 2);
    // The store has none of the words.
    let stored = store.list_sessions(&SessionFilter::new(), None, 9).await.unwrap();
    // `Debug` of a session withholds its title.
    let titles: Vec<_> = stored.sessions.iter().map(|info| info.title.as_deref()).collect();
    assert!(titles.iter().any(Option::is_some), "a title is stored");
    let shown = format!("{stored:?} {titles:?}");
    for word in ["A secret", "session a", "the user", "ada l.", "bob m."] {
        assert!(!shown.contains(word), "{word}: {shown}");
    }
}

/// A title or a label of which a byte was changed is an error, as is one of another session.
pub(crate) async fn altered_names_are_errors() {
    let store = InMemoryHistory::new();
    let history = Encrypted::new(store.clone(), keys());
    let [id, other] = ["a", "b"].map(|id| SessionId::new(id).unwrap());
    for id in [&id, &other] {
        history.set_title(id, Some("A title")).await.unwrap();
        history.set_label(id, "user", Some("ada")).await.unwrap();
    }
    let whole = store.session_info(&id).await.unwrap().unwrap();
    let title = whole.title.unwrap();
    let (label, value) = whole.labels.into_iter().next().unwrap();
    let changed = |text: &str, at: usize| {
        let mut bytes = text.as_bytes().to_vec();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    // The last character may have bits that decode to nothing.
    for at in 0..title.len() - 1 {
        store.set_title(&id, Some(&changed(&title, at))).await.unwrap();
        let error = history.session_info(&id).await.unwrap_err();
        assert!(matches!(error, HistoryError::Decryption { .. }), "{at}: {error}");
    }
    store.set_title(&id, Some(&title)).await.unwrap();
    for at in 0..value.len() - 1 {
        store.set_label(&id, &label, Some(&changed(&value, at))).await.unwrap();
        let error = history.session_info(&id).await.unwrap_err();
        assert!(matches!(error, HistoryError::Decryption { .. }), "{at}: {error}");
    }
    store.set_label(&id, &label, Some(&value)).await.unwrap();
    assert!(history.session_info(&id).await.is_ok());
    store.set_title(&other, Some(&title)).await.unwrap();
    assert!(history.session_info(&other).await.is_err());

    // The longest names fit, and longer ones are refused before they are stored.
    history.set_title(&id, Some(&"t".repeat(600))).await.unwrap();
    history.set_label(&id, &"n".repeat(64), Some(&"v".repeat(240))).await.unwrap();
    assert!(history.set_title(&id, Some(&"t".repeat(601))).await.is_err());
    assert!(history.set_label(&id, "n", Some(&"v".repeat(241))).await.is_err());
    let info = history.session_info(&id).await.unwrap().unwrap();
    assert_eq!((info.title.unwrap().len(), info.labels.len()), (600, 2));
}

pub(crate) async fn in_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    passes_blinded(&SqliteHistory::open(folder.path().join("blinded.db")).unwrap()).await;
}

pub(crate) async fn in_files() {
    let folder = tempfile::tempdir().unwrap();
    passes(&JsonlHistory::open(folder.path().join("plain")).unwrap()).await;
}

pub(crate) async fn in_postgres() -> Tested {
    let start = tokio::task::spawn_blocking(|| PostgresServer::start(&[])).await.unwrap().unwrap();
    let server = start.ok_or_else(|| Need::Services.missing("an installed PostgreSQL"))?;
    let history = PostgresHistory::connect(&server.url()).await.unwrap();
    passes(&history).await;
    drop(history);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
    Ok(())
}

pub(crate) async fn in_redis() -> Tested {
    let start = tokio::task::spawn_blocking(|| RedisServer::start(&[])).await.unwrap().unwrap();
    let server = start.ok_or_else(|| Need::Services.missing("an installed `redis-server`"))?;
    let history = RedisHistory::connect(&server.url()).await.unwrap();
    passes_blinded(&history).await;
    drop(history);
    tokio::task::spawn_blocking(move || drop(server)).await.unwrap();
    Ok(())
}
