//! Layers around language models: a cache, a rate limit, a concurrency limit and a fallback.
//!
//! Each layer is a model itself. It wraps any model that implements `conversant-core`'s traits, and
//! layers nest in any order. A call passes from the outermost layer to the innermost:
//! `Cached::new(RateLimit::new(model, …), …)` looks in the cache first, and only a miss counts
//! against the limit.
//!
//! | layer | effect |
//! |---|---|
//! | [`Cached`] | answers a repeated request from a [`ReplyCache`] |
//! | [`RateLimit`] | limits the calls that start in a time window |
//! | [`ConcurrencyLimit`] | limits the calls that run at the same time |
//! | [`Fallback`] | calls a second model if the first fails |
//!
//! [`RateLimit`], and [`ConcurrencyLimit`] for calls with a deadline, wait with tokio's timer.
//! Outside of a tokio runtime, and in one without a timer, such a wait is
//! [`ModelError::Config`](conversant_core::ModelError). A wait goes on in another runtime if the
//! first one has ended.
//!
//! Depend on this crate to pay less for repeated questions, to stay below a provider's limits, or
//! to go on when a provider fails.
//!
//! # Examples
//!
//! At most 60 calls a minute of one model, another one if it fails, and a cache of 1,000 answers:
//!
//! ```
//! use std::time::Duration;
//!
//! use conversant_core::{ChatModel, ChatRequest, Message, ModelError};
//! use conversant_layers::{Cached, Fallback, InMemoryCache, RateLimit};
//! # use conversant_testkit::ScriptedChat;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ModelError> {
//! # let first = ScriptedChat::new([ModelError::custom("overloaded", true, None)]);
//! # let second = ScriptedChat::new(["Hello!"]);
//! let limited = RateLimit::new(first, 60, Duration::from_secs(60));
//! let model = Cached::new(Fallback::new(limited, second), "greetings", InMemoryCache::new(1_000));
//! for _ in 0..2 {
//!     let reply = model.generate(&ChatRequest::new(Message::human("Hi"))).await?;
//!     assert_eq!(reply.text(), "Hello!");
//! }
//! # Ok(())
//! # }
//! ```

mod after_tools;
mod cache;
mod cached;
mod concurrency_limit;
mod fallback;
mod in_memory_cache;
mod queue;
mod rate_limit;
mod start_times;
mod timer;
mod wait;

pub use self::{
    cache::{CacheKey, ReplyCache},
    cached::Cached,
    concurrency_limit::ConcurrencyLimit,
    fallback::Fallback,
    in_memory_cache::InMemoryCache,
    rate_limit::RateLimit,
};
