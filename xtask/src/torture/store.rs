//! The stores under test.

use std::{
    error::Error,
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

use conversant_core::{ChatHistory, HistoryError, SessionId, TurnId};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_postgres::PostgresHistory;
use conversant_history_redis::RedisHistory;
use conversant_history_sqlite::SqliteHistory;
use conversant_testkit::{
    block_on,
    servers::{PostgresServer, RedisServer, Server},
};

/// A kind of store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Store {
    Sqlite,
    Jsonl,
    Postgres,
    Redis,
}

impl Store {
    /// The stores in a folder.
    pub(super) const ALL: [Self; 2] = [Self::Sqlite, Self::Jsonl];
    /// The stores on a server.
    pub(super) const SERVED: [Self; 2] = [Self::Postgres, Self::Redis];

    /// Opens the store in a folder; of one on a server, the place is the server's URL. That one
    /// needs a Tokio runtime.
    pub(super) fn open(
        self,
        place: impl AsRef<Path>,
    ) -> Result<Box<dyn ChatHistory>, HistoryError> {
        let place = place.as_ref();
        let url = place.to_str().unwrap_or_default();
        Ok(match self {
            Self::Sqlite => Box::new(SqliteHistory::open(place.join("chat.db"))?),
            Self::Jsonl => Box::new(JsonlHistory::open(place.join("chats"))?),
            Self::Postgres => Box::new(block_on(PostgresHistory::connect(url))?),
            Self::Redis => Box::new(block_on(RedisHistory::connect(url))?),
        })
    }

    /// Starts a server of a store. Returns `None` if the server is not installed.
    pub(super) fn serve(self) -> io::Result<Option<Served>> {
        Ok(match self {
            Self::Sqlite | Self::Jsonl => None,
            Self::Postgres => PostgresServer::start(&[])?
                .map(|server| Served { url: server.url(), server: Box::new(server) }),
            Self::Redis => RedisServer::start(&[])?
                .map(|server| Served { url: server.url(), server: Box::new(server) }),
        })
    }
}

/// A server of a store.
pub(super) struct Served {
    pub(super) url: String,
    pub(super) server: Box<dyn Server>,
}

impl fmt::Display for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "sqlite",
            Self::Jsonl => "jsonl",
            Self::Postgres => "postgres",
            Self::Redis => "redis",
        })
    }
}

impl FromStr for Store {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let mut stores = Self::ALL.into_iter().chain(Self::SERVED);
        let found = stores.find(|store| store.to_string() == name);
        found.ok_or_else(|| format!("unknown store `{name}`"))
    }
}

/// A folder that is removed when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        Self::within(&std::env::temp_dir())
    }

    /// Creates a folder in memory, where the system has a place for it.
    pub(super) fn off_disk() -> io::Result<Self> {
        Self::within(Path::new("/dev/shm")).or_else(|_| Self::new())
    }

    fn within(folder: &Path) -> io::Result<Self> {
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
