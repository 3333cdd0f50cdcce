//! Copying of all conversations.

use std::sync::Arc;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Note, Point, Range, Scope, Turn, UserId, Version,
};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};
use conversant_memory::{Facts, InMemoryHistory};
use conversant_testkit::{FailingHistory, FailureMode, HistoryCall, block_on};
use conversant_transfer::{
    Export, Import, TransferError, TransferEvent, TransferProgress, copy, copy_facts,
};
use serde_json::{Map, Value as Json, json};

use crate::support::{append, copied, exchange, export, filled, import, load, session, turns};

#[test]
fn a_history_is_copied_and_copied_again() {
    let history = filled();
    let folder = tempfile::tempdir().unwrap();
    let files = JsonlHistory::open(folder.path()).unwrap();
    append(&files, "it's a \u{1f600}", &exchange(0)).unwrap();
    for _ in 0..2 {
        let mut last = TransferProgress::default();
        let done = block_on(copy(&history, &files, |event| {
            if let TransferEvent::Progress(progress) = event {
                last = progress;
            }
        }))
        .unwrap();
        assert_eq!((done.sessions, done.turns, last), (301, 302, done));
    }
    assert_eq!(turns(&files, "it's a \u{1f600}")[1..], turns(&history, "it's a \u{1f600}")[..]);
    assert_eq!(
        load(&files, "session 7").unwrap().messages,
        load(&history, "session 7").unwrap().messages
    );
}

/// A reader of many sessions cannot keep a user from deleting one of them.
#[test]
fn a_session_that_is_cleared_while_it_is_read_is_read_again() {
    let (inner, last) = (InMemoryHistory::new(), exchange(1));
    append(&inner, "a", &exchange(0)).unwrap();
    append(&inner, "b", &last).unwrap();
    let unknown = || FailureMode::fail(|| HistoryError::UnknownTurn { turn: exchange(0).id() });
    let from = FailingHistory::new(inner).on(HistoryCall::Alternatives, 1, unknown());
    let to = InMemoryHistory::new();
    assert_eq!(block_on(copy(&from, &to, |_| {})).unwrap().sessions, 2);
    assert_eq!(turns(&to, "b"), [last]);
    // One that is cleared again and again does not hold up the copy for ever.
    let from = from.always(HistoryCall::Alternatives, unknown());
    block_on(copy(&from, &to, |_| {})).unwrap_err();
}

/// The turn that a history has under an id stays.
#[test]
fn another_turn_of_an_id_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let from = InMemoryHistory::new();
    let [first, second, third] = [0, 1, 2].map(exchange);
    for turn in [&first, &second, &third] {
        append(&from, "s", turn).unwrap();
    }
    append(&from, "t", &first).unwrap();
    let part = Turn::exchange("question 1", "ans").with_id(second.id()).with_incomplete(true);
    let (file, omitted) = export(&Export::lines(), &from);
    assert!(omitted.is_empty());
    let stores: [Arc<dyn ChatHistory>; 4] = [
        Arc::new(InMemoryHistory::new()),
        Arc::new(InMemoryHistory::new()),
        Arc::new(LangChainSqliteHistory::open(folder.path().join("copied.db")).unwrap()),
        Arc::new(LangChainSqliteHistory::open(folder.path().join("imported.db")).unwrap()),
    ];
    for (number, to) in stores.iter().enumerate() {
        append(to, "s", &first).unwrap();
        append(to, "s", &part).unwrap();
        if number % 2 == 0 {
            let done = block_on(copy(&from, to, |_| {})).unwrap();
            assert_eq!((done.sessions, done.turns, done.omissions), (2, 3, 1));
        } else {
            let (done, omitted) = import(&Import::lines(), to, file.as_bytes());
            let done = done.unwrap();
            assert_eq!((done.turns, done.omissions), (3, 1));
            assert_eq!(omitted.len(), 1);
            assert!(omitted[0].contains("the session has other turns"), "{omitted:?}");
        }
        let found: Vec<_> = turns(to, "s").into_iter().map(|turn| turn.id()).collect();
        assert_eq!(found, [first.id(), second.id(), third.id()]);
        assert_eq!(turns(to, "s")[1].messages(), part.messages());
        assert_eq!(turns(to, "t").len(), 1);
    }
}

