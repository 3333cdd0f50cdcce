//! Fixtures: a folder with a file, and SQL on the file.

use std::path::{Path, PathBuf};

use conversant_core::{ChatHistory, Expect, HistoryError, Range, SessionId, Slice, Turn, Version};
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::block_on;
use rusqlite::Connection;
use tempfile::TempDir;

/// A temporary folder, and the path of a history in it.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.path().join("chat.db")
    }

    pub(crate) fn open(&self) -> SqliteHistory {
        SqliteHistory::open(self.file()).unwrap()
    }

    /// Returns the names of the folder's files, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs SQL on the file.
    pub(crate) fn sql(&self, sql: &str) {
        Connection::open(self.file()).unwrap().execute_batch(sql).unwrap();
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

pub(crate) fn load(history: &dyn ChatHistory, name: &str) -> Result<Slice, HistoryError> {
    block_on(history.load(&session(name), Range::All))
}

/// Formats an error with its causes, or the value.
pub(crate) fn shown<T: std::fmt::Debug>(outcome: Result<T, HistoryError>) -> String {
    match outcome {
        Ok(value) => format!("fine: {value:?}"),
        Err(error) => {
            let mut shown = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                shown = format!("{shown}\n  because: {cause}");
                source = cause.source();
            }
            shown
        }
    }
}
