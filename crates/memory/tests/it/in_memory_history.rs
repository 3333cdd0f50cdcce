//! The in-memory history: ranges, idempotence, epochs, notes and leases.

use std::{
    sync::{Arc, Weak, atomic::AtomicBool},
    time::Duration,
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Messages, Note, Point, Range, Turn, TurnId, Value,
    Version,
};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;

use crate::support::{messages, session, turn};

/// Three turns of 2, 4 and 1 messages.
async fn three_turns() -> InMemoryHistory {
    let history = InMemoryHistory::new();
    for (id, lines) in [
        (1, "human: q1\nai: a1"),
        (2, "human: q2\nai: call\nfunction: result\nai: a2"),
        (3, "human: q3"),
    ] {
        let lines = messages(lines);
        let named = lines.iter().map(|message| match message.role() {
            conversant_core::Role::Function => Message::function(message.content().clone(), "f"),
            _ => message.clone(),
        });
        let turn = Turn::new(named.collect::<Vec<_>>()).with_id(TurnId::from_u128(id));
        history.append(&session("s"), &turn, Expect::Any).await.unwrap();
    }
    history
}

#[test]
fn ranges() {
    block_on(async {
        let history = three_turns().await;
        let bytes = |message: &Message| serde_json::to_vec(message).unwrap().len() as u64;
        let all = history.load(&session("s"), Range::All).await.unwrap();
        let last_two: u64 = all.messages.last_n(2).iter().map(bytes).sum();
        for (range, count) in [
            (Range::All, 7),
            (Range::LastTurns(0), 0),
            (Range::LastTurns(1), 1),
            (Range::LastTurns(2), 5),
            (Range::LastTurns(3), 7),
            (Range::LastTurns(usize::MAX), 7),
            (Range::LastMessages(0), 0),
            (Range::LastMessages(3), 3),
            (Range::LastMessages(usize::MAX), 7),
            (Range::LastBytes(0), 0),
            (Range::LastBytes(last_two - 1), 1),
            (Range::LastBytes(last_two), 2),
            (Range::LastBytes(u64::MAX), 7),
            (Range::After(Version::new(0, 0)), 7),
            (Range::After(Version::new(0, 5)), 2),
            (Range::After(Version::new(0, 7)), 0),
            (Range::After(Version::new(0, u64::MAX)), 0),
            (Range::After(Version::new(4, 7)), 7),
        ] {
            let slice = history.load(&session("s"), range).await.unwrap();
            assert_eq!(slice.version, Version::new(0, 7).with_tip(3), "{range:?}");
            assert_eq!(slice.messages, all.messages.last_n(count), "{range:?}");
            assert_eq!(slice.start(), 7 - count as u64, "{range:?}");
        }
    });
}

#[test]
fn a_session_that_was_never_written_is_empty_and_leaves_no_trace() {
    block_on(async {
        let history = InMemoryHistory::new();
        let slice = history.load(&session("s"), Range::All).await.unwrap();
        assert_eq!((slice.messages.len(), slice.version), (0, Version::default()));
        assert_eq!(history.note(&session("s"), "summary").await.unwrap(), None);
        let stale = Expect::Exactly(Version::new(0, 3));
        history.append(&session("s"), &turn(1), stale).await.unwrap_err();
        insta::assert_snapshot!(format!("{history:?}"), @"InMemoryHistory { sessions: 0, .. }");
    });
}

#[test]
fn an_append_is_idempotent_by_the_turns_id() {
    block_on(async {
        let history = InMemoryHistory::new();
        let s = session("s");
        let first = history.append(&s, &turn(1), Expect::Any).await.unwrap();
        history.append(&s, &turn(2), Expect::Any).await.unwrap();
        let base = Version::default();
        let again = history.append(&s, &turn(1), Expect::Exactly(base)).await.unwrap();
        let one = Version::new(0, 2).with_tip(1);
        assert_eq!((first, again), (one, one));
        assert_eq!(history.load(&s, Range::All).await.unwrap().messages.len(), 4);
        // Another session knows nothing of it.
        history.append(&session("t"), &turn(1), Expect::Any).await.unwrap();
        assert_eq!(history.load(&session("t"), Range::All).await.unwrap().messages.len(), 2);
    });
}

