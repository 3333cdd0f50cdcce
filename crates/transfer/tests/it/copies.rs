//! Copying of all conversations.

use std::sync::Arc;

use conversant_core::{ChatHistory, UserId};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_memory::{Facts, InMemoryHistory};
use conversant_testkit::block_on;
use conversant_transfer::{Progress, copy, copy_facts};

use crate::support::{append, exchange, filled, load, session, turns};

#[test]
fn a_history_is_copied_and_copied_again() {
    let history = filled();
    let folder = tempfile::tempdir().unwrap();
    let files = JsonlHistory::open(folder.path()).unwrap();
    append(&files, "it's a \u{1f600}", &exchange(0)).unwrap();
    for _ in 0..2 {
        let mut last = Progress::default();
        let done = block_on(copy(&history, &files, |progress| last = progress)).unwrap();
        assert_eq!((done.sessions, done.turns, last), (301, 302, done));
    }
    assert_eq!(turns(&files, "it's a \u{1f600}")[1..], turns(&history, "it's a \u{1f600}")[..]);
    assert_eq!(
        load(&files, "session 7").unwrap().messages,
        load(&history, "session 7").unwrap().messages
    );
}

/// A person has set or corrected them: they cannot be derived from the turns.
#[test]
fn facts_are_copied() {
    let folder = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn ChatHistory>; 3] = [
        Arc::new(InMemoryHistory::new()),
        Arc::new(JsonlHistory::open(folder.path().join("files")).unwrap()),
        Arc::new(SqliteHistory::open(folder.path().join("chat.db")).unwrap()),
    ];
    let ada = || UserId::new("ada").unwrap();
    for (number, from) in stores.iter().enumerate() {
        let file = folder.path().join(format!("{number}.db"));
        for to in [
            Arc::new(InMemoryHistory::new()) as Arc<dyn ChatHistory>,
            Arc::new(SqliteHistory::open(file).unwrap()),
        ] {
            let (user, known) =
                (Facts::of_user(Arc::clone(from), ada()), Facts::of_user(Arc::clone(&to), ada()));
            let own = Facts::of_session(Arc::clone(from), session("s"));
            append(from, "s", &exchange(0)).unwrap();
            block_on(async {
                user.set("Lisbon", "Ada lives there.").await.unwrap();
                user.set("chess", "Ada plays it.").await.unwrap();
                own.set("Grace", "A friend.").await.unwrap();
                known.set("chess", "Ada plays it well.").await.unwrap();
                for _ in 0..2 {
                    let done = copy(from, &to, |_| {}).await.unwrap();
                    assert_eq!(done.omissions, 0);
                    copy_facts(from, &to, &ada().into()).await.unwrap();
                }
                let texts = |facts: &Facts| {
                    let facts = block_on(facts.list()).unwrap();
                    facts
                        .into_iter()
                        .map(|fact| format!("{}: {}", fact.name, fact.text))
                        .collect::<Vec<_>>()
                };
                assert_eq!(
                    texts(&known),
                    ["Lisbon: Ada lives there.", "chess: Ada plays it well."]
                );
                let copied = Facts::of_session(Arc::clone(&to), session("s"));
                assert_eq!(texts(&copied), ["Grace: A friend."]);
            });
        }
    }
}
