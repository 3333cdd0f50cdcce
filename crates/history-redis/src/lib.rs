//! Conversations in Redis or Valkey, for many application servers, and in LangChain's keys.
//!
//! Use this crate if several machines share conversations and already use Redis. Read what Redis
//! can lose in the documentation of [`RedisHistory`].
//!
//! | to | use |
//! |---|---|
//! | store conversations | [`RedisHistory`] |
//! | share or migrate those of LangChain's `RedisChatMessageHistory` | [`LangChainRedisHistory`] |
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

mod chat_history;
#[cfg(feature = "cluster")]
mod cluster;
mod commands;
mod connect;
mod error;
mod history;
mod keys;
mod langchain;
mod link;
mod pool;
mod renewed;

pub use self::{
    error::RedisError,
    history::{RedisHistory, RedisHistoryBuilder},
    langchain::{LangChainRedisHistory, LangChainRedisHistoryBuilder},
};
