//! Keys: rotation, copies with another key, and blinded ids.

use conversant_core::{ChatHistory, Expect, HistoryError, Note};
use conversant_history_encrypted::{Encrypted, Key, KeyError, Keyring};
use conversant_memory::{Facts, InMemoryHistory};
use conversant_testkit::block_on;
use conversant_transfer::copy;

use crate::support::{append, exchange, key, load, session, turns};

pub(crate) fn keys_are_rotated() {
    let store = InMemoryHistory::new();
    let before = Encrypted::new(store.clone(), Keyring::new(&key(1)));
    append(&before, "a", &exchange(1));
    let rotated = Encrypted::new(store, Keyring::new(&key(2)).with_older(&key(1)));
    append(&rotated, "a", &exchange(2));
    assert_eq!(load(&rotated, "a").unwrap().messages.len(), 4);
    // The new turn has the new key.
    let refused = load(&before, "a").unwrap_err();
    assert!(matches!(refused, HistoryError::Decryption { .. }), "{refused:?}");
    // A copy has the new key alone, and a repetition adds nothing.
    let new = Encrypted::new(InMemoryHistory::new(), Keyring::new(&key(2)));
    for _ in 0..2 {
        block_on(copy(&rotated, &new, |_| {})).unwrap();
        assert_eq!(turns(&new, "a").unwrap(), turns(&rotated, "a").unwrap());
    }
}

pub(crate) fn blinded_sessions_are_listed_and_copied() {
    let store = InMemoryHistory::new();
    let blinded = Encrypted::new(store.clone(), Keyring::new(&key(1))).with_blinding_key(&key(9));
    let names: Vec<_> = (0..300).map(|number| format!("user {number:03}")).collect();
    for name in &names {
        append(&blinded, name, &exchange(1));
    }
    let listed = block_on(blinded.sessions(Some(&session("user 009")), 3)).unwrap();
    assert_eq!(listed, ["user 010", "user 011", "user 012"].map(session));
    for stored in block_on(store.sessions(None, 1_000)).unwrap() {
        assert!(!stored.as_str().contains("user"), "{stored}");
        assert_eq!(stored.as_str().len(), 43);
    }
    let plain = InMemoryHistory::new();
    let done = block_on(copy(&blinded, &plain, |_| {})).unwrap();
    assert_eq!((done.sessions, done.turns), (300, 300));
    assert_eq!(turns(&plain, "user 123").unwrap(), turns(&blinded, "user 123").unwrap());
}

/// A copy of the store itself, by a program that has no keys.
pub(crate) fn a_copy_without_keys_has_the_facts() {
    let (store, to) = (InMemoryHistory::new(), InMemoryHistory::new());
    let before = Encrypted::new(store.clone(), Keyring::new(&key(1)));
    append(&before, "a", &exchange(1));
    block_on(Facts::of_session(before, session("a")).set("Ada", "kind")).unwrap();
    for _ in 0..2 {
        assert_eq!(block_on(copy(&store, &to, |_| {})).unwrap().omissions, 0);
    }
    let copied = Encrypted::new(to, Keyring::new(&key(1)));
    let facts = Facts::of_session(copied, session("a"));
    assert_eq!(block_on(facts.get("Ada")).unwrap().as_deref(), Some("kind"));
}

pub(crate) fn names_of_notes_are_blinded_with_the_sessions() {
    let store = InMemoryHistory::new();
    let blinded = Encrypted::new(store.clone(), Keyring::new(&key(1))).with_blinding_key(&key(9));
    let covers = block_on(blinded.append(&session("a"), &exchange(1), Expect::Any)).unwrap();
    let note = Note::new("brief", covers);
    block_on(blinded.put_note(&session("a"), "summary", &note)).unwrap();
    assert_eq!(block_on(blinded.note(&session("a"), "summary")).unwrap(), Some(note));
    let stored = block_on(store.sessions(None, 1)).unwrap().remove(0);
    assert_eq!(block_on(store.note(&stored, "summary")).unwrap(), None);
}

/// Stored records depend on these, so they are the same in every version.
pub(crate) fn derived_values_never_change() {
    let store = InMemoryHistory::new();
    let blinded = Encrypted::new(store.clone(), Keyring::new(&key(1))).with_blinding_key(&key(9));
    append(&blinded, "user-7", &exchange(1));
    let stored = block_on(store.sessions(None, 1)).unwrap().remove(0);
    insta::assert_snapshot!(format!("key {}\nsession {stored}", key(1).id()));
}

/// A record of the first version, with its key.
pub(crate) fn records_of_the_first_version_are_read() {
    let file = include_str!("record_1.jsonl");
    let store = InMemoryHistory::new();
    block_on(conversant_transfer::Import::lines().run(&store, file.as_bytes(), |_| {})).unwrap();
    let history = Encrypted::new(store, Keyring::new(&key(1)));
    let loaded = load(&history, "user-7").unwrap().messages.to_string();
    assert_eq!(loaded, "Human: Hi there my friend\nAI: Hello!");
}

pub(crate) fn a_key_is_read_as_it_was_written() {
    let generated = Key::generate().unwrap();
    let text = generated.to_base64();
    assert_eq!(Key::from_base64(&format!(" {}\n", *text)).unwrap().id(), generated.id());
    assert_ne!(Key::generate().unwrap().id(), generated.id());
    for wrong in ["", "Sekret", "AAAA", &"A".repeat(60)] {
        let error = Key::from_base64(wrong).unwrap_err();
        assert_eq!(error, KeyError::Format);
        assert!(!format!("{error} {error:?}").contains("Sekret"));
    }
}