#[test]
fn expectations() {
    block_on(async {
        let history = InMemoryHistory::new();
        let s = session("s");
        let start = Version::default();
        let one = history.append(&s, &turn(1), Expect::Exactly(start)).await.unwrap();
        let refused = history.append(&s, &turn(2), Expect::Exactly(start)).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Stale { current, .. } if current == one));
        history.append(&s, &turn(2), Expect::SameEpoch(start)).await.unwrap();

        history.clear(&s).await.unwrap();
        let cleared = history.load(&s, Range::After(one)).await.unwrap();
        assert_eq!((cleared.messages.len(), cleared.version), (0, Version::new(1, 0)));
        history.append(&s, &turn(3), Expect::SameEpoch(one)).await.unwrap_err();
        // What was cleared is forgotten, the turns' ids too.
        history.append(&s, &turn(1), Expect::Any).await.unwrap();
        assert_eq!(
            history.load(&s, Range::All).await.unwrap().version,
            Version::new(1, 2).with_tip(1)
        );
    });
}

/// A call that began on an empty session does not write into it after a clear.
#[test]
fn a_clear_of_an_unwritten_session_starts_an_epoch() {
    block_on(async {
        let history = InMemoryHistory::new();
        let s = session("s");
        let seen = history.load(&s, Range::All).await.unwrap().version;
        history.clear(&s).await.unwrap();
        let refused = history.append(&s, &turn(1), Expect::SameEpoch(seen)).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Stale { .. }));
    });
}

/// A session that is written after another one was deleted is the empty one that callers have seen.
#[test]
fn a_deletion_leaves_the_sessions_that_are_new() {
    block_on(async {
        let history = InMemoryHistory::new();
        let (s, other) = (session("s"), session("other"));
        let delete_other = async || {
            history.append(&other, &turn(9), Expect::Any).await.unwrap();
            history.delete(&other).await.unwrap();
        };
        let seen = history.load(&s, Range::All).await.unwrap().version;
        delete_other().await;
        history.set_tip(&s, Point::Start, Expect::Exactly(seen)).await.unwrap();
        // A note begins the session, and covers its version.
        history.put_note(&s, "summary", &Note::new("none", seen)).await.unwrap();
        let version = history.load(&s, Range::All).await.unwrap().version;
        assert_eq!(history.note(&s, "summary").await.unwrap().unwrap().covers, version);
        history.set_tip(&s, Point::Start, Expect::Exactly(seen)).await.unwrap();
        history.append(&s, &turn(1), Expect::Exactly(seen)).await.unwrap();
        delete_other().await;
        history.append(&s, &turn(2), Expect::SameEpoch(seen)).await.unwrap();
        let refused = history.append(&s, &turn(3), Expect::Exactly(seen)).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Stale { .. }));
        history.clear(&s).await.unwrap();
        let refused = history.append(&s, &turn(3), Expect::SameEpoch(seen)).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Stale { .. }));
        let refused = history.put_note(&s, "summary", &Note::new("late", seen)).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Stale { .. }));
    });
}

#[test]
fn notes() {
    block_on(async {
        let history = three_turns().await;
        let s = session("s");
        let note = Note::new("summary", Version::new(0, 2));
        history.put_note(&s, "summary", &note).await.unwrap();
        assert_eq!(history.note(&s, "summary").await.unwrap(), Some(note.clone()));
        assert_eq!(history.note(&s, "entities").await.unwrap(), None);
        let newer = Note::new(Value::from(7), Version::new(0, 4));
        history.put_note(&s, "summary", &newer).await.unwrap();
        assert_eq!(history.note(&s, "summary").await.unwrap(), Some(newer));

        history.clear(&s).await.unwrap();
        assert_eq!(history.note(&s, "summary").await.unwrap(), None);
        let refused = history.put_note(&s, "summary", &note).await.unwrap_err();
        assert!(matches!(refused, HistoryError::Stale { .. }));
    });
}

