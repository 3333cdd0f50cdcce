//! Fixtures: short forms of the operations of a history.

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, Version};
use conversant_testkit::block_on;

pub(crate) fn session(name: &str) -> SessionId {
    SessionId::new(name).unwrap()
}

pub(crate) fn exchange(number: usize) -> Turn {
    Turn::exchange(format!("question {number}"), format!("answer {number}"))
}

pub(crate) fn append(
    history: &dyn ChatHistory,
    name: &str,
    turn: &Turn,
) -> Result<Version, HistoryError> {
    block_on(history.append(&session(name), turn, Expect::Any))
}

pub(crate) fn load(history: &dyn ChatHistory, name: &str) -> Result<Slice, HistoryError> {
    block_on(history.load(&session(name), Range::All))
}
