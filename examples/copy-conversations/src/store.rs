//! The stores that can be named on the command line.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

use conversant_core::{ChatHistory, HistoryError};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_postgres::PostgresHistory;
use conversant_history_redis::RedisHistory;
use conversant_history_sqlite::SqliteHistory;

use crate::{langchain::LangChain, report::Display};

/// A store, not opened yet.
#[derive(Debug, Clone)]
pub enum Store {
    Sqlite(PathBuf),
    Jsonl(PathBuf),
    Postgres(String),
    Redis(String),
    LangChainSqlite(PathBuf, LangChain),
    LangChainPostgres(String, LangChain),
    LangChainRedis(String, LangChain),
}

impl Store {
    /// Returns the store of a kind, such as `sqlite`, at a place; `text` is both.
    pub fn of_kind(kind: &str, place: &str, text: &str) -> Option<Self> {
        let (path, theirs) = (|| PathBuf::from(place), LangChain::default());
        Some(match kind {
            "sqlite" => Self::Sqlite(path()),
            "jsonl" => Self::Jsonl(path()),
            "postgres" | "postgresql" => Self::Postgres(text.to_owned()),
            "redis" | "rediss" => Self::Redis(text.to_owned()),
            "langchain-sqlite" => Self::LangChainSqlite(path(), theirs),
            "langchain-postgres" => Self::LangChainPostgres(format!("postgres:{place}"), theirs),
            "langchain-redis" => Self::LangChainRedis(format!("redis:{place}"), theirs),
            _ => return None,
        })
    }

    /// Returns whether it is a table of LangChain's.
    pub const fn is_table(&self) -> bool {
        matches!(self, Self::LangChainSqlite(..) | Self::LangChainPostgres(..))
    }

    /// Returns whether it is keys of LangChain's.
    pub const fn is_keys(&self) -> bool {
        matches!(self, Self::LangChainRedis(..))
    }

    /// Returns the settings of a store of LangChain's.
    pub const fn langchain(&mut self) -> Option<&mut LangChain> {
        match self {
            Self::LangChainSqlite(_, theirs)
            | Self::LangChainPostgres(_, theirs)
            | Self::LangChainRedis(_, theirs) => Some(theirs),
            _ => None,
        }
    }

    /// Returns the reason that there may be for no conversations.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::LangChainSqlite(_, theirs) | Self::LangChainPostgres(_, theirs) => {
                Some(theirs.table_hint())
            }
            Self::LangChainRedis(_, theirs) => Some(theirs.keys_hint()),
            _ => None,
        }
    }

    /// Returns an error if the store is a path at which nothing is.
    fn must_exist(&self) -> Result<(), String> {
        match self.path() {
            Some(path) if !path.exists() => {
                Err(format!("there is nothing at `{}` to copy from", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Returns the path of a file or folder.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) | Self::Jsonl(path) | Self::LangChainSqlite(path, _) => Some(path),
            _ => None,
        }
    }

    /// Opens the store for reading. What is missing is not created, and a file of an earlier
    /// version is not upgraded. Shows a line about a copy that will be slow.
    async fn source(self, display: &Display) -> Result<Box<dyn ChatHistory>, HistoryError> {
        Ok(match self {
            Self::Sqlite(file) => Box::new(SqliteHistory::builder(file).read_only(true).open()?),
            Self::LangChainSqlite(file, theirs) => {
                let history = theirs.sqlite(&file, false)?;
                if theirs.add_index {
                    history.add_index().await?;
                } else if !history.has_index().await? {
                    LangChain::advice(&history).await?.iter().for_each(|line| display.say(line));
                }
                Box::new(history)
            }
            Self::LangChainPostgres(url, theirs) => {
                let history = theirs.postgres(url, false).await?;
                if theirs.add_index {
                    history.add_index().await?;
                } else if !history.has_index().await? {
                    LangChain::advice(&history).await?.iter().for_each(|line| display.say(line));
                }
                Box::new(history)
            }
            other => other.target().await?,
        })
    }

    /// Opens the store for writing. What is missing is created.
    async fn target(self) -> Result<Box<dyn ChatHistory>, HistoryError> {
        Ok(match self {
            Self::Sqlite(file) => Box::new(SqliteHistory::open(file)?),
            Self::Jsonl(folder) => Box::new(JsonlHistory::open(folder)?),
            Self::Postgres(url) => Box::new(PostgresHistory::connect(url).await?),
            Self::Redis(url) => Box::new(RedisHistory::connect(url).await?),
            Self::LangChainSqlite(file, theirs) => Box::new(theirs.sqlite(&file, true)?),
            Self::LangChainPostgres(url, theirs) => Box::new(theirs.postgres(url, true).await?),
            Self::LangChainRedis(url, theirs) => Box::new(theirs.redis(url).await?),
        })
    }
}

/// Opens a store to copy from.
pub async fn copy_from(
    store: Store,
    display: &Display,
) -> Result<Box<dyn ChatHistory>, Box<dyn Error>> {
    store.must_exist()?;
    let path = store.path().map(|path| path.display().to_string());
    store.source(display).await.map_err(|source| CannotOpen { path, source }.into())
}

/// Opens a store to copy to.
pub async fn copy_to(store: Store) -> Result<Box<dyn ChatHistory>, CannotOpen> {
    let path = store.path().map(|path| path.display().to_string());
    store.target().await.map_err(|source| CannotOpen { path, source })
}

/// A store that cannot be opened. The addresses of servers are not named: they may have passwords.
#[derive(Debug)]
pub struct CannotOpen {
    path: Option<String>,
    source: HistoryError,
}

impl fmt::Display for CannotOpen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "cannot open `{path}`"),
            None => f.write_str("cannot open the store on the server"),
        }
    }
}

impl Error for CannotOpen {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