#[test]
fn leases() {
    block_on(async {
        let history = InMemoryHistory::new();
        let (s, long) = (session("s"), Duration::from_secs(3600));
        let lease = history.lease(&s, long).await.unwrap().unwrap();
        assert!(matches!(history.clone().lease(&s, long).await, Err(HistoryError::Busy)));
        assert!(history.lease(&session("t"), long).await.unwrap().is_some());
        history.release(&lease).await.unwrap();
        let brief = history.lease(&s, Duration::ZERO).await.unwrap().unwrap();
        // The lease has expired; releasing it late does not release that of another holder.
        history.lease(&s, Duration::MAX).await.unwrap().unwrap();
        history.release(&brief).await.unwrap();
        assert!(matches!(history.lease(&s, long).await, Err(HistoryError::Busy)));
    });
}

/// A lease of a session that was never written, as that of the lock of facts, leaves nothing.
#[test]
fn a_released_lease_leaves_no_session() {
    block_on(async {
        let history = InMemoryHistory::new();
        let long = Duration::from_secs(3600);
        let is_empty = || format!("{history:?}").contains("sessions: 0");
        let seen = history.load(&session("s"), Range::All).await.unwrap().version;
        let lease = history.lease(&session("s"), long).await.unwrap().unwrap();
        assert!(!is_empty());
        history.release(&lease).await.unwrap();
        assert!(is_empty(), "{history:?}");
        let first = Expect::Exactly(seen);
        assert_eq!(history.append(&session("s"), &turn(1), first).await.unwrap().messages, 2);
        // What was written stays, the epoch of a cleared session too.
        for stored in ["s", "note", "cleared"] {
            match stored {
                "note" => {
                    let note = Note::new("known", Version::default());
                    history.put_note(&session("note"), "facts", &note).await.unwrap();
                }
                "cleared" => history.clear(&session("cleared")).await.unwrap(),
                _ => {}
            }
            let before = history.load(&session(stored), Range::All).await.unwrap().version;
            let lease = history.lease(&session(stored), long).await.unwrap().unwrap();
            history.release(&lease).await.unwrap();
            let after = history.load(&session(stored), Range::All).await.unwrap().version;
            assert_eq!(before, after, "{stored}");
        }
        assert!(history.note(&session("note"), "facts").await.unwrap().is_some());
        assert!(format!("{history:?}").contains("sessions: 3"), "{history:?}");
    });
}

/// A call that stores nothing begins no session.
#[test]
fn what_stores_nothing_leaves_no_session() {
    block_on(async {
        let (history, s) = (InMemoryHistory::new(), session("s"));
        let seen = history.append(&s, &turn(1), Expect::Any).await.unwrap();
        history.delete(&s).await.unwrap();
        // An answer is saved, the user deletes the chat, and its summary is stored.
        let late = Note::new("a summary", seen);
        let stale = |error: &HistoryError| matches!(error, HistoryError::Stale { .. });
        assert!(stale(&history.put_note(&s, "summary", &late).await.unwrap_err()));
        assert!(stale(&history.replace_note(&s, "summary", None, &late).await.unwrap_err()));
        let unknown = history.at(Point::After(TurnId::from_u128(7))).unwrap();
        unknown.append(&s, &turn(2), Expect::Any).await.unwrap_err();
        unknown.put_note(&s, "summary", &late).await.unwrap_err();
        history.append(&s, &Turn::new(Messages::new()), Expect::Any).await.unwrap();
        assert!(format!("{history:?}").contains("sessions: 0"), "{history:?}");
        // A new session of the name is another one than the deleted one.
        let refused = history.append(&s, &turn(3), Expect::SameEpoch(seen)).await.unwrap_err();
        assert!(stale(&refused), "{refused}");
    });
}

/// Changing loaded messages does not change the conversation.
#[test]
fn a_loaded_copy_goes_its_own_way() {
    block_on(async {
        let history = three_turns().await;
        let mut copy = history.load(&session("s"), Range::All).await.unwrap().messages;
        copy.push(Message::human("mine"));
        history.append(&session("s"), &turn(9), Expect::Any).await.unwrap();
        let theirs = history.load(&session("s"), Range::LastTurns(1)).await.unwrap().messages;
        assert_eq!(theirs.to_string(), "Human: q9\nAI: a9");
        assert_eq!(copy.last().unwrap().text(), "mine");
    });
}

fn append(history: &InMemoryHistory, name: &str, question: &str) {
    let turn = Turn::exchange(question, "Yes");
    block_on(history.append(&session(name), &turn, Expect::Any)).unwrap();
}

