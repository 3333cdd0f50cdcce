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
//! Outside of a tokio runtime such a wait is [`ModelError::Config`](conversant_core::ModelError).

mod cache;
mod cached;
mod concurrency_limit;
mod fallback;
mod rate_limit;
mod wait;

pub use self::{
    cache::{CacheKey, MemoryCache, ReplyCache},
    cached::Cached,
    concurrency_limit::ConcurrencyLimit,
    fallback::Fallback,
    rate_limit::RateLimit,
};
