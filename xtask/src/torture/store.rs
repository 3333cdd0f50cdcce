//! The stores under test.

use std::{
    error::Error,
    fmt, fs,
    path::{Path, PathBuf},
    str::FromStr,
};

use conversant_core::{ChatHistory, HistoryError, SessionId, TurnId};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_sqlite::SqliteHistory;

/// A kind of store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    Jsonl,
}

impl Store {
    pub(super) const ALL: [Self; 2] = [Self::Sqlite, Self::Jsonl];

    /// Opens the store in a folder.
    pub(super) fn open(self, folder: &Path) -> Result<Box<dyn ChatHistory>, HistoryError> {
        Ok(match self {
            Self::Sqlite => Box::new(SqliteHistory::open(folder.join("chat.db"))?),
            Self::Jsonl => Box::new(JsonlHistory::open(folder.join("chats"))?),
        })
    }
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Jsonl => "jsonl",
        })
    }
}

impl FromStr for Store {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|store| store.to_string() == name);
        found.ok_or_else(|| format!("unknown store `{name}`"))
    }
}

/// A folder that is removed when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> std::io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// Creates a folder in memory, where the system has a place for it.
    pub(super) fn off_disk() -> std::io::Result<Self> {
        Self::within(Path::new("/dev/shm")).or_else(|_| Self::new())
    }

    fn within(folder: &Path) -> std::io::Result<Self> {
        let folder = folder.join(format!("torture-{}", TurnId::random()));
        fs::create_dir(&folder)?;
        Ok(Self(folder))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

pub(super) fn session(name: &str) -> Result<SessionId, Box<dyn Error>> {
    Ok(SessionId::new(name)?)
}

/// Returns the kind of an error.
pub(super) fn kind(error: &HistoryError) -> &'static str {
    match error {
        HistoryError::Stale { .. } => "stale",
        HistoryError::Busy => "busy",
        HistoryError::TooLarge { .. } => "too large",
        HistoryError::Full { .. } => "full",
        HistoryError::ReadOnly { .. } => "read-only",
        HistoryError::Corrupt { .. } => "corrupt",
        HistoryError::SchemaTooNew { .. } => "schema too new",
        HistoryError::Unsupported { .. } => "unsupported",
        _ => "backend",
    }
}

/// Formats an error with its causes in one line.
pub(super) fn shown(error: &dyn Error) -> String {
    let mut shown = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        shown.push_str(": ");
        shown.push_str(&cause.to_string());
        source = cause.source();
    }
    shown
}
