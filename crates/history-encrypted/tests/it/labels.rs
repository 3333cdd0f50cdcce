//! Labels after a rotation of keys, at the store's limit and when a change stops halfway.

use std::{
    collections::BTreeMap,
    time::{Duration, UNIX_EPOCH},
};

use conversant_core::{
    ChatHistory, Expect, HistoryError, OwnFormat, Range, SessionCursor, SessionFilter, SessionId,
    SessionInfo, SessionPage, Slice, Turn, TurnId, Version, async_trait,
};
use conversant_history_encrypted::{Encrypted, Keyring};
use conversant_memory::InMemoryHistory;
use conversant_testkit::{FailingHistory, FailureMode, HistoryCall, block_on, poll_then_drop};
use conversant_transfer::copy;

use crate::support::{append, encrypted, exchange, key, keys, session};

/// A keyring whose primary key is the last of those of these numbers.
fn ring(numbers: &[u8]) -> Keyring {
    let (primary, older) = numbers.split_last().unwrap();
    older.iter().fold(Keyring::new(&key(*primary)), |ring, older| ring.with_older(&key(*older)))
}

fn set<H: ChatHistory>(history: &Encrypted<H>, name: &str, value: Option<&str>) {
    block_on(history.set_label(&session("a"), name, value)).unwrap();
}

fn labels(history: &dyn ChatHistory) -> BTreeMap<String, String> {
    let info = block_on(history.session_info(&session("a"))).unwrap();
    info.map(|info| info.labels).unwrap_or_default()
}

pub(crate) fn the_most_labels_are_changed_after_a_rotation() {
    let store = InMemoryHistory::new();
    let open = |numbers: &[u8]| Encrypted::new(store.clone(), ring(numbers));
    let first = open(&[1]);
    for number in 0..SessionInfo::MAX_LABELS {
        set(&first, &format!("label {number}"), Some("old"));
    }
    for ring in [&[1, 2][..], &[1, 2, 3]] {
        let history = open(ring);
        for number in 0..SessionInfo::MAX_LABELS {
            set(&history, &format!("label {number}"), Some("new"));
            let value = format!("changed with {} keys", ring.len());
            set(&history, &format!("label {number}"), Some(&value));
            assert_eq!(labels(&history)[&format!("label {number}")], value);
            assert_eq!(labels(&history).len(), SessionInfo::MAX_LABELS);
        }
        // Another one is too many, as before.
        let refused = block_on(history.set_label(&session("a"), "another", Some("x")));
        assert!(matches!(refused, Err(HistoryError::TooManyLabels { .. })), "{refused:?}");
    }
    // A place that becomes free is used by what is set next: its name by the new key.
    let history = open(&[1, 2, 3]);
    set(&history, "label 0", None);
    assert_eq!(labels(&history).len(), SessionInfo::MAX_LABELS - 1);
    for number in 1..SessionInfo::MAX_LABELS {
        set(&history, &format!("label {number}"), Some("last"));
    }
    assert_eq!(labels(&store).len(), SessionInfo::MAX_LABELS - 1);
    let last = open(&[3]);
    for number in 1..SessionInfo::MAX_LABELS {
        assert_eq!(labels(&last)[&format!("label {number}")], "last");
        set(&last, &format!("label {number}"), None);
    }
    assert_eq!(labels(&store).len(), 0);
}

pub(crate) fn a_key_that_was_added_twice_keeps_labels() {
    let history = Encrypted::new(InMemoryHistory::new(), ring(&[1, 1]));
    set(&history, "label", Some("value"));
    assert_eq!(labels(&history)["label"], "value");
    set(&history, "label", None);
    assert_eq!(labels(&history).len(), 0);
}

/// A change by another caller.
#[derive(Clone, Copy)]
enum Change {
    Turn,
    Label,
    SameLabel,
}

/// A store whose session `a` is changed after it was looked at.
struct Changing {
    store: InMemoryHistory,
    change: Change,
}

impl OwnFormat for Changing {}

#[async_trait]
impl ChatHistory for Changing {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.store.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.store.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.store.clear(session).await
    }

    async fn delete(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.store.delete(session).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        let found = self.store.session_info(session).await?;
        let others = encrypted(&self.store);
        if session.as_str() != "a" {
            return Ok(found);
        }
        match self.change {
            Change::Turn => {
                let turn = Turn::exchange("new", "turn");
                others.append(session, &turn, Expect::Any).await?;
            }
            Change::Label => others.set_label(session, "user", Some("bob")).await?,
            // The record differs, once.
            Change::SameLabel => {
                let labels = found.iter().flat_map(|info| info.labels.keys());
                if labels.count() == 1 {
                    others.set_label(session, "user", Some("ada")).await?;
                    others.set_label(session, "other", Some("x")).await?;
                }
            }
        }
        Ok(found)
    }

    async fn list_sessions(
        &self,
        filter: &SessionFilter,
        after: Option<&SessionCursor>,
        limit: usize,
    ) -> Result<SessionPage, HistoryError> {
        self.store.list_sessions(filter, after, limit).await
    }

    async fn delete_sessions(
        &self,
        filter: &SessionFilter,
        limit: usize,
    ) -> Result<usize, HistoryError> {
        self.store.delete_sessions(filter, limit).await
    }
}

