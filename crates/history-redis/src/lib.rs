//! Conversations in Redis or Valkey, for many application servers, and in LangChain's keys there.
//!
//! Depend on this crate if several machines share conversations and Redis is what they have; read what Redis can lose in the
//! documentation of [`RedisHistory`]. It is written on `conversant-core` alone, as a history of anybody's would be.
//!
//! | to | take |
//! |---|---|
//! | keep conversations | [`RedisHistory`] |
//! | share or take over those of LangChain's `RedisChatMessageHistory` | [`LangChainRedisHistory`] |
//!
//! # Examples
//!
//! ```no_run
//! use std::time::Duration;
//! use conversant_history_redis::RedisHistory;
//!
//! # async fn run() -> Result<(), conversant_core::HistoryError> {
//! let week = Duration::from_secs(7 * 24 * 60 * 60);
//! let history = RedisHistory::builder("redis://127.0.0.1/").time_to_live(week).connect().await?;
//! # Ok(())
//! # }
//! ```

mod commands;
mod connecting;
mod encoded;
mod engine;
mod error;
mod gates;
mod history;
mod keys;
mod langchain;

pub use self::{
    error::RedisError,
    history::{RedisHistory, RedisHistoryBuilder},
    langchain::{LangChainRedisHistory, LangChainRedisHistoryBuilder},
};
