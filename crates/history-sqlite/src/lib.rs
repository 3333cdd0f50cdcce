//! Conversations in a SQLite file: a [`ChatHistory`](conversant_core::ChatHistory) that outlives
//! the process.
//!
//! For programs on one machine. SQLite is compiled in; there is no server to install. It works with
//! any async runtime, because the store has its own threads.
//!
//! - [`SqliteHistory`] stores whole turns, each once, in tables of its own.
//! - [`LangChainSqliteHistory`] shares the table of LangChain's `SQLChatMessageHistory` with Python
//!   programs.
//!
//! # Examples
//!
//! ```
//! use conversant_core::{ChatHistory, Expect, Range, SessionId, Turn};
//! use conversant_history_sqlite::SqliteHistory;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let file = folder.path().join("chat.db");
//! let history = SqliteHistory::open(&file)?;
//! let session = SessionId::new("user-7")?;
//! let turn = Turn::exchange("Hi there my friend", "Hello!");
//! history.append(&session, &turn, Expect::Any).await?;
//! // Appending a turn again has no effect.
//! let version = history.append(&session, &turn, Expect::Any).await?;
//! assert_eq!(version.messages, 2);
//! # Ok(())
//! # }
//! ```

mod chat_history;
mod checksum;
mod connection;
mod deletion;
mod error;
mod history;
mod langchain;
mod options;
mod schema;
mod statement;
mod table;
mod worker;

pub use self::{
    history::{SqliteHistory, SqliteHistoryBuilder},
    langchain::{LangChainSqliteHistory, LangChainSqliteHistoryBuilder},
    options::Synchronous,
};