/// Returns an encoder's cache of the messages of a session, as long as the history keeps it.
fn encoded(history: &InMemoryHistory, name: &str) -> Weak<AtomicBool> {
    let slice = block_on(history.load(&session(name), Range::All)).unwrap();
    let chunk = slice.messages.chunks().next().unwrap();
    Arc::downgrade(&chunk.memo::<AtomicBool>(0))
}

#[test]
fn encoded_messages_are_kept_for_the_sessions_that_were_loaded_last() {
    let history = InMemoryHistory::new().with_encoded_sessions(2);
    let names = ["a", "b", "c"];
    for name in names {
        append(&history, name, "question");
    }
    let [a, b] = ["a", "b"].map(|name| encoded(&history, name));
    // Loaded again, so that it stays.
    encoded(&history, "a");
    let c = encoded(&history, "c");
    assert_eq!([a, b, c].map(|kept| kept.upgrade().is_some()), [true, false, true]);
    // What they have is the same.
    for name in names {
        append(&history, name, "another");
        let slice = block_on(history.load(&session(name), Range::All)).unwrap();
        assert_eq!(slice.messages.to_string(), "Human: question\nAI: Yes\nHuman: another\nAI: Yes");
        assert_eq!(block_on(history.turns(&session(name), Range::All)).unwrap().len(), 2);
    }
    let none = InMemoryHistory::new().with_encoded_sessions(0);
    append(&none, "a", "question");
    assert!(encoded(&none, "a").upgrade().is_none());
    // Fewer than there are.
    let history = InMemoryHistory::new();
    let names = ["a", "b", "c", "d"];
    names.iter().for_each(|name| append(&history, name, "question"));
    let [a, b, c] = ["a", "b", "c"].map(|name| encoded(&history, name));
    let history = history.with_encoded_sessions(1);
    let d = encoded(&history, "d");
    assert_eq!([a, b, c, d].map(|kept| kept.upgrade().is_some()), [false, false, false, true]);
}

/// Returns the encoders' caches of what a history, or a view of it, loads of a session.
fn all_encoded(history: &dyn ChatHistory, name: &str) -> Vec<Weak<AtomicBool>> {
    let slice = block_on(history.load(&session(name), Range::All)).unwrap();
    slice.messages.chunks().map(|chunk| Arc::downgrade(&chunk.memo::<AtomicBool>(0))).collect()
}

#[test]
fn the_branches_of_a_session_keep_encoded_messages_as_long_as_it() {
    let history = InMemoryHistory::new().with_encoded_sessions(1);
    let [first, second, again, other] =
        ["first", "second", "again", "other"].map(|text| Turn::exchange(text, "Yes"));
    let at = |turn: &Turn| history.at(Point::After(turn.id())).unwrap();
    let add = |history: &dyn ChatHistory, turn: &Turn| {
        block_on(history.append(&session("a"), turn, Expect::Any)).unwrap();
    };
    add(&history, &first);
    add(&history, &second);
    add(&*at(&first), &again);
    add(&*at(&again), &other);
    add(&*at(&again), &turn(1));
    let shown = || {
        let load = |end| block_on(at(end).load(&session("a"), Range::All)).unwrap();
        [&second, &other, &turn(1)].map(|end| load(end).messages.to_string())
    };
    let before = shown();
    let views = [&second, &other].map(|end| all_encoded(&*at(end), "a"));
    let kept = [all_encoded(&history, "a"), views.concat()].concat();
    let is_kept = |kept: &[Weak<AtomicBool>]| kept.iter().any(|memo| memo.upgrade().is_some());
    assert!(is_kept(&kept));
    // It was loaded again, so that two other sessions take its place.
    for name in ["b", "c"] {
        append(&history, name, "question");
        encoded(&history, name);
    }
    assert!(!is_kept(&kept), "{kept:?}");
    assert_eq!(shown(), before);
    assert_eq!(before[1], "Human: first\nAI: Yes\nHuman: again\nAI: Yes\nHuman: other\nAI: Yes");
    for end in [&second, &other, &again] {
        let turns = block_on(at(end).turns(&session("a"), Range::LastTurns(1))).unwrap();
        assert_eq!(turns, std::slice::from_ref(end));
    }
}
