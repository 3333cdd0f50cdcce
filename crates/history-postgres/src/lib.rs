//! Conversations in PostgreSQL, for many application servers, and in LangChain's tables there.
//!
//! Depend on this crate if conversations are to outlive the process and be shared by several machines. For one machine
//! `conversant-history-sqlite` needs no server. It is written on `conversant-core` alone, as a history of anybody's would be.
//!
//! | to | take |
//! |---|---|
//! | keep conversations | [`PostgresHistory`] |
//! | share or take over those of LangChain's `PostgresChatMessageHistory` or `SQLChatMessageHistory` | [`LangChainPostgresHistory`] |
//!
//! # Examples
//!
//! ```no_run
//! use conversant_history_postgres::PostgresHistory;
//!
//! # async fn run() -> Result<(), conversant_core::HistoryError> {
//! let history = PostgresHistory::builder("postgres://localhost/chat")
//!     .most_connections(8)
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! ```

mod connecting;
mod encoded;
mod engine;
mod error;
mod gates;
mod history;
mod langchain;
mod schema;
mod statements;

pub use self::{
    error::PostgresError,
    history::{PostgresHistory, PostgresHistoryBuilder},
    langchain::{LangChainPostgresHistory, LangChainPostgresHistoryBuilder},
};
