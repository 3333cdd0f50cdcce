//! Records that were altered, moved, removed, exchanged or replayed: an error each time.

use conversant_core::{
    ChatHistory, Expect, HistoryError, Message, Note, Range, Report, Turn, TurnId, Version,
};
use conversant_history_encrypted::{DecryptionError, DecryptionFault, Encrypted, Keyring};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;

use crate::support::{append, encrypted, exchange, key, load, session, turns};

/// Returns the fault for which an operation was refused.
fn fault<T: std::fmt::Debug>(outcome: Result<T, HistoryError>) -> DecryptionFault {
    match outcome {
        Err(HistoryError::Decryption { source }) => {
            source.downcast_ref::<DecryptionError>().unwrap().reason
        }
        other => panic!("{other:?}"),
    }
}

/// Returns a store with three turns, and its sealed turns.
fn filled() -> (InMemoryHistory, Vec<Turn>) {
    let store = InMemoryHistory::new();
    for number in 0..3 {
        append(&encrypted(&store), "a", &exchange(number));
    }
    let sealed = turns(&store, "a").unwrap();
    (store, sealed)
}

/// Puts sealed turns into a store, and opens it.
fn opened(sealed: &[Turn]) -> Encrypted<InMemoryHistory> {
    let store = InMemoryHistory::new();
    for turn in sealed {
        append(&store, "a", turn);
    }
    encrypted(&store)
}

/// Returns a turn with one of its messages replaced.
fn with_message(turn: &Turn, index: usize, message: Message) -> Turn {
    let mut messages: Vec<_> = turn.messages().iter().cloned().collect();
    messages[index] = message;
    Turn::identified(turn.id(), messages)
}

pub(crate) fn each_byte_of_a_record_counts() {
    let store = InMemoryHistory::new();
    append(&encrypted(&store), "a", &Turn::exchange("Hi", "Hello!"));
    let sealed = turns(&store, "a").unwrap().remove(0);
    let record = sealed.messages().first().unwrap().text().into_owned();
    for index in 0..record.len() {
        for bit in 0..7 {
            let mut bytes = record.clone().into_bytes();
            bytes[index] ^= 1 << bit;
            let text = String::from_utf8(bytes).unwrap();
            let altered = with_message(&sealed, 0, Message::chat("encrypted", text));
            let history = opened(&[altered]);
            let found = fault(load(&history, "a"));
            let expected = matches!(
                found,
                DecryptionFault::Altered
                    | DecryptionFault::UnknownForm
                    | DecryptionFault::UnknownKey(_)
            );
            assert!(expected, "bit {bit} of byte {index}: {found:?}");
            fault(turns(&history, "a"));
        }
    }
    // A record that ends early, at any byte.
    for length in 0..record.len() {
        let message = Message::chat("encrypted", record.split_at(length).0);
        fault(load(&opened(&[with_message(&sealed, 0, message)]), "a"));
    }
}

/// The stored JSON of a message, with each byte flipped, is an error or the same message.
pub(crate) fn each_byte_of_a_stored_message_counts() {
    let store = InMemoryHistory::new();
    append(&encrypted(&store), "a", &Turn::exchange("Hi", "Hello!"));
    let sealed = turns(&store, "a").unwrap().remove(0);
    let message = sealed.messages().first().unwrap();
    let json = message.to_stored_json(u64::MAX).unwrap();
    for index in 0..json.len() {
        let mut bytes = json.clone().into_bytes();
        bytes[index] ^= 1;
        let Ok(altered) = Message::from_stored_json(&bytes, "a message") else { continue };
        if altered != *message {
            fault(load(&opened(&[with_message(&sealed, 0, altered)]), "a"));
        }
    }
}

