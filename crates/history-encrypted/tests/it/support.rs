//! Fixtures: keys that are the same in each run, and short forms of operations.

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn};
use conversant_history_encrypted::{Encrypted, Key, Keyring};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;

pub(crate) fn key(number: u8) -> Key {
    Key::from_bytes([number; 32])
}

pub(crate) fn keys() -> Keyring {
    Keyring::new(&key(1))
}

pub(crate) fn encrypted(inner: &InMemoryHistory) -> Encrypted<InMemoryHistory> {
    Encrypted::new(inner.clone(), keys())
}

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

pub(crate) fn exchange(number: usize) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}"))
}

pub(crate) fn append(history: &dyn ChatHistory, name: &str, turn: &Turn) {
    block_on(history.append(&session(name), turn, Expect::Any)).unwrap();
}

pub(crate) fn load(history: &dyn ChatHistory, name: &str) -> Result<Slice, HistoryError> {
    block_on(history.load(&session(name), Range::All))
}

pub(crate) fn turns(history: &dyn ChatHistory, name: &str) -> Result<Vec<Turn>, HistoryError> {
    block_on(history.turns(&session(name), Range::All))
}
