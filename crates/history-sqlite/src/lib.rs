//! Conversations that outlive the process: a [`ChatHistory`](conversant_core::ChatHistory) in a SQLite file.
//!
//! For programs on one machine, which is most. SQLite is built in; there is nothing to install and no server. Any runtime will do, or
//! none: the store has threads of its own.
//!
//! - [`SqliteHistory`]: turns, whole and once, in a file of ours.
//! - [`LangChainSqliteHistory`]: the table of LangChain's `SQLChatMessageHistory`, to share with a Python program.
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
//! // Saving it twice is the same as saving it once.
//! let version = history.append(&session, &turn, Expect::Any).await?;
//! assert_eq!(version.messages, 2);
//! # Ok(())
//! # }
//! ```

mod builder;
mod clock;
mod connection;
mod failure;
mod history;
mod langchain;
mod options;
mod schema;
mod sum;
mod table;
mod worker;

pub use self::{
    builder::SqliteHistoryBuilder, history::SqliteHistory, langchain::LangChainSqliteHistory,
    options::Synchronous,
};
