//! The stores that can be named on the command line.

use std::{
    fs::File,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    str::FromStr,
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
    Lines(Lines),
}

/// JSON lines, in a file or on standard input or output.
#[derive(Debug, Clone)]
pub enum Lines {
    Standard,
    File(PathBuf),
}

impl FromStr for Store {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, rest) =
            text.split_once(':').ok_or("a store has the form `KIND:WHERE`; see --help")?;
        let path = || PathBuf::from(rest);
        Ok(match kind {
            "sqlite" => Self::Sqlite(path()),
            "jsonl" => Self::Jsonl(path()),
            "postgres" | "postgresql" => Self::Postgres(text.to_owned()),
            "redis" | "rediss" => Self::Redis(text.to_owned()),
            "langchain-sqlite" => Self::LangChainSqlite(path()),
            "langchain-postgres" => Self::LangChainPostgres(format!("postgres:{rest}")),
            "langchain-redis" => Self::LangChainRedis(format!("redis:{rest}")),
            "lines" if rest == "-" => Self::Lines(Lines::Standard),
            "lines" => Self::Lines(Lines::File(path())),
            other => return Err(format!("there is no kind of store `{other}`; see --help")),
        })
    }
}

impl Store {
    /// Opens the store.
    pub async fn open(self) -> Result<Box<dyn ChatHistory>, HistoryError> {
        Ok(match self {
            Self::Sqlite(file) => Box::new(SqliteHistory::open(file)?),
            Self::Jsonl(folder) => Box::new(JsonlHistory::open(folder)?),
            Self::Postgres(url) => Box::new(PostgresHistory::connect(url).await?),
            Self::Redis(url) => Box::new(RedisHistory::connect(url).await?),
            Self::LangChainSqlite(file) => Box::new(LangChainSqliteHistory::open(file)?),
            Self::LangChainPostgres(url) => Box::new(LangChainPostgresHistory::connect(url).await?),
            Self::LangChainRedis(url) => Box::new(LangChainRedisHistory::connect(url).await?),
            Self::Lines(_) => return Err(HistoryError::Unsupported { what: "lines as a store" }),
        })
    }
}

impl Lines {
    /// Opens the lines for reading.
    pub fn read(self) -> io::Result<Box<dyn BufRead + Send>> {
        Ok(match self {
            Self::Standard => Box::new(BufReader::new(io::stdin())),
            Self::File(path) => Box::new(BufReader::new(File::open(path)?)),
        })
    }
}
