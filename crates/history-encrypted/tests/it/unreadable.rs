//! Titles, labels and ids of sessions that cannot be decrypted: they hide no other session, and
//! keep no other one from being deleted.

use std::error::Error;

use conversant_core::{ChatHistory, Expect, SessionFilter, Turn};
use conversant_history_encrypted::{Encrypted, Keyring};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;

use crate::support::{encrypted, key, session};

/// Three sessions of Ada and one of Bob.
fn filled<H: ChatHistory>(history: &H) {
    for (id, user) in [("a0", "ada"), ("a1", "ada"), ("a2", "ada"), ("b0", "bob")] {
        let turn = Turn::exchange(id, "hello");
        block_on(history.append(&session(id), &turn, Expect::Any)).unwrap();
        block_on(history.set_title(&session(id), Some("A title"))).unwrap();
        block_on(history.set_label(&session(id), "user", Some(user))).unwrap();
    }
}

/// Returns the ids of the sessions that are listed, and whether they have a title.
fn listed(history: &impl ChatHistory, filter: &SessionFilter) -> Vec<(String, bool)> {
    let page = block_on(history.list_sessions(filter, None, 9)).unwrap();
    let shown = page.sessions.iter();
    let mut shown: Vec<_> =
        shown.map(|info| (info.session.as_str().to_owned(), info.title.is_some())).collect();
    shown.sort();
    shown
}

fn cause(error: &impl Error) -> String {
    error.source().unwrap().to_string()
}

fn names(names: &[(&str, bool)]) -> Vec<(String, bool)> {
    names.iter().map(|(name, has_title)| ((*name).to_owned(), *has_title)).collect()
}

/// By a writer to the store, or by a process that has a key already that this one lacks.
pub(crate) fn a_title_that_cannot_be_decrypted_hides_no_session() {
    let ada = SessionFilter::new().with_label("user", "ada");
    for is_new_key in [false, true] {
        let store = InMemoryHistory::new();
        let history = encrypted(&store);
        filled(&history);
        if is_new_key {
            let ring = Keyring::new(&key(2)).with_older(&key(1));
            let other = Encrypted::new(store.clone(), ring);
            block_on(other.set_title(&session("b0"), Some("A new title"))).unwrap();
            block_on(other.set_title(&session("a0"), Some("A new title"))).unwrap();
        } else {
            for id in ["a0", "b0"] {
                block_on(store.set_title(&session(id), Some("not encrypted"))).unwrap();
            }
        }
        let expected = names(&[("a0", false), ("a1", true), ("a2", true), ("b0", false)]);
        assert_eq!(listed(&history, &SessionFilter::new()), expected);
        assert_eq!(listed(&history, &ada), expected[..3]);
        let error = block_on(history.session_info(&session("b0"))).unwrap_err();
        let said = cause(&error);
        assert!(said.contains("cannot decrypt a title of the session `b0`: "), "{said}");
        assert_eq!(block_on(history.delete_sessions(&ada, 2)).unwrap(), 2);
        assert_eq!(block_on(history.delete_sessions(&ada, 9)).unwrap(), 1);
        assert_eq!(listed(&history, &SessionFilter::new()), names(&[("b0", false)]));
    }
}

pub(crate) fn a_label_that_cannot_be_decrypted_keeps_no_other_session() {
    let store = InMemoryHistory::new();
    let history = encrypted(&store);
    filled(&history);
    let info = block_on(store.session_info(&session("a1"))).unwrap().unwrap();
    let (name, _) = info.labels.into_iter().next().unwrap();
    block_on(store.set_label(&session("a1"), &name, Some("not encrypted"))).unwrap();
    // Bob's session has one as well, but is known to be Bob's.
    block_on(store.set_label(&session("b0"), "other", Some("not encrypted"))).unwrap();
    let ada = SessionFilter::new().with_label("user", "ada");
    assert_eq!(listed(&history, &ada), names(&[("a0", true), ("a2", true)]));
    assert_eq!(listed(&history, &SessionFilter::new()).len(), 4);
    assert_eq!(block_on(history.delete_sessions(&ada, 1)).unwrap(), 1);
    // All others are deleted, and then it is an error that one may be left.
    let error = block_on(history.delete_sessions(&ada, 9)).unwrap_err();
    let said = cause(&error);
    assert!(said.contains("cannot decrypt a label of the session `a1`: "), "{said}");
    assert_eq!(listed(&history, &SessionFilter::new()), names(&[("a1", true), ("b0", true)]));
    block_on(history.delete(&session("a1"))).unwrap();
    assert_eq!(block_on(history.delete_sessions(&ada, 9)).unwrap(), 0);
}

/// A process that lacks the key of a session's last turn does not know its id.
pub(crate) fn an_id_that_cannot_be_decrypted_hides_no_other_session() {
    let store = InMemoryHistory::new();
    let open = |ring| Encrypted::new(store.clone(), ring).with_blinding_key(&key(9));
    let history = open(Keyring::new(&key(1)));
    filled(&history);
    let other = open(Keyring::new(&key(2)).with_older(&key(1)));
    let turn = Turn::exchange("new", "hello");
    block_on(other.append(&session("b0"), &turn, Expect::Any)).unwrap();
    let expected = names(&[("a0", true), ("a1", true), ("a2", true)]);
    assert_eq!(listed(&history, &SessionFilter::new()), expected);
    let ada = SessionFilter::new().with_label("user", "ada");
    assert_eq!(block_on(history.delete_sessions(&ada, 3)).unwrap(), 3);
    let error = block_on(history.delete_sessions(&ada, 9)).unwrap_err();
    assert!(cause(&error).contains("cannot decrypt the id of the session `"), "{error:?}");
    assert_eq!(listed(&other, &SessionFilter::new()), names(&[("b0", true)]));
    // A list of ids alone, as for a copy, is whole or an error.
    assert!(block_on(history.sessions(None, 9)).is_err());
}