/// The session is used, or labelled, between the look at it and its deletion.
pub(crate) fn a_session_that_changes_before_its_deletion_stays() {
    let old = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    for (change, is_deleted) in
        [(Change::Turn, false), (Change::Label, false), (Change::SameLabel, true)]
    {
        let store = InMemoryHistory::new();
        let history = encrypted(&store);
        let turn = Turn::exchange("old", "turn").with_id(TurnId::at(old));
        block_on(history.append(&session("a"), &turn, Expect::Any)).unwrap();
        set(&history, "user", Some("ada"));
        let filter = SessionFilter::new()
            .with_label("user", "ada")
            .with_used_before(old + Duration::from_secs(1));
        let changing = Encrypted::new(Changing { store, change }, keys());
        let deleted = block_on(changing.delete_sessions(&filter, 9)).unwrap();
        assert_eq!(deleted, usize::from(is_deleted));
        let left = block_on(history.session_info(&session("a"))).unwrap();
        assert_eq!(left.is_none(), is_deleted);
    }
}

/// Callers stop once nothing was deleted.
pub(crate) fn another_session_takes_the_place_of_one_that_changes() {
    let store = InMemoryHistory::new();
    let history = encrypted(&store);
    for name in ["a", "b"] {
        append(&history, name, &exchange(0));
        block_on(history.set_label(&session(name), "user", Some("ada"))).unwrap();
    }
    let filter = SessionFilter::new().with_label("user", "ada");
    let changing = Encrypted::new(Changing { store, change: Change::Label }, keys());
    assert_eq!(block_on(changing.delete_sessions(&filter, 1)).unwrap(), 1);
    assert!(block_on(history.session_info(&session("a"))).unwrap().is_some());
    assert!(block_on(history.session_info(&session("b"))).unwrap().is_none());
}

/// A store of which chosen calls fail.
struct Store(FailingHistory<InMemoryHistory>);

impl OwnFormat for Store {}

#[async_trait]
impl ChatHistory for Store {
    async fn load(&self, session: &SessionId, range: Range) -> Result<Slice, HistoryError> {
        self.0.load(session, range).await
    }

    async fn append(
        &self,
        session: &SessionId,
        turn: &Turn,
        expect: Expect,
    ) -> Result<Version, HistoryError> {
        self.0.append(session, turn, expect).await
    }

    async fn clear(&self, session: &SessionId) -> Result<(), HistoryError> {
        self.0.clear(session).await
    }

    async fn session_info(&self, session: &SessionId) -> Result<Option<SessionInfo>, HistoryError> {
        self.0.session_info(session).await
    }

    async fn set_label(
        &self,
        session: &SessionId,
        name: &str,
        value: Option<&str>,
    ) -> Result<(), HistoryError> {
        self.0.set_label(session, name, value).await
    }
}

/// With any number of other labels, of keys that have named the label, and of the call to the
/// store that does not return.
pub(crate) fn a_change_that_stops_halfway_leaves_the_value_of_before_or_the_new_one() {
    let mut stopped = 0;
    for others in [0, SessionInfo::MAX_LABELS - 1, SessionInfo::MAX_LABELS - 2] {
        // A label that was set with both keys, the second of which did not know the first.
        for named in [&[1][..], &[1, 2]] {
            for value in [Some("new"), None] {
                for call in 1..=4 {
                    let store = InMemoryHistory::new();
                    for key in named {
                        let history = Encrypted::new(store.clone(), ring(&[*key]));
                        set(&history, "label", Some("old"));
                    }
                    let all = ring(&[1, 2, 3]);
                    let history = Encrypted::new(store.clone(), all.clone());
                    // The last may be too many, with two names.
                    for number in 0..others {
                        let name = format!("other {number}");
                        let _ = block_on(history.set_label(&session("a"), &name, Some("x")));
                    }
                    let before = labels(&history);
                    let failing = FailingHistory::new(store.clone()).on(
                        HistoryCall::SetLabel,
                        call,
                        FailureMode::hang(),
                    );
                    let changing = Encrypted::new(Store(failing), all);
                    let change = block_on(poll_then_drop(
                        changing.set_label(&session("a"), "label", value),
                        1,
                    ));
                    stopped += usize::from(change.is_none());
                    let after = labels(&history);
                    let found = after.get("label").map(String::as_str);
                    assert!(found == Some("old") || found == value, "{others} {named:?} {found:?}");
                    if change.is_some() {
                        assert_eq!(found, value);
                    }
                    let rest = |labels: &BTreeMap<String, String>| {
                        labels.keys().filter(|name| *name != "label").count()
                    };
                    assert_eq!(rest(&after), rest(&before));
                }
            }
        }
    }
    assert!(stopped > 0);
}

/// Encryption takes shorter titles and labels than other stores. One that is too long takes no
/// other with it.
pub(crate) fn a_copy_keeps_the_names_that_fit() {
    let from = InMemoryHistory::new();
    append(&from, "a", &exchange(0));
    let long = "x".repeat(300);
    let names = [("a long one", long.as_str()), ("user", "ada"), ("zone", "east")];
    block_on(from.set_title(&session("a"), Some(&"é".repeat(350)))).unwrap();
    for (name, value) in names {
        block_on(from.set_label(&session("a"), name, Some(value))).unwrap();
    }
    let to = Encrypted::new(InMemoryHistory::new(), ring(&[1]));
    let done = block_on(copy(&from, &to, |_| {})).unwrap();
    assert_eq!((done.turns, done.omissions), (1, 1));
    let info = block_on(to.session_info(&session("a"))).unwrap().unwrap();
    assert_eq!(info.title, Some("é".repeat(300)));
    let kept = names[1..].iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    assert_eq!(labels(&to), kept.collect());
}
