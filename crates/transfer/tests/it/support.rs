//! Fixtures: short forms of the operations of a history, and imports with all that they report.

use std::{fmt::Write as _, time::UNIX_EPOCH};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, Version};
use conversant_memory::InMemoryHistory;
use conversant_testkit::block_on;
use conversant_transfer::{Export, Import, TransferError, TransferEvent, TransferProgress, copy};

pub(crate) const CHATGPT: &str = include_str!("data/chatgpt.json");
pub(crate) const SHAREGPT: &str = include_str!("data/sharegpt.json");
pub(crate) const FINE_TUNING: &str = include_str!("data/fine_tuning.jsonl");
pub(crate) const LANGCHAIN_FILE: &str = include_str!("data/langchain_file.json");

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

pub(crate) fn turns(history: &dyn ChatHistory, name: &str) -> Vec<Turn> {
    block_on(history.turns(&session(name), Range::All)).unwrap()
}

/// Imports a file, and returns the outcome and the omissions as text.
pub(crate) fn import(
    import: &Import,
    to: &dyn ChatHistory,
    file: &[u8],
) -> (Result<TransferProgress, TransferError>, Vec<String>) {
    let mut omissions = Vec::new();
    let outcome = block_on(import.run(to, file, |event| {
        if let TransferEvent::Omitted(omission) = event {
            omissions.push(omission.to_string());
        }
    }));
    (outcome, omissions)
}

/// Exports a history, and returns the file and the omissions as text.
pub(crate) fn export(export: &Export, from: &dyn ChatHistory) -> (String, Vec<String>) {
    let (mut file, mut omissions) = (Vec::new(), Vec::new());
    block_on(export.run(from, &mut file, |event| {
        if let TransferEvent::Omitted(omission) = event {
            omissions.push(omission.to_string());
        }
    }))
    .unwrap();
    (String::from_utf8(file).unwrap(), omissions)
}

/// Copies a history, and returns the progress and the omissions as text.
pub(crate) fn copied(
    from: &dyn ChatHistory,
    to: &dyn ChatHistory,
) -> (TransferProgress, Vec<String>) {
    let mut omissions = Vec::new();
    let done = block_on(copy(from, to, |event| {
        if let TransferEvent::Omitted(omission) = event {
            omissions.push(omission.to_string());
        }
    }));
    (done.unwrap(), omissions)
}

/// Describes everything in a history.
pub(crate) fn describe(history: &InMemoryHistory) -> String {
    let mut text = String::new();
    for session in block_on(history.sessions(None, usize::MAX)).unwrap() {
        writeln!(text, "## {session}").unwrap();
        for turn in block_on(history.turns(&session, Range::All)).unwrap() {
            let time = turn.id().created_at().map(|time| time.duration_since(UNIX_EPOCH).unwrap());
            let cut_off = if turn.is_incomplete() { ", cut off" } else { "" };
            match time {
                Some(time) => writeln!(text, "{} at {} ms{cut_off}", turn.id(), time.as_millis()),
                None => writeln!(text, "{}{cut_off}", turn.id()),
            }
            .unwrap();
            for message in turn.messages().iter() {
                writeln!(text, "  {}", message.to_stored()).unwrap();
            }
        }
    }
    text
}

/// Returns a history with 300 sessions, so that they take two pages, and one of several turns.
pub(crate) fn filled() -> InMemoryHistory {
    let history = InMemoryHistory::new();
    for number in 0..300 {
        append(&history, &format!("session {number}"), &exchange(number)).unwrap();
    }
    let seen = append(&history, "it's a \u{1f600}", &exchange(1)).unwrap();
    let cut_off = exchange(2).with_base(seen).with_incomplete(true);
    append(&history, "it's a \u{1f600}", &cut_off).unwrap();
    history
}