/// A turn that is larger than the limit is left out with what follows it. Other sessions are
/// copied.
#[test]
fn a_turn_that_is_too_large_does_not_end_a_copy() {
    let from = InMemoryHistory::new();
    append(&from, "a", &exchange(0)).unwrap();
    for text in ["short", &"long ".repeat(1_000), "after it"] {
        append(&from, "b", &Turn::exchange(text, "ok")).unwrap();
    }
    append(&from, "c", &exchange(1)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let files =
        JsonlHistory::builder(folder.path().join("files")).max_message_bytes(1_000).open().unwrap();
    let rows = LangChainSqliteHistory::builder(folder.path().join("rows.db"))
        .max_message_bytes(1_000)
        .open()
        .unwrap();
    for to in [&files as &dyn ChatHistory, &rows] {
        for _ in 0..2 {
            let (done, omitted) = copied(&from, to);
            assert_eq!((done.sessions, done.turns, done.omissions), (3, 3, 2));
            let refused = "conversation 2 (`b`): the history refuses a message of the turn";
            assert_eq!(omitted, [refused; 2]);
        }
        for (name, messages) in [("a", 2), ("b", 2), ("c", 2)] {
            let all = block_on(to.load(&session(name), Range::All)).unwrap().messages;
            assert_eq!(all.len(), messages, "{name}");
        }
    }
}

/// Nor does one whose form the history does not support.
#[test]
fn a_turn_of_an_unsupported_form_does_not_end_a_copy() {
    let from = InMemoryHistory::new();
    append(&from, "a", &exchange(0)).unwrap();
    append(&from, "b", &exchange(1)).unwrap();
    let refuse = || FailureMode::fail(|| HistoryError::Unsupported { what: "such messages" });
    let folder = tempfile::tempdir().unwrap();
    let rows = LangChainSqliteHistory::open(folder.path().join("rows.db")).unwrap();
    let branches = FailingHistory::new(InMemoryHistory::new()).on(HistoryCall::Append, 1, refuse());
    let rows = FailingHistory::new(rows).on(HistoryCall::Append, 1, refuse());
    for to in [&branches as &dyn ChatHistory, &rows] {
        let (done, omitted) = copied(&from, to);
        assert_eq!((done.sessions, done.turns, done.omissions), (2, 1, 1));
        assert_eq!(omitted, ["conversation 1 (`a`): the history refuses a message of the turn"]);
        assert_eq!((turns(to, "a").len(), turns(to, "b").len()), (0, 1));
    }
}

/// Turns that a memory has described are not described again by one over the copy.
#[test]
fn what_is_described_is_copied() {
    let facts = Note::new(json!({ "Ada": "kind" }), Version::new(0, 0));
    // An earlier version had the version in the note of the facts.
    for is_earlier in [false, true] {
        let (from, to) = (InMemoryHistory::new(), InMemoryHistory::new());
        let covers = append(&from, "s", &exchange(0)).unwrap();
        append(&from, "s", &exchange(1)).unwrap();
        block_on(async {
            let (s, mut facts) = (session("s"), facts.clone());
            if is_earlier {
                facts.covers = covers;
            } else {
                from.put_note(&s, Note::DESCRIBED, &Note::new("", covers)).await.unwrap();
            }
            from.put_note(&s, Note::FACTS, &facts).await.unwrap();
            copy(&from, &to, |_| {}).await.unwrap();
            let copied = to.note(&s, Note::FACTS).await.unwrap().unwrap();
            assert_eq!((copied.body, copied.covers.messages), (facts.body, 0));
            let described = to.note(&s, Note::DESCRIBED).await.unwrap().unwrap();
            assert_eq!(described.covers.messages, 2);
        });
    }
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
                // They are on every branch of both.
                for history in [from, &to] {
                    let facts = Facts::of_session(Arc::clone(history), session("s"));
                    let tip = history.turns(&session("s"), Range::All).await.unwrap()[0].id();
                    for point in [Point::Start, tip.into()] {
                        history.set_tip(&session("s"), point, Expect::Any).await.unwrap();
                        assert_eq!(texts(&facts), ["Grace: A friend."]);
                    }
                }
            });
        }
    }
}

fn many_facts(name: &str) -> Map<String, Json> {
    (0..1500).map(|number| (format!("{name} {number}"), json!("known"))).collect()
}

/// A copy stores no more facts than a memory does. Those that were there stay.
#[test]
fn copied_facts_keep_their_limits() {
    let ada = Scope::from(UserId::new("ada").unwrap());
    for (session, is_user) in [(session("s"), false), (ada.facts_session().unwrap(), true)] {
        let (from, to) = (InMemoryHistory::new(), InMemoryHistory::new());
        append(&from, "s", &exchange(0)).unwrap();
        block_on(async {
            for (history, name) in [(&from, "theirs"), (&to, "ours")] {
                let note = Note::new(json!(many_facts(name)), Version::new(0, 0));
                history.put_note(&session, Note::FACTS, &note).await.unwrap();
            }
        });
        for _ in 0..2 {
            if is_user {
                block_on(copy_facts(&from, &to, &ada)).unwrap();
            } else {
                let reason = "the history cannot store all facts of the session";
                let (_, omitted) = copied(&from, &to);
                assert_eq!(omitted, [format!("conversation 1 (`s`): {reason}")]);
            }
            let facts = block_on(to.note(&session, Note::FACTS)).unwrap().unwrap().facts();
            assert_eq!(facts.len(), 2000);
            assert!(many_facts("ours").keys().all(|name| facts.contains_key(name)));
        }
    }
}

