//! Conversations in PostgreSQL, for many application servers, and in LangChain's tables.
//!
//! Use this crate if several machines share conversations. For one machine,
//! `conversant-history-sqlite` needs no server.
//!
//! | to | use |
//! |---|---|
//! | store conversations | [`PostgresHistory`] |
//! | share or migrate those of LangChain's `PostgresChatMessageHistory` or `SQLChatMessageHistory` | [`LangChainPostgresHistory`] |
//!
//! # Examples
//!
//! ```no_run
//! use conversant_history_postgres::PostgresHistory;
//!
//! # async fn run() -> Result<(), conversant_core::HistoryError> {
//! let history = PostgresHistory::builder("postgres://localhost/chat")
//!     .max_connections(8)
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod chat_history;
mod connect;
mod error;
mod history;
mod indexing;
mod irregular;
mod langchain;
mod loaded;
mod pool;
mod schema;
mod search;
mod statements;

pub use conversant_history::postgres::PostgresError;

pub use self::{
    history::{PostgresHistory, PostgresHistoryBuilder},
    langchain::{LangChainPostgresHistory, LangChainPostgresHistoryBuilder},
};