pub(crate) fn each_byte_of_a_note_counts() {
    let store = InMemoryHistory::new();
    let history = encrypted(&store);
    let covers = block_on(history.append(&session("a"), &exchange(1), Expect::Any)).unwrap();
    block_on(history.put_note(&session("a"), "summary", &Note::new("brief", covers))).unwrap();
    let sealed = block_on(store.note(&session("a"), "summary")).unwrap().unwrap();
    let record = sealed.body.as_text().unwrap().to_owned();
    let read = |name: &str, note: Note| {
        block_on(store.put_note(&session("a"), name, &note)).unwrap();
        fault(block_on(history.note(&session("a"), name)))
    };
    for index in 0..record.len() {
        let mut bytes = record.clone().into_bytes();
        bytes[index] ^= 1;
        read("summary", Note::new(String::from_utf8(bytes).unwrap(), covers));
    }
    // Under another name, of another version, not encrypted, a message, and of another session.
    let altered = DecryptionFault::Altered;
    assert_eq!(read("facts", Note::new(record.as_str(), covers)), altered);
    let other = Version::new(covers.epoch, 0);
    assert_eq!(read("summary", Note::new(record.as_str(), other)), DecryptionFault::Mismatch);
    assert_eq!(read("summary", Note::new(7, covers)), DecryptionFault::NotEncrypted);
    let message = turns(&store, "a").unwrap()[0].messages().first().unwrap().text().into_owned();
    assert_eq!(read("summary", Note::new(message, covers)), altered);
    let covers = block_on(history.append(&session("b"), &exchange(1), Expect::Any)).unwrap();
    block_on(store.put_note(&session("b"), "summary", &Note::new(record, covers))).unwrap();
    assert_eq!(fault(block_on(history.note(&session("b"), "summary"))), altered);
}

pub(crate) fn turns_that_are_not_in_their_place_are_refused() {
    let (_, sealed) = filled();
    let [one, two, three] = [&sealed[0], &sealed[1], &sealed[2]].map(Clone::clone);
    let again = |turn: &Turn| turn.clone().with_id(TurnId::random());
    let halves = |turn: &Turn, messages: std::ops::Range<usize>| {
        Turn::identified(turn.id(), turn.messages().slice(messages))
    };
    let moved = DecryptionFault::Moved;
    let cases: Vec<(&str, Vec<Turn>, DecryptionFault)> = vec![
        ("exchanged", vec![two.clone(), one.clone(), three.clone()], moved),
        ("without the first", vec![two.clone(), three.clone()], moved),
        ("without the second", vec![one.clone(), three.clone()], moved),
        ("with one twice", vec![one.clone(), again(&one), two.clone()], moved),
        (
            "with half a turn at the end",
            vec![one.clone(), halves(&two, 0..1)],
            DecryptionFault::Cut,
        ),
        ("with half a turn before", vec![halves(&one, 0..1), two.clone()], DecryptionFault::Cut),
        ("with the second half", vec![halves(&one, 1..2), two.clone()], DecryptionFault::Cut),
        (
            "with another message",
            vec![with_message(&one, 1, Message::ai("Trust me."))],
            DecryptionFault::NotEncrypted,
        ),
        (
            "with its own message again",
            vec![with_message(&one, 1, one.messages().first().unwrap().clone())],
            DecryptionFault::Cut,
        ),
        (
            "with a name",
            vec![with_message(&one, 0, one.messages().first().unwrap().clone().with_name("Ada"))],
            DecryptionFault::Altered,
        ),
    ];
    for (name, sealed, expected) in cases {
        let history = opened(&sealed);
        assert_eq!(fault(load(&history, "a")), expected, "{name}");
        assert_eq!(fault(turns(&history, "a")), expected, "{name}");
    }
    // Each part of a session is checked.
    let history = opened(&[two.clone(), one, three.clone()]);
    for range in [Range::LastTurns(2), Range::LastMessages(3), Range::LastBytes(100_000)] {
        fault(block_on(history.load(&session("a"), range)));
    }
    fault(block_on(history.first(&session("a"), 1)));
    // What was salvaged can be read on request.
    let salvaged = opened(&[two, three]).with_moved_records(true);
    assert_eq!(load(&salvaged, "a").unwrap().messages.len(), 4);
    assert_eq!(turns(&salvaged, "a").unwrap().len(), 2);
}

