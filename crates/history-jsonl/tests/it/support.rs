//! Fixtures: a folder with a history, and access to its files.

use std::fs;

use conversant_core::{
    ChatHistory, Expect, HistoryError, Point, Range, SessionId, Slice, Turn, Version,
};
use conversant_history_jsonl::{JsonlHistory, JsonlHistoryBuilder};
use conversant_testkit::block_on;
use tempfile::TempDir;

/// A temporary folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        self.0.path()
    }

    pub(crate) fn open(&self) -> JsonlHistory {
        JsonlHistory::open(self.0.path()).unwrap()
    }

    pub(crate) fn builder(&self) -> JsonlHistoryBuilder {
        JsonlHistory::builder(self.0.path())
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.open().path(&session(name))).unwrap()
    }

    pub(crate) fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.open().path(&session(name)), bytes).unwrap();
    }

    /// Returns the extensions of the folder's files, in order.
    pub(crate) fn endings(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let ending = |name: String| name.rsplit('.').next().unwrap().to_owned();
        let mut endings: Vec<_> = entries
            .map(|entry| ending(entry.unwrap().file_name().into_string().unwrap()))
            .collect();
        endings.sort();
        endings
    }
}

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

/// Appends a turn at a point.
pub(crate) fn append_at(
    history: &dyn ChatHistory,
    name: &str,
    point: Point,
    turn: &Turn,
) -> Result<Version, HistoryError> {
    append(&*history.at(point).unwrap(), name, turn)
}

pub(crate) fn load(history: &dyn ChatHistory, name: &str) -> Result<Slice, HistoryError> {
    block_on(history.load(&session(name), Range::All))
}
