//! Layers around a model: limits, a cache, and another model to fall back on.
//!
//! Each is a model itself, over any model that implements core's traits, of one's own too; they nest in any order. Inside out is
//! the order in which a call leaves: `Cached::new(RateLimit::new(model, …), …)` asks the cache first, and only a miss counts.

mod cache;
mod concurrency;
mod fallback;
mod rate_limit;

use std::time::Instant;

use conversant_core::ModelError;

pub use self::{
    cache::{CacheKey, Cached, MemoryCache, ReplyCache},
    concurrency::ConcurrencyLimit,
    fallback::Fallback,
    rate_limit::RateLimit,
};

/// The error of a call whose turn would come after its deadline.
fn too_late(what: &str, deadline: Instant) -> ModelError {
    let left = deadline.saturating_duration_since(Instant::now()).as_secs_f64();
    ModelError::custom(
        format!(
            "the call would have to wait for its {what} beyond its deadline, {left:.3} s from now"
        ),
        true,
        None,
    )
}