pub(crate) fn turns_of_an_earlier_conversation_are_refused() {
    let (store, before) = filled();
    block_on(store.clear(&session("a"))).unwrap();
    for number in 10..13 {
        append(&encrypted(&store), "a", &exchange(number));
    }
    let now = turns(&store, "a").unwrap();
    // The same session and the same positions: the turns before them give them away.
    for replayed in 1..3 {
        let mut sealed = now.clone();
        sealed[replayed] = before[replayed].clone();
        assert_eq!(fault(load(&opened(&sealed), "a")), DecryptionFault::Moved, "turn {replayed}");
    }
    let mut sealed = now;
    sealed[0] = before[0].clone();
    assert_eq!(fault(load(&opened(&sealed), "a")), DecryptionFault::Moved);
}

pub(crate) fn turns_of_another_session_are_refused() {
    let (store, sealed) = filled();
    append(&store, "b", &sealed[0]);
    assert_eq!(fault(load(&encrypted(&store), "b")), DecryptionFault::Altered);
}

pub(crate) fn the_facts_of_a_turn_are_authentic() {
    let store = InMemoryHistory::new();
    let turn = exchange(1).with_base(Version::new(0, 0)).with_incomplete(true);
    append(&encrypted(&store), "a", &turn);
    let sealed = turns(&store, "a").unwrap().remove(0);
    for altered in [
        sealed.clone().with_id(TurnId::random()),
        sealed.clone().with_incomplete(false),
        sealed.clone().with_base(Version::new(0, 2)),
        Turn::identified(sealed.id(), sealed.messages().clone()).with_incomplete(true),
    ] {
        assert_eq!(fault(turns(&opened(&[altered]), "a")), DecryptionFault::Mismatch);
    }
    assert_eq!(turns(&opened(&[sealed]), "a").unwrap(), [turn]);
}

pub(crate) fn a_wrong_key_is_told_apart_from_an_altered_record() {
    let (store, _) = filled();
    let wrong = Encrypted::new(store, Keyring::new(&key(2)));
    assert_eq!(fault(load(&wrong, "a")), DecryptionFault::UnknownKey(key(1).id()));
}

pub(crate) fn a_plain_history_is_refused() {
    let store = InMemoryHistory::new();
    append(&store, "a", &exchange(1));
    assert_eq!(fault(load(&encrypted(&store), "a")), DecryptionFault::NotEncrypted);
}

/// Records cannot show that the last turns are gone; a version that was kept can.
pub(crate) fn a_session_without_its_last_turns_is_stale() {
    let (store, sealed) = filled();
    let seen = load(&encrypted(&store), "a").unwrap().version;
    let shorter = opened(&sealed[..2]);
    assert_eq!(load(&shorter, "a").unwrap().messages.len(), 4);
    let late = block_on(shorter.append(&session("a"), &exchange(9), Expect::SameEpoch(seen)));
    assert!(matches!(late, Err(HistoryError::Stale { .. })), "{late:?}");
}

pub(crate) fn errors_say_what_is_wrong_and_quote_nothing() {
    let (_, sealed) = filled();
    let word = "Sekret";
    let plain = with_message(&sealed[0], 1, Message::ai(word));
    let wrong = Encrypted::new(InMemoryHistory::new(), Keyring::new(&key(2)));
    append(&wrong.inner().clone(), "a", &sealed[0]);
    let altered = with_message(&sealed[0], 1, sealed[1].messages().last().unwrap().clone());
    let outcomes = [
        load(&opened(&[plain]), "a"),
        load(&wrong, "a"),
        load(&opened(&[altered]), "a"),
        load(&opened(&sealed[1..]), "a"),
        load(&opened(&[with_message(&sealed[0], 0, Message::chat("encrypted", word))]), "a"),
    ];
    let seen: Vec<_> = outcomes
        .into_iter()
        .map(|outcome| Report::new(&outcome.unwrap_err()).to_string())
        .collect();
    assert!(!seen.join("\n").contains(word));
    insta::assert_snapshot!(seen.join("\n"));
}
