//! The stores that can be named on the command line.

use std::{
    error::Error,
    fmt,
    path::{Path, PathBuf},
};

use conversant_core::{ChatHistory, HistoryError};
use conversant_history_jsonl::JsonlHistory;
use conversant_history_postgres::{LangChainPostgresHistory, PostgresHistory};
use conversant_history_redis::{LangChainRedisHistory, RedisHistory};
use conversant_history_sqlite::{LangChainSqliteHistory, SqliteHistory};

/// A store, not opened yet.
#[derive(Debug, Clone)]
pub enum Store {
    Sqlite(PathBuf),
    Jsonl(PathBuf),
    Postgres(String),
    Redis(String),
    LangChainSqlite(PathBuf),
    LangChainPostgres(String),
    LangChainRedis(String),
}

impl Store {
    /// Returns the store of a kind, such as `sqlite`, at a place; `text` is both.
    pub fn of_kind(kind: &str, place: &str, text: &str) -> Option<Self> {
        let path = || PathBuf::from(place);
        Some(match kind {
            "sqlite" => Self::Sqlite(path()),
            "jsonl" => Self::Jsonl(path()),
            "postgres" | "postgresql" => Self::Postgres(text.to_owned()),
            "redis" | "rediss" => Self::Redis(text.to_owned()),
            "langchain-sqlite" => Self::LangChainSqlite(path()),
            "langchain-postgres" => Self::LangChainPostgres(format!("postgres:{place}")),
            "langchain-redis" => Self::LangChainRedis(format!("redis:{place}")),
            _ => return None,
        })
    }

    /// Returns an error if the store is a path at which nothing is: to open it would create it.
    pub fn must_exist(&self) -> Result<(), String> {
        match self.path() {
            Some(path) if !path.exists() => {
                Err(format!("there is nothing at `{}` to copy from", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Opens the store.
    pub async fn open(self) -> Result<Box<dyn ChatHistory>, CannotOpen> {
        let path = self.path().map(|path| path.display().to_string());
        self.history().await.map_err(|source| CannotOpen { path, source })
    }

    /// Returns the path of a file or folder.
    fn path(&self) -> Option<&Path> {
        match self {
            Self::Sqlite(path) | Self::Jsonl(path) | Self::LangChainSqlite(path) => Some(path),
            _ => None,
        }
    }

    async fn history(self) -> Result<Box<dyn ChatHistory>, HistoryError> {
        Ok(match self {
            Self::Sqlite(file) => Box::new(SqliteHistory::open(file)?),
            Self::Jsonl(folder) => Box::new(JsonlHistory::open(folder)?),
            Self::Postgres(url) => Box::new(PostgresHistory::connect(url).await?),
            Self::Redis(url) => Box::new(RedisHistory::connect(url).await?),
            Self::LangChainSqlite(file) => Box::new(LangChainSqliteHistory::open(file)?),
            Self::LangChainPostgres(url) => Box::new(LangChainPostgresHistory::connect(url).await?),
            Self::LangChainRedis(url) => Box::new(LangChainRedisHistory::connect(url).await?),
        })
    }
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