/// Facts of an encrypted history without its keys: they are bound to their place.
#[test]
fn facts_that_cannot_be_read_are_copied_where_they_stay_readable() {
    let ada = Scope::from(UserId::new("ada").unwrap());
    let users = ada.facts_session().unwrap();
    let reason = "the facts of the session are encrypted; transfer with its keys";
    let omitted = [format!("conversation 1 (`s`): {reason}")];
    let sealed = |covers| Note::new("a record", covers);
    for (epoch, messages, is_readable) in [(0, 0, true), (0, 2, true), (1, 0, false), (1, 2, false)]
    {
        for known in [None, Some("a record"), Some("another record")] {
            let (from, to) = (InMemoryHistory::new(), InMemoryHistory::new());
            if epoch > 0 {
                append(&from, "s", &exchange(1)).unwrap();
                block_on(from.clear(&session("s"))).unwrap();
            }
            let turn = exchange(0);
            append(&from, "s", &turn).unwrap();
            append(&to, "s", &turn).unwrap();
            let covers = Version::new(epoch, messages);
            block_on(from.put_note(&session("s"), Note::FACTS, &sealed(covers))).unwrap();
            block_on(from.put_note(&users, Note::FACTS, &sealed(Version::new(0, 0)))).unwrap();
            if let Some(known) = known {
                let known = Note::new(known, Version::new(0, 0));
                block_on(to.put_note(&session("s"), Note::FACTS, &known)).unwrap();
                block_on(to.put_note(&users, Note::FACTS, &known)).unwrap();
            }
            let is_copied = match known {
                None => is_readable,
                Some(known) => known == "a record",
            };
            for _ in 0..2 {
                let (_, left_out) = copied(&from, &to);
                assert_eq!(left_out, if is_copied { &[][..] } else { &omitted }, "{covers:?}");
                let stored = block_on(to.note(&session("s"), Note::FACTS)).unwrap();
                if is_copied && known.is_none() {
                    assert_eq!(stored, Some(sealed(covers)));
                } else {
                    assert_eq!(stored.as_ref().and_then(|note| note.body.as_text()), known);
                }
                let result = block_on(copy_facts(&from, &to, &ada));
                assert_eq!(result.is_ok(), known != Some("another record"));
            }
            // A file has no form for them.
            let mut left_out = Vec::new();
            let on_event = |event| {
                if let TransferEvent::Omitted(omission) = event {
                    left_out.push(omission.to_string());
                }
            };
            block_on(Export::lines().run(&from, Vec::new(), on_event)).unwrap();
            assert_eq!(left_out, omitted);
        }
    }
}

/// An error of a copy says of whose facts.
#[test]
fn a_copy_of_facts_that_fails_names_its_session() {
    let ada = Scope::from(UserId::new("ada").unwrap());
    let session = ada.facts_session().unwrap();
    let (inner, to) = (InMemoryHistory::new(), InMemoryHistory::new());
    let note = Note::new(json!(many_facts("known")), Version::new(0, 0));
    block_on(inner.put_note(&session, Note::FACTS, &note)).unwrap();
    let refuse = || FailureMode::fail(|| HistoryError::Unsupported { what: "notes" });
    let from = FailingHistory::new(inner.clone()).always(HistoryCall::Note, refuse());
    // A history without notes has no facts to copy.
    block_on(copy_facts(&from, &to, &ada)).unwrap();
    let to = FailingHistory::new(to).always(HistoryCall::Note, refuse());
    let error = block_on(copy_facts(&inner, &to, &ada)).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot transfer session `{session}`"));
    assert!(matches!(
        error,
        TransferError::Session { source: HistoryError::Unsupported { .. }, .. }
    ));
}

/// Other tasks of the thread run during a copy between histories that never wait.
#[tokio::test(flavor = "current_thread")]
async fn a_copy_lets_other_tasks_run() {
    let (from, to) = (InMemoryHistory::new(), InMemoryHistory::new());
    for number in 0..200 {
        from.append(&session("s"), &exchange(number), Expect::Any).await.unwrap();
    }
    let other = tokio::spawn(async { 7 });
    let mut has_run = false;
    let done = copy(&from, &to, |_| has_run = other.is_finished()).await.unwrap();
    assert_eq!((done.turns, has_run), (200, true));
}

