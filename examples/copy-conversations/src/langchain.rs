//! The stores of LangChain: where they may be, and what makes a copy from them slow.

use std::path::Path;

use conversant_core::{ChatHistory, HistoryError};
use conversant_history_postgres::LangChainPostgresHistory;
use conversant_history_redis::LangChainRedisHistory;
use conversant_history_sqlite::LangChainSqliteHistory;

/// The number of sessions from which on it matters that a table has no index.
const MANY: usize = 200;

/// The settings of a store of LangChain's: of the one that is copied from, or else to.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct LangChain {
    /// The table of a langchain-sqlite or langchain-postgres, `table_name` in Python, if it is not
    /// `message_store`. If both places are LangChain's, it is that of FROM.
    #[arg(long, value_name = "NAME")]
    pub table: Option<String>,
    /// The beginning of the keys of a langchain-redis, `key_prefix` in Python, if it is not
    /// `message_store:`. If both places are LangChain's, it is that of FROM.
    #[arg(long, value_name = "TEXT")]
    pub key_prefix: Option<String>,
    /// Adds an index by session to the table that is copied from, which stays. LangChain's tables
    /// have none, so that the copy of each session reads the rows of all.
    #[arg(long)]
    pub add_index: bool,
}

impl LangChain {
    /// Returns the reason that there may be for a table without conversations.
    pub fn table_hint(&self) -> String {
        let table = self.table.as_deref().unwrap_or("message_store");
        format!("the table `{table}` has no conversations; another table: --table NAME")
    }

    /// Returns the reason that there may be for keys without conversations.
    pub fn keys_hint(&self) -> String {
        let prefix = self.key_prefix.as_deref().unwrap_or("message_store:");
        format!("no keys `{prefix}…` have conversations; other keys: --key-prefix TEXT")
    }

    /// Opens a table in a file.
    pub fn sqlite(
        &self,
        file: &Path,
        create: bool,
    ) -> Result<LangChainSqliteHistory, HistoryError> {
        let builder = LangChainSqliteHistory::builder(file).create(create);
        match &self.table {
            Some(table) => builder.table(table).open(),
            None => builder.open(),
        }
    }

    /// Opens a table in a database.
    pub async fn postgres(
        &self,
        url: String,
        create: bool,
    ) -> Result<LangChainPostgresHistory, HistoryError> {
        let builder = LangChainPostgresHistory::builder(url).create(create);
        match &self.table {
            Some(table) => builder.table(table).connect().await,
            None => builder.connect().await,
        }
    }

    /// Opens the keys of a server.
    pub async fn redis(&self, url: String) -> Result<LangChainRedisHistory, HistoryError> {
        let builder = LangChainRedisHistory::builder(url);
        match &self.key_prefix {
            Some(prefix) => builder.prefix(prefix).connect().await,
            None => builder.connect().await,
        }
    }

    /// Returns a line about a table without an index, if it has many sessions.
    pub async fn advice(history: &dyn ChatHistory) -> Result<Option<&'static str>, HistoryError> {
        let sessions = history.sessions(None, MANY).await?;
        let line = "the table has no index by session: the copy of each session reads the rows of \
                    all; --add-index adds one";
        Ok((sessions.len() >= MANY).then_some(line))
    }
}