/// A memory changes the facts of a session just then.
#[test]
fn a_copy_waits_for_a_change_of_facts() {
    let busy = || FailureMode::fail(|| HistoryError::Busy);
    let from = InMemoryHistory::new();
    append(&from, "s", &exchange(0)).unwrap();
    block_on(Facts::of_session(from.clone(), session("s")).set("Ada", "kind")).unwrap();
    let to = FailingHistory::new(InMemoryHistory::new()).on(HistoryCall::Lease, 1, busy());
    let to = to.on(HistoryCall::Lease, 2, busy());
    let (done, _) = copied(&from, &to);
    assert_eq!((done.omissions, to.calls(HistoryCall::Lease)), (0, 3));
    let facts = block_on(to.note(&session("s"), Note::FACTS)).unwrap().unwrap().facts();
    assert_eq!(facts["Ada"], "kind");
}

/// A session of the target that a user clears while it is copied.
#[test]
fn a_session_that_is_cleared_while_it_is_stored_is_stored_again() {
    let (from, last) = (InMemoryHistory::new(), exchange(3));
    for number in 0..3 {
        append(&from, "a", &exchange(number)).unwrap();
    }
    append(&from, "b", &last).unwrap();
    let unknown = || FailureMode::fail(|| HistoryError::UnknownTurn { turn: exchange(0).id() });
    let to = FailingHistory::new(InMemoryHistory::new()).on(HistoryCall::Append, 2, unknown());
    let (done, omitted) = copied(&from, &to);
    assert_eq!((done.sessions, done.turns, omitted), (2, 4, Vec::new()));
    assert_eq!(turns(&to, "a"), turns(&from, "a"));
    // One that is cleared again and again is left out, and does not end the copy.
    let to = FailingHistory::new(InMemoryHistory::new());
    let to = [1, 2, 3].into_iter().fold(to, |to, nth| to.on(HistoryCall::Append, nth, unknown()));
    let (done, omitted) = copied(&from, &to);
    assert_eq!((done.sessions, done.turns, omitted.len()), (2, 1, 3));
    assert_eq!(turns(&to, "b"), [last]);
}

/// The session is cleared between the note of its facts and the one that says what they describe.
#[test]
fn facts_of_a_session_that_is_cleared_meanwhile_do_not_end_a_copy() {
    let stale = || {
        FailureMode::fail(|| {
            let (expected, current) = (Version::new(0, 2), Version::new(1, 0));
            HistoryError::Stale { expected, current }
        })
    };
    let described = Note::new("", Version::new(0, 2));
    for body in [json!({ "Ada": "kind" }), json!("a record")] {
        let from = InMemoryHistory::new();
        append(&from, "s", &exchange(0)).unwrap();
        append(&from, "t", &exchange(1)).unwrap();
        let facts = match &body {
            Json::String(record) => Note::new(record.as_str(), Version::new(0, 0)),
            _ => Note::new(body.clone(), Version::new(0, 0)),
        };
        block_on(from.put_note(&session("s"), Note::FACTS, &facts)).unwrap();
        block_on(from.put_note(&session("s"), Note::DESCRIBED, &described)).unwrap();
        let to = FailingHistory::new(InMemoryHistory::new()).on(HistoryCall::PutNote, 2, stale());
        let (done, omitted) = copied(&from, &to);
        assert_eq!((done.sessions, omitted), (2, Vec::new()), "{body}");
        let stored = block_on(to.note(&session("s"), Note::FACTS)).unwrap().unwrap();
        assert_eq!(stored.body, facts.body);
    }
}

/// Facts of an encrypted history stay when others are copied into it without its keys.
#[test]
fn facts_that_cannot_be_read_are_not_replaced() {
    let ada = Scope::from(UserId::new("ada").unwrap());
    let users = ada.facts_session().unwrap();
    let (from, to) = (InMemoryHistory::new(), InMemoryHistory::new());
    append(&from, "s", &exchange(0)).unwrap();
    let (sealed, known) = (
        Note::new("a record", Version::new(0, 0)),
        Note::new(json!({ "Ada": "kind" }), Version::new(0, 0)),
    );
    for session in [&session("s"), &users] {
        block_on(from.put_note(session, Note::FACTS, &known)).unwrap();
        block_on(to.put_note(session, Note::FACTS, &sealed)).unwrap();
    }
    let (file, _) = export(&Export::lines(), &from);
    let (_, copied) = copied(&from, &to);
    let (_, imported) = import(&Import::lines(), &to, file.as_bytes());
    let reason = "the facts of the session are encrypted; transfer with its keys";
    assert!(copied.len() == 1 && copied[0].ends_with(reason), "{copied:?}");
    assert!(imported.len() == 1 && imported[0].ends_with(reason), "{imported:?}");
    let error = block_on(copy_facts(&from, &to, &ada)).unwrap_err();
    assert!(matches!(
        error,
        TransferError::Session { source: HistoryError::Unsupported { .. }, .. }
    ));
    for session in [&session("s"), &users] {
        assert_eq!(block_on(to.note(session, Note::FACTS)).unwrap().unwrap(), sealed);
    }
}
